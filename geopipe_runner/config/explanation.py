"""Says what the validator found in the user's words: what is wrong, where, and what would be valid."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .document import Document, KeyPath, Place
from .schema import Schema
from .wording import choice, describe, dotted, nearest, one_of, quote

_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a section with keys of its own",
    "array": "a list",
    "null": "null",
}


@dataclass(frozen=True)
class Violation:
    """That `instance`, at `path`, goes against `keyword: limit` of this part of the schema."""

    keyword: str
    path: KeyPath
    instance: Any
    limit: Any
    schema: Schema


@dataclass(frozen=True)
class Fault:
    """A problem of the value at `path`. `broken` tells that the value is unfit for further checks."""

    path: KeyPath
    place: Place
    what: str
    valid: str
    broken: bool = True


def explain(document: Document, schema: Schema, violation: Violation) -> Iterator[Fault]:
    """The faults behind one violation; `schema` is the whole, for keys that belong elsewhere."""
    if violation.keyword == "additionalProperties":
        yield from _unknown_keys(document, schema, violation)
    elif violation.keyword == "required":
        yield from _missing_keys(document, violation)
    elif violation.keyword == "uniqueItems":
        yield from _repetitions(document, violation)
    elif violation.keyword == "propertyNames":
        place, name = document.key_place(violation.path), quote(violation.instance)
        what = f"{dotted(violation.path[:-1])}: the name {name} is not allowed"
        yield Fault(violation.path, place, what, f"use {expected(violation.schema)}")
    else:
        what, valid = _SENTENCES[violation.keyword](document, violation)
        yield Fault(violation.path, document.value_place(violation.path), f"{dotted(violation.path)} {what}", valid)


def _unknown_keys(document: Document, schema: Schema, violation: Violation) -> Iterator[Fault]:
    path, known = violation.path, violation.schema["properties"]
    for key in violation.instance:
        if key not in known:
            otherwise = _elsewhere(schema, key) or "known here: " + ", ".join(known)
            what = f"unknown key {quote(key)}" + (f" in {dotted(path)}" if path else "")
            place = document.key_place((*path, key))
            yield Fault((*path, key), place, what, one_of(key, known, otherwise), broken=False)


def _elsewhere(schema: Schema, key: str) -> str:
    sections = [name for name, section in schema["properties"].items() if key in section.get("properties", {})]
    return f"it belongs in {' or '.join(sections)}" if sections else ""


def _missing_keys(document: Document, violation: Violation) -> Iterator[Fault]:
    properties = violation.schema["properties"]
    meant = {nearest(key, properties) for key in violation.instance if key not in properties}
    for key in violation.limit:
        path = (*violation.path, key)
        if key in meant:
            # The mistyped key is reported; what it should have given is not there all the same.
            document.unknown.add(path)
        elif key not in violation.instance:
            place = document.key_place(violation.path)
            yield Fault(path, place, f"{dotted(path)} is missing", f"add it: {expected(properties[key])}")


def _repetitions(document: Document, violation: Violation) -> Iterator[Fault]:
    for index, item in enumerate(violation.instance):
        if item in violation.instance[:index]:
            path = (*violation.path, index)
            what = f"{dotted(violation.path)} names {quote(item)} again"
            yield Fault(path, document.value_place(path), what, "name each once")


def expected(schema: Schema) -> str:
    """What would be valid, in words."""
    if "patternErrorMessage" in schema:
        return str(schema["patternErrorMessage"])
    if "enum" in schema:
        return choice(schema["enum"])
    if "required" in schema:
        return "a section with " + ", ".join(schema["required"])
    words = _alternatives([_TYPES[name] for name in types(schema)])
    limits = _range(schema) or (f"at most {schema['maxLength']:,} characters" if "maxLength" in schema else "")
    return f"{words}, {limits}" if limits else words


def types(schema: Schema) -> list[str]:
    """The JSON types the schema allows, as a list in any case."""
    named = schema.get("type", [])
    return [named] if isinstance(named, str) else list(named)


def _alternatives(words: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _range(schema: Schema) -> str:
    low, above, high = (schema.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    if low is not None and high is not None:
        return f"{low:,} to {high:,}"
    lower = f"more than {above:,}" if above is not None else f"at least {low:,}" if low is not None else ""
    upper = f"at most {high:,}" if high is not None else ""
    return " and ".join(limit for limit in (lower, upper) if limit)


Sentence = tuple[str, str]


def _wrong_type(document: Document, violation: Violation) -> Sentence:
    instance, schema = violation.instance, violation.schema
    # As it is written: 0123 is a number to YAML, and not the one 123.
    written = _written(document, violation)
    wanted, what = types(schema), f"is {describe(instance, written)}"
    if instance is None and wanted == ["object"]:
        return what, "write its keys below it, indented, or leave it out"
    if isinstance(instance, str) and {"integer", "number", "boolean"} & set(wanted):
        return what, f"write {expected(schema)}, without quotes"
    if "string" in wanted and instance is not None and not isinstance(instance, dict | list):
        valid = f"put it in quotes: {quote(written)}"
        return what, f"{valid} ({expected(schema)})" if "patternErrorMessage" in schema else valid
    return what, f"write {expected(schema)}"


def _written(document: Document, violation: Violation) -> str:
    return document.spans[violation.path].written if violation.path in document.spans else str(violation.instance)


def _not_listed(document: Document, violation: Violation) -> Sentence:
    what = f"is {describe(violation.instance, _written(document, violation))}"
    return what, one_of(violation.instance, violation.limit, f"use {choice(violation.limit)}")


def _wrong_form(document: Document, violation: Violation) -> Sentence:
    length = len(violation.instance)
    counted = f" ({length} characters)" if length > 50 else ""
    return f"{quote(violation.instance)}{counted} is not allowed", f"use {expected(violation.schema)}"


def _out_of_range(document: Document, violation: Violation) -> Sentence:
    return f"is {quote(violation.instance)[1:-1]}", f"use {expected(violation.schema)}"


def _too_long(document: Document, violation: Violation) -> Sentence:
    return f"is {len(violation.instance):,} characters long", f"at most {violation.limit:,} are allowed"


def _empty_text(document: Document, violation: Violation) -> Sentence:
    return "is empty", "write something, or leave it out for the default"


def _empty_list(document: Document, violation: Violation) -> Sentence:
    instead = "write none, or name what to delete" if violation.path == ("cleanup",) else "name at least one"
    return "is an empty list", instead


_SENTENCES: dict[str, Callable[[Document, Violation], Sentence]] = {
    "type": _wrong_type,
    "enum": _not_listed,
    "pattern": _wrong_form,
    "minimum": _out_of_range,
    "exclusiveMinimum": _out_of_range,
    "maximum": _out_of_range,
    "maxLength": _too_long,
    "minLength": _empty_text,
    "minItems": _empty_list,
}
