"""The constraints a botocore model states, checked where AWS checks them: on the server, all of them at once."""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Iterator
from typing import Any

from botocore.model import OperationModel, Shape

from .errors import ServiceError

_LONGEST_MATCHED = 8192
"""Longer values skip the pattern: it could backtrack for ever, and what is that long is free text anyway."""


def validate(operation: OperationModel, parameters: dict[str, Any]) -> None:
    """Raise AWS's ValidationException for everything in `parameters` that breaks the model."""
    if operation.input_shape is None:
        return
    faults = list(_structure(operation.input_shape, parameters, ""))
    if faults:
        count = f"{len(faults)} validation error{'s' if len(faults) > 1 else ''} detected"
        raise ServiceError("ValidationException", f"{count}: {'; '.join(faults)}")


def _structure(shape: Shape, value: dict[str, Any], path: str) -> Iterator[str]:
    if getattr(shape, "is_document_type", False):
        return
    for name in shape.required_members:
        if name not in value:
            yield _fault(None, _join(path, name), "Member must not be null")
    for name, member in shape.members.items():
        if name in value:
            yield from _value(member, value[name], _join(path, name))


def _value(shape: Shape, value: Any, path: str) -> Iterator[str]:
    match shape.type_name:
        case "structure":
            yield from _structure(shape, value, path)
        case "list":
            yield from _length(shape, value, path)
            for number, item in enumerate(value, 1):
                yield from _value(shape.member, item, f"{path}.{number}.member")
        case "map":
            yield from _length(shape, value, path)
            for key, item in value.items():
                yield from _value(shape.key, key, f"{path}.{key}.key")
                yield from _value(shape.value, item, f"{path}.{key}.value")
        case "string":
            yield from _string(shape, value, path)
        case "blob":
            yield from _length(shape, value, path)
        case "integer" | "long" | "float" | "double":
            yield from _range(shape, value, path)


def _string(shape: Shape, value: str, path: str) -> Iterator[str]:
    too_long = list(_length(shape, value, path))
    yield from too_long
    if shape.enum and value not in shape.enum:
        members = ", ".join(shape.enum)
        yield _fault(_shown(shape, value), path, f"Member must satisfy enum value set: [{members}]")
    pattern = shape.metadata.get("pattern")
    if pattern and not too_long and len(value) <= _LONGEST_MATCHED and not _matches(pattern, value):
        yield _fault(_shown(shape, value), path, f"Member must satisfy regular expression pattern: {pattern}")


def _length(shape: Shape, value: Any, path: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if most is not None and len(value) > most:
        yield _fault(_shown(shape, value), path, f"Member must have length less than or equal to {most}")
    if least is not None and len(value) < least:
        yield _fault(_shown(shape, value), path, f"Member must have length greater than or equal to {least}")


def _range(shape: Shape, value: float, path: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if most is not None and value > most:
        yield _fault(str(value), path, f"Member must have value less than or equal to {most}")
    if least is not None and value < least:
        yield _fault(str(value), path, f"Member must have value greater than or equal to {least}")


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    """None for what only Java can compile, such as `\\p{L}`: better not checked than wrongly refused."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return re.compile(pattern)
        except re.error:
            return None


def _matches(pattern: str, value: str) -> bool:
    compiled = _compiled(pattern)
    return compiled is None or compiled.fullmatch(value) is not None


def _shown(shape: Shape, value: Any) -> str:
    """The value as the message quotes it; long and secret ones are not repeated."""
    if shape.metadata.get("sensitive"):
        return "***Sensitive Data Redacted***"
    text = "java.nio.HeapByteBuffer" if isinstance(value, bytes) else str(value)
    return text if len(text) <= 1024 else f"{text[:1024]}..."


def _fault(shown: str | None, path: str, constraint: str) -> str:
    quoted = "null" if shown is None else f"'{shown}'"
    return f"Value {quoted} at '{path}' failed to satisfy constraint: {constraint}"


def _join(path: str, name: str) -> str:
    """AWS writes member names of these messages in lowerCamelCase."""
    lowered = name[:1].lower() + name[1:]
    return f"{path}.{lowered}" if path else lowered
