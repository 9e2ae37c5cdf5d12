"""Writes the reference of all keys from schema.json, so that it cannot say anything else than what is checked.

python -m geopipe_runner.config.reference > docs/configuration.md
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from .explanation import expected, types
from .schema import Schema, load_schema

_INTRODUCTION = """\
# Configuration

<!-- Written by `python -m geopipe_runner.config.reference > docs/configuration.md`; change schema.json, not this. -->

One YAML file describes one deployment: one account, one region, one pipeline. Two come with geopipe:
`config/local.yaml` runs everything on this machine, `config/us-west-2.yaml` runs it on AWS. Copy one and change it, and
check it with `run.py validate FILE`, which calls nobody.

- **Paths** are relative to the folder of the configuration file, and `~/` is your home. Where a key is left out, its
  default stands for geopipe's own file or folder, wherever your configuration lies.
- **Text may hold** `${account_id}`, `${region}`, `${deployment}`, `${env:NAME}` (an environment variable, which must be
  set) and `${env:NAME:-default}` (where the variable is not set or empty). `$${` is a literal `${`. Only text can be
  made this way: numbers, true and false cannot.
- **Every problem is reported at once**, as `file:line:column: what is wrong; what would be valid`, with exit code 2 and
  before anything is called. Unknown and repeated keys are problems too.
- **Editors** complete and explain keys when the first line is
  `# yaml-language-server: $schema=PATH-TO/geopipe_runner/config/schema.json`.

Needed are `deployment`, `target`, `region`, `account_id` and `bucket.name`; all else has a default.
"""


def reference() -> str:
    """The whole page."""
    schema = load_schema()
    sections = {name: part for name, part in schema["properties"].items() if "properties" in part}
    single = {name: part for name, part in schema["properties"].items() if name not in sections}
    lines = [_INTRODUCTION, "## Keys at the top", "", *_table(single, schema["required"])]
    for name, section in sections.items():
        description = section["description"] + (" Default: null." if "null" in types(section) else "")
        lines += ["", f"## {name}", "", description, "", *_table(section["properties"], _required(section))]
    return "\n".join(lines) + "\n"


def _required(section: Schema) -> list[str]:
    required: list[str] = section.get("required", [])
    return required


def _table(properties: dict[str, Schema], required: list[str]) -> Iterator[str]:
    yield "| key | meaning | valid | default | example |"
    yield "|---|---|---|---|---|"
    for key, part in properties.items():
        default = "needed" if key in required else _code(part["default"])
        cells = (f"`{key}`", part["description"], _valid(part), default, _code(part["examples"][-1]))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _valid(part: Schema) -> str:
    if "oneOf" in part:
        return " or ".join(_valid(branch) for branch in part["oneOf"])
    if types(part) == ["array"] and "required" in part["items"]:
        return "a list of sections with " + ", ".join(part["items"]["required"])
    if types(part) == ["array"]:
        return "a list of " + expected(part["items"]).removeprefix("one of ")
    if types(part) == ["object"]:
        return f"a section whose values are {expected(part['additionalProperties'])}"
    return expected(part)


def _code(value: Any) -> str:
    """As it stands in YAML: text that looks like a number needs its quotes."""
    plain = isinstance(value, str) and not value.isdigit()
    return f"`{value if plain else json.dumps(value)}`"


if __name__ == "__main__":
    sys.stdout.write(reference())
