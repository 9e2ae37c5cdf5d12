"""Gives values from the environment, which are text, the type that their key wants: a number, true, false or null."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from .document import Document, KeyPath
from .layers import schema_at, types_of
from .schema import Schema

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?([eE][+-]?[0-9]{1,2})?")
_WORDS = {"true": True, "false": False}


def give_types(document: Document, schema: Schema, paths: Iterable[KeyPath]) -> None:
    """Replace the text at `paths` by what it says, where the key takes no text. What says nothing stays text.

    Empty text and `null` are null where the key may be null.
    """
    for path in paths:
        types = types_of(schema_at(schema, path))
        holder: Any = document.data
        for part in path[:-1]:
            holder = holder[part]
        text = holder[path[-1]]
        if isinstance(text, str):
            holder[path[-1]] = _typed(text.strip(), text, types)


def _typed(text: str, otherwise: str, types: set[str]) -> Any:
    if "null" in types and text in ("", "null"):
        return None
    if "string" in types:
        return otherwise
    if "boolean" in types and text in _WORDS:
        return _WORDS[text]
    if types & {"integer", "number"} and _WHOLE.fullmatch(text):
        return int(text)
    if "number" in types and _NUMBER.fullmatch(text):
        return float(text)
    return otherwise
