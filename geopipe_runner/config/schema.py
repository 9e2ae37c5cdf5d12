"""Gives the schema as data, and fills in the defaults it states: the one place where defaults come from."""

from __future__ import annotations

import copy
import json
from functools import cache
from importlib.resources import files
from typing import Any

Schema = dict[str, Any]

# Editors check the text as it stands, where `${...}` is still in it; we check what it becomes.
_OR_INTERPOLATED = "\\$\\{|"


@cache
def load_schema() -> Schema:
    """The schema, its patterns made strict. Shared: do not change it."""
    text = files(__package__).joinpath("schema.json").read_text(encoding="utf-8")
    schema: Schema = json.loads(text, object_hook=_strict)
    return schema


def _strict(part: dict[str, Any]) -> dict[str, Any]:
    pattern = part.get("pattern")
    if isinstance(pattern, str):
        # Python's `$` lets a final line break through.
        part["pattern"] = pattern.removeprefix(_OR_INTERPOLATED).removesuffix("$") + "\\Z"
    return part


def with_defaults(schema: Schema, value: Any) -> Any:
    """`value` with everything it leaves out, at any depth, as far as the schema has a default for it."""
    if not isinstance(value, dict) or "properties" not in schema:
        return copy.copy(value)
    properties = schema["properties"]
    filled = {key: with_defaults(properties.get(key, {}), inner) for key, inner in value.items()}
    for key, inner_schema in properties.items():
        if key not in value and "default" in inner_schema:
            filled[key] = with_defaults(inner_schema, inner_schema["default"])
    return filled
