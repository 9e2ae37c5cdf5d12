"""The expressions of a pipeline definition: Get, Std:Join and Std:JsonGet, which SageMaker replaces by values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .json_text import JsonPath

EXPRESSIONS = ("Get", "Std:Join", "Std:JsonGet")


def is_expression(value: Any) -> bool:
    """Whether a JSON value has the outer form of an expression."""
    return isinstance(value, dict) and len(value) == 1 and set(value) <= set(EXPRESSIONS)


def is_text(value: Any) -> bool:
    """Whether a JSON value is text, or an expression that may become text."""
    return isinstance(value, str) or is_expression(value)


def shown(value: Any) -> str:
    """Returns a value as a message quotes it: not too long."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def references(value: Any) -> Iterator[str]:
    """Yields every `Get` in `value`. Pass a step's own part: those of inner steps belong to those steps."""
    return (reference for _, reference in placed_references(value, ()))


def placed_references(value: Any, path: JsonPath) -> Iterator[tuple[JsonPath, str]]:
    """Yields every `Get` in `value` with its path, which begins with `path`."""
    if isinstance(value, Mapping):
        if set(value) == {"Get"} and isinstance(value["Get"], str):
            yield path, value["Get"]
            return
        for key, inner in value.items():
            yield from placed_references(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from placed_references(inner, (*path, number))
