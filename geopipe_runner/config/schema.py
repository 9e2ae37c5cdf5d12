"""Makes the JSON schema of a configuration from `model.py`, and fills in the defaults that it states."""

from __future__ import annotations

import copy
import dataclasses
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from .keys import Form, Key, Required, key_of
from .model import Config

Schema = dict[str, Any]

# Editors check the text as it is in the file, with `${...}` in it; we check what it becomes.
_OR_INTERPOLATED = "\\$\\{|"
_SIMPLE_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean", types.NoneType: "null"}


def editor_schema() -> Schema:
    """Returns the schema for editors and the reference, which allows `${...}` in place of a form."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "geopipe configuration",
        "description": "One file describes one deployment: one account, one region, one pipeline.",
        **_section(Config),
    }


@cache
def load_schema() -> Schema:
    """Returns the schema that files are checked against. It is shared: do not change it."""
    schema: Schema = _strict(editor_schema())
    return schema


def _section(model: Any) -> Schema:
    properties = {}
    required = []
    for field in dataclasses.fields(model):
        key = key_of(field)
        if key is not None:
            properties[field.name] = _key(field.type, key)
            if key.default is Required:
                required.append(field.name)
    needs = {"required": required} if required else {}
    return {"type": "object", "additionalProperties": False, **needs, "properties": properties}


def _key(field_type: Any, key: Key) -> Schema:
    value_type = key.written or field_type
    schema: Schema = {"description": key.description, **_type(value_type)}
    if key.default is not Required:
        schema["default"] = key.default
    if key.form is not None:
        schema |= _form(key.form, optional="null" in schema["type"])
    # Of a choice between words and a list, only the list has limits.
    (schema["oneOf"][1] if "oneOf" in schema else schema).update(key.limits)
    return {**schema, "examples": list(key.examples)} if key.examples else schema


def _form(form: Form, optional: bool) -> Schema:
    words = f"null, or {form.words}" if optional else form.words
    return {"pattern": _OR_INTERPOLATED + form.pattern, "patternErrorMessage": words}


def _type(value_type: Any) -> Schema:
    """Returns what JSON schema says of a Python type."""
    if value_type in _SIMPLE_TYPES:
        return {"type": _SIMPLE_TYPES[value_type]}
    if dataclasses.is_dataclass(value_type):
        return _section(value_type)
    origin, arguments = typing.get_origin(value_type), typing.get_args(value_type)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": _type(arguments[0])}
    if origin is Mapping:
        inner = {} if arguments[1] is Any else _type(arguments[1])
        return {"type": "object", "additionalProperties": inner}
    if origin in (types.UnionType, typing.Union):
        return _union([_type(argument) for argument in arguments])
    raise TypeError(f"no JSON schema for {value_type}")


def _union(branches: list[Schema]) -> Schema:
    if all("enum" in branch or branch["type"] == "null" for branch in branches):
        return {"enum": [word for branch in branches for word in branch.get("enum", [None])]}
    if any("enum" in branch for branch in branches):
        return {"oneOf": branches}
    names = [branch["type"] for branch in branches]
    if "number" in names and "integer" in names:  # a whole number is a number
        names.remove("integer")
    merged: Schema = {}
    for branch in branches:
        merged |= branch
    return {**merged, "type": names}


def _strict(part: Any) -> Any:
    """Returns a copy with strict patterns: nothing in place of a form, and no line break after it."""
    if isinstance(part, list):
        return [_strict(item) for item in part]
    if not isinstance(part, dict):
        return part
    strict = {name: _strict(value) for name, value in part.items()}
    if isinstance(strict.get("pattern"), str):
        # Python's `$` lets a final line break through.
        strict["pattern"] = strict["pattern"].removeprefix(_OR_INTERPOLATED).removesuffix("$") + "\\Z"
    return strict


def with_defaults(schema: Schema, value: Any) -> Any:
    """Returns `value` with everything it leaves out, at any depth, as far as the schema has a default for it."""
    if isinstance(value, dict) and isinstance(schema.get("additionalProperties"), dict):
        return {key: with_defaults(schema["additionalProperties"], inner) for key, inner in value.items()}
    if not isinstance(value, dict) or "properties" not in schema:
        return copy.copy(value)
    properties = schema["properties"]
    filled = {key: with_defaults(properties.get(key, {}), inner) for key, inner in value.items()}
    for key, inner_schema in properties.items():
        if key not in value and "default" in inner_schema:
            filled[key] = with_defaults(inner_schema, inner_schema["default"])
    return filled
