"""Describes JSON documents once: the same fields build a document from an object and its JSON schema.

A document holds the declared fields and nothing else. A value that no field reads, such as a callback's token, cannot
get out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any

JsonDocument = dict[str, Any]
Schema = dict[str, Any]
Read = Callable[[Any], Any]

LEFT_OUT = object()
"""What a field's `read` returns where the document does not have that field."""


@dataclass(frozen=True)
class Field:
    """One field: its name, its JSON schema, and how to read its value from the object behind the document."""

    name: str
    schema: Schema
    read: Read
    is_required: bool = True
    shape: JsonShape | None = None
    """The shape of the documents inside it."""


@dataclass(frozen=True)
class Included:
    """All fields of another shape, read from a part of the object."""

    shape: JsonShape
    read: Read


class JsonShape:
    """A JSON object with exactly these fields. With a `name`, the schema defines it once, under `$defs`."""

    def __init__(self, *parts: Field | Included, name: str = "", about: str = "") -> None:
        self.name = name
        self.about = about
        self._parts = parts

    def build(self, value: Any) -> JsonDocument:
        """Returns the document of `value`."""
        document: JsonDocument = {}
        for part in self._parts:
            if isinstance(part, Included):
                document |= part.shape.build(part.read(value))
                continue
            content = part.read(value)
            if content is not LEFT_OUT:
                document[part.name] = content
        return document

    def fields(self) -> Iterator[Field]:
        """Yields every field, those of included shapes too."""
        for part in self._parts:
            if isinstance(part, Included):
                yield from part.shape.fields()
            else:
                yield part

    def schema(self) -> Schema:
        """Returns the JSON schema of the object."""
        fields = list(self.fields())
        return {
            "type": "object",
            **({"description": self.about} if self.about else {}),
            "properties": {field.name: field.schema for field in fields},
            # A field that stands twice replaces the one of an included shape.
            "required": [*dict.fromkeys(field.name for field in fields if field.is_required)],
            "additionalProperties": False,
        }

    def reference(self) -> Schema:
        """Returns how another schema names this one."""
        return {"$ref": f"#/$defs/{self.name}"} if self.name else self.schema()


def text(name: str, about: str = "", read: Read | None = None, *, nullable: bool = False, pattern: str = "") -> Field:
    """Returns a field of text, which matches `pattern` if there is one."""
    return _simple("string", name, about, read, nullable, {"pattern": pattern} if pattern else {})


def whole(name: str, about: str = "", read: Read | None = None, *, nullable: bool = False) -> Field:
    """Returns a field with a whole number from zero."""
    return _simple("integer", name, about, read, nullable, {"minimum": 0})


def flag(name: str, about: str = "", read: Read | None = None) -> Field:
    """Returns a field that is true or false."""
    return _simple("boolean", name, about, read, False, {})


def moment(name: str, about: str = "", read: Read | None = None) -> Field:
    """Returns a field with a time in ISO 8601, or null."""
    value = read or attrgetter(name)

    def read_time(source: Any) -> str | None:
        time: datetime | None = value(source)
        return time.isoformat() if time else None

    return _simple("string", name, about, read_time, True, {"format": "date-time"})


def choice(name: str, values: Sequence[str | None], about: str = "", read: Read | None = None) -> Field:
    """Returns a field with one of `values`."""
    return Field(name, _described({"enum": list(values)}, about), read or attrgetter(name))


def anything(name: str, about: str, read: Read) -> Field:
    """Returns a field of any type that is left out where `read` says so."""
    return Field(name, {"description": about}, read, is_required=False)


def texts(name: str, about: str = "", read: Read | None = None) -> Field:
    """Returns a field with a list of texts."""
    schema = _described({"type": "array", "items": {"type": "string"}}, about)
    value = read or attrgetter(name)
    return Field(name, schema, lambda source: [str(item) for item in value(source)])


def mapping(name: str, about: str, read: Read, values: Schema | None = None, **limits: Any) -> Field:
    """Returns a field with an object of any names, whose values have one schema (text, unless said otherwise)."""
    schema = {"type": "object", **limits, "additionalProperties": values or {"type": "string"}}
    return Field(name, _described(schema, about), read)


def one(name: str, shape: JsonShape, read: Read | None = None, *, nullable: bool = False) -> Field:
    """Returns a field with another document, or null where that is allowed."""
    value = read or attrgetter(name)

    def build(source: Any) -> JsonDocument | None:
        content = value(source)
        return None if nullable and content is None else shape.build(content)

    reference = shape.reference()
    return Field(name, {"anyOf": [reference, {"type": "null"}]} if nullable else reference, build, shape=shape)


def many(name: str, shape: JsonShape, read: Read | None = None, about: str = "") -> Field:
    """Returns a field with a list of other documents."""
    value = read or attrgetter(name)
    schema = _described({"type": "array", "items": shape.reference()}, about)
    return Field(name, schema, lambda source: [shape.build(item) for item in value(source)], shape=shape)


def optional(field: Field) -> Field:
    """Returns a field that is left out where its value is empty."""
    return Field(field.name, field.schema, lambda source: field.read(source) or LEFT_OUT, is_required=False)


def _simple(kind: str, name: str, about: str, read: Read | None, nullable: bool, limits: Schema) -> Field:
    schema = _described({"type": [kind, "null"] if nullable else kind, **limits}, about)
    return Field(name, schema, read or attrgetter(name))


def _described(schema: Schema, about: str) -> Schema:
    return {**schema, "description": about} if about else schema
