"""Writes what is generated from `model.py`: the schema for editors, and the reference page of all keys.

`python -m geopipe_runner.config.reference`, or `make reference`, writes both files into the current checkout.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .explanation import expected, types
from .schema import Schema, editor_schema, load_schema

_ROOT = Path(__file__).resolve().parents[2]

_INTRODUCTION = """\
# Configuration

<!-- Written by `make reference`. Change geopipe_runner/config/model.py. -->

One YAML file describes one deployment: one account, one region, one pipeline. The files in `config/` come with geopipe:
`config/local.yaml` runs everything on this machine, `config/gazetteer.yaml` runs on AWS in any account, and the others
use [another provider](../how-to/choose-a-provider.md). Copy one, change it, and check it with
`python run.py validate FILE`, which makes no call.

- **Paths** are relative to the folder of the configuration file. `~/` is your home folder. If you leave a key out, its
  default stands for geopipe's own file or folder, wherever your configuration is.
- **Text may contain** `${account_id}`, `${region}`, `${deployment}`, `${bucket}` (the value of `bucket.name`),
  `${env:NAME}` (an environment variable, which must be set) and `${env:NAME:-default}` (the default applies if the
  variable is not set or empty). `$${` is a literal `${`. Where a key wants a number, `true`, `false` or null, the text
  is read as that.
- **Values from the environment** are hidden in plans, reports and JSON if they are used in `tags`,
  `function.environment`, `function.policy_statements`, `pipeline.policy_statements`, `pipeline.parameters`,
  `pipeline.description` or `assume_role.external_id`. A plan only shows that they differ. Names of resources are always
  shown.
- **Secrets from the environment** are also cut out of everything else that is printed or saved in a report, such as
  lines that a function logs: values whose key or variable has the name of a secret (`DB_PASSWORD`, `API_TOKEN`), and
  URLs with a password. Of less than 8 characters, a value is cut out only where it stands alone, and only if it has
  letters and digits, or a sign such as `!`: `hunter2` is, while `hunter` and `1234` are not. Less than 4 characters
  never are. Other values from the environment, and secrets that are written into the file, are hidden only where the
  configuration is shown. Results and other files of your function are saved as they are.
- **Spelling.** In `pipeline.parameters` and in conditions of statements, a value that YAML would change or that could
  be read in two ways is refused: `012`, `1.10`, `0x1F`, `1_000`, `1e3`, `no`, `~`, dates. Put it in quotes.
- **All problems are reported together**, as `file:line:column: what is wrong; what would be valid`, with exit code 2
  and before any call. Unknown and repeated keys are problems too.
- **A key that another job reads**, such as `job.workers` with a provider that does not work in parts, has no effect.
  `validate`, `plan` and `run` warn about it, with its place and the job that reads it. It is no problem, since files
  with `extends` or `deployments` share keys, and `--set` changes the provider for one command.
- **Editors** complete and explain keys if the first line is
  `# yaml-language-server: $schema=PATH-TO/geopipe_runner/config/schema.json`.
  [`schema`](cli.md#schema) prints that file.

You must give `deployment`, `target`, `region` and `account_id`, and `bucket.name` unless `job.kind` is `custom`. All
other keys have a default.
"""


def generated_files() -> Mapping[Path, str]:
    """Returns the text of each generated file, by its path in the repository."""
    schema = json.dumps(editor_schema(), indent=2) + "\n"
    return {Path("geopipe_runner/config/schema.json"): schema, Path("docs/reference/configuration.md"): reference()}


def reference() -> str:
    """Returns the whole page."""
    schema = load_schema()
    sections = {name: part for name, part in schema["properties"].items() if "properties" in part}
    single = {name: part for name, part in schema["properties"].items() if name not in sections}
    lines = [_INTRODUCTION, "## Keys at the top", "", *_table(single, schema["required"])]
    for name, section in sections.items():
        description = section["description"] + (" Default: null." if "null" in types(section) else "")
        lines += ["", f"## {name}", "", description, "", *_table(section["properties"], _required(section))]
        for key, part in section["properties"].items():
            entry = part.get("additionalProperties")
            if isinstance(entry, dict) and "properties" in entry:
                title = ["", f"### Each entry of {name}.{key}", ""]
                lines += [*title, *_table(entry["properties"], _required(entry))]
    return "\n".join(lines) + "\n"


def _required(section: Schema) -> list[str]:
    required: list[str] = section.get("required", [])
    return required


def _table(properties: dict[str, Schema], required: list[str]) -> Iterator[str]:
    yield "| key | meaning | valid | default | example |"
    yield "|---|---|---|---|---|"
    for key, part in properties.items():
        default = "required" if key in required else _code(part["default"])
        cells = (f"`{key}`", part["description"], _valid(part), default, _code(part["examples"][-1]))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _valid(part: Schema) -> str:
    if "oneOf" in part:
        return " or ".join(_valid(branch) for branch in part["oneOf"])
    if types(part) == ["array"] and "required" in part["items"]:
        return "a list of sections with " + ", ".join(part["items"]["required"])
    if types(part) == ["array"]:
        return "a list of " + expected(part["items"]).removeprefix("one of ")
    if "object" in types(part) and "properties" not in part:
        inner = part["additionalProperties"]
        what = f"section whose values are {expected(inner) if inner else 'your own'}"
        what = "section of sections" if "properties" in inner else what
        return f"null, or a {what}" if "null" in types(part) else f"a {what}"
    return expected(part)


def _code(value: Any) -> str:
    """Returns the value as YAML has it: text that looks like a number needs its quotes."""
    plain = isinstance(value, str) and not value.isdigit()
    return f"`{value if plain else json.dumps(value)}`"


if __name__ == "__main__":
    for path, text in generated_files().items():
        (_ROOT / path).write_text(text, encoding="utf-8")
