"""The shape of what is sent and returned, and error messages without the names in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

# The text of a message that differs from account to account and from call to call, and what stands for it.
_PATTERNS = (
    (re.compile(r"arn:aws[\w-]*:[\w-]+:[\w-]*:\w*:[^\s\"',;)]+"), "<arn>"),
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "<uuid>"),
    (re.compile(r"\bhttps?://[^\s\"',;)]+"), "<url>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ][\d:.]+(?:Z|[+-]\d\d:?\d\d)?"), "<time>"),
    (re.compile(r"\b\d{12}\b"), "<account>"),
    (re.compile(r"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}\b"), "<id>"),
    (re.compile(r"\b[0-9A-F]{16}\b|\b[0-9a-f]{32,}\b"), "<id>"),
)
# A shorter value would also be found inside other words.
_SHORTEST_NAME = 4


def describe(value: Any, shape: Any) -> Any:
    """Returns the shape of a value, by botocore's model of it: {"State": "Active", "Timeout": "integer"}.

    A list has the shapes of its items, each once. The keys of a map are the user's own, so all of them are one.
    """
    kind = shape.type_name
    if kind == "structure" and isinstance(value, Mapping):
        return {name: describe(member, shape.members[name]) for name, member in value.items() if name in shape.members}
    if kind == "list" and isinstance(value, list | tuple):
        return _different(describe(item, shape.member) for item in value)
    if kind == "map" and isinstance(value, Mapping):
        return {"<key>": _different(describe(item, shape.value) for item in value.values())}
    return value if kind == "string" and value in getattr(shape, "enum", ()) else kind


def _different(shapes: Iterator[Any]) -> list[Any]:
    found: list[Any] = []
    for shape in shapes:
        if shape not in found:
            found.append(shape)
    return found


def template(message: str, parameters: Mapping[str, Any]) -> str:
    """Returns the message with `<Name>` for each value of the request in it, and without ids, ARNs and times."""
    values = sorted(_texts(parameters), key=lambda named: len(named[1]), reverse=True)
    for name, text in values:
        if len(text) >= _SHORTEST_NAME:
            message = re.sub(rf"(?<!\w){re.escape(text)}(?!\w)", f"<{name}>", message)
    for pattern, instead in _PATTERNS:
        message = pattern.sub(instead, message)
    return message


def _texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield from _texts(member, key)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item, name)
    elif isinstance(value, str):
        yield name, value
