"""Says what the validator found, in the user's words: what is wrong, where, and what would be valid."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .document import MAX_PROBLEMS, Document, KeyPath, KeyProblem
from .messages import choice, describe, dotted, nearest, one_of, quote
from .schema import Schema

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
    """The value `instance`, at `path`, breaks `keyword: limit` of this part of the schema."""

    keyword: str
    path: KeyPath
    instance: Any
    limit: Any
    schema: Schema


def explain(document: Document, schema: Schema, violation: Violation) -> Iterator[KeyProblem]:
    """Yields the problems behind one violation; `schema` is the whole, for keys that belong elsewhere."""
    if violation.keyword == "additionalProperties":
        yield from _unknown_keys(schema, violation)
    elif violation.keyword == "required":
        yield from _missing_keys(document, violation)
    elif violation.keyword == "uniqueItems":
        yield from _repetitions(violation)
    elif violation.keyword == "propertyNames":
        what = f"{dotted(violation.path[:-1])}: the name {quote(violation.instance)} is not allowed"
        yield KeyProblem(violation.path, what, f"use {expected(violation.schema)}", at_key=True)
    else:
        what, valid = _SENTENCES[violation.keyword](document, violation)
        yield KeyProblem(violation.path, f"{dotted(violation.path)} {what}", valid)


def _unknown_keys(schema: Schema, violation: Violation) -> Iterator[KeyProblem]:
    path, known = violation.path, violation.schema["properties"]
    for key in violation.instance:
        if key not in known:
            otherwise = _elsewhere(schema, key) or "known here: " + ", ".join(known)
            what = f"unknown key {quote(key)}" + (f" in {dotted(path)}" if path else "")
            yield KeyProblem((*path, key), what, one_of(key, known, otherwise), at_key=True, usable=True)


def _elsewhere(schema: Schema, key: str) -> str:
    sections = [name for name, section in schema["properties"].items() if key in section.get("properties", {})]
    return f"it belongs in {' or '.join(sections)}" if sections else ""


def _missing_keys(document: Document, violation: Violation) -> Iterator[KeyProblem]:
    properties = violation.schema["properties"]
    unknown = [key for key in violation.instance if key not in properties]
    meant = {nearest(key, properties) for key in unknown[:MAX_PROBLEMS]}
    for key in violation.limit:
        path = (*violation.path, key)
        if key in meant:
            # The mistyped key is reported; its value is missing all the same.
            document.unknown.add(path)
        elif key not in violation.instance:
            yield KeyProblem(path, f"{dotted(path)} is missing", f"add it: {expected(properties[key])}", at_key=True)


def _repetitions(violation: Violation) -> Iterator[KeyProblem]:
    for index in repeated_items(violation.instance):
        what = f"{dotted(violation.path)} names {quote(violation.instance[index])} again"
        yield KeyProblem((*violation.path, index), what, "name each once")


def repeated_items(items: Sequence[Any]) -> Iterator[int]:
    """Yields the index of every item that is in the list already."""
    seen: set[str] = set()
    for index, item in enumerate(items):
        text = repr(item)
        if text in seen:
            yield index
        seen.add(text)


def expected(schema: Schema) -> str:
    """Returns what would be valid, in words."""
    if "patternErrorMessage" in schema:
        return str(schema["patternErrorMessage"])
    if "enum" in schema:
        return choice(schema["enum"])
    if "required" in schema:
        return "a section with " + ", ".join(schema["required"])
    if "oneOf" in schema:
        return " or ".join(expected(branch) for branch in schema["oneOf"])
    words = _alternatives([_TYPES[name] for name in types(schema)])
    limits = _range(schema) or (f"at most {schema['maxLength']:,} characters" if "maxLength" in schema else "")
    return f"{words}, {limits}" if limits else words


def types(schema: Schema) -> list[str]:
    """Returns the JSON types that the schema allows."""
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
    allowed, what = types(schema), f"is {describe(instance, written)}"
    if instance is None and allowed == ["object"]:
        return what, "write its keys below it, indented, or leave it out"
    if isinstance(instance, str) and {"integer", "number", "boolean"} & set(allowed):
        return what, f"write {expected(schema)}, without quotes"
    # `~` and `null` may be meant as text where the values are the user's own; elsewhere they stand for no value.
    if instance is None:
        meant_as_text = written != "" and {"string", "number"} <= set(allowed)
    else:
        meant_as_text = "string" in allowed and not isinstance(instance, dict | list)
    if meant_as_text:
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


def _long_list(document: Document, violation: Violation) -> Sentence:
    return f"is a list of {len(violation.instance):,}", f"at most {violation.limit:,} are allowed"


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
    "maxItems": _long_list,
}
