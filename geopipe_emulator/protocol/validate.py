"""Checks parameters against the constraints of a botocore model, all together, as AWS does on the server."""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Iterator
from typing import Any

from botocore.model import OperationModel, Shape

from .errors import validation_error

# Longer values skip the pattern: it could backtrack forever, and values of that length are free text anyway.
_LONGEST_MATCHED = 8192


def validate(operation: OperationModel, parameters: dict[str, Any]) -> None:
    """Raise AWS's ValidationException for everything in `parameters` that breaks the model."""
    if operation.input_shape is None:
        return
    problems = list(_structure(operation.input_shape, parameters, ""))
    if problems:
        count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected"
        is_missing = any(name not in parameters for name in operation.input_shape.required_members)
        reason = "Missing" if is_missing else "FieldValidationFailed"
        raise validation_error(f"{count}: {'; '.join(problems)}", _by_parameter(operation, parameters), reason)


def _by_parameter(operation: OperationModel, parameters: dict[str, Any]) -> dict[str, str]:
    """Returns the problems of each parameter that has any."""
    shape = operation.input_shape
    problems = {name: "Member must not be null" for name in shape.required_members if name not in parameters}
    for name, member in shape.members.items():
        if name in parameters and (faults := list(_value(member, parameters[name], _join("", name)))):
            problems[name] = "; ".join(faults)
    return problems


def _structure(shape: Shape, value: dict[str, Any], path: str) -> Iterator[str]:
    if getattr(shape, "is_document_type", False):
        return
    for name in shape.required_members:
        if name not in value:
            yield _problem(None, _join(path, name), "Member must not be null")
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
        yield _problem(_quotation(shape, value), path, f"Member must satisfy enum value set: [{members}]")
    pattern = shape.metadata.get("pattern")
    if pattern and not too_long and len(value) <= _LONGEST_MATCHED and not _matches(pattern, value):
        yield _problem(_quotation(shape, value), path, f"Member must satisfy regular expression pattern: {pattern}")


def _length(shape: Shape, value: Any, path: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if most is not None and len(value) > most:
        yield _problem(_quotation(shape, value), path, f"Member must have length less than or equal to {most}")
    if least is not None and len(value) < least:
        yield _problem(_quotation(shape, value), path, f"Member must have length greater than or equal to {least}")


def _range(shape: Shape, value: float, path: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if most is not None and value > most:
        yield _problem(str(value), path, f"Member must have value less than or equal to {most}")
    if least is not None and value < least:
        yield _problem(str(value), path, f"Member must have value greater than or equal to {least}")


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    r"""The pattern, or None for one that only Java can compile, such as `\p{L}`. Values for it are not checked."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return re.compile(pattern)
        except re.error:
            return None


def _matches(pattern: str, value: str) -> bool:
    compiled = _compiled(pattern)
    return compiled is None or compiled.fullmatch(value) is not None


def _quotation(shape: Shape, value: Any) -> str:
    """The value as the message quotes it. Long and secret values are not repeated."""
    if shape.metadata.get("sensitive"):
        return "***Sensitive Data Redacted***"
    text = "java.nio.HeapByteBuffer" if isinstance(value, bytes) else str(value)
    return text if len(text) <= 1024 else f"{text[:1024]}..."


def _problem(quotation: str | None, path: str, constraint: str) -> str:
    quoted = "null" if quotation is None else f"'{quotation}'"
    return f"Value {quoted} at '{path}' failed to satisfy constraint: {constraint}"


def _join(path: str, name: str) -> str:
    """AWS writes member names of these messages in lowerCamelCase."""
    lowered = name[:1].lower() + name[1:]
    return f"{path}.{lowered}" if path else lowered
