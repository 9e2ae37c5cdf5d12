"""Checks a document against the schema, and reports each fault once, where it began.

Rules that need more than one value, or knowledge a schema cannot hold, are in `rules.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .document import Document, KeyPath
from .explanation import Fault, Violation, explain
from .schema import Schema
from .wording import dotted

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

# Line breaks and tabs may be in a description; nothing else that does not print has a meaning here.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def check(document: Document, schema: Schema, depends: Mapping[KeyPath, frozenset[str]]) -> None:
    """Reports every fault, but none a second time in a value that was made from a faulty one."""
    faults = list(_unprintable(document, document.data, ()))
    known_already = document.unknown | {fault.path for fault in faults}
    for violation in _violations(schema, document.data):
        faults += [fault for fault in explain(document, schema, violation) if not _inside(fault.path, known_already)]
    broken = {fault.path for fault in faults if fault.broken}
    inherited = {path for path, variables in depends.items() if any((name,) in broken for name in variables)}
    for fault in faults:
        if fault.path not in inherited:
            document.report(fault.place, fault.what, fault.valid)
    document.unknown |= inherited | broken


def _inside(path: KeyPath, paths: set[KeyPath]) -> bool:
    return any(path[:length] in paths for length in range(1, len(path) + 1))


def _unprintable(document: Document, value: Any, path: KeyPath) -> Iterator[Fault]:
    if isinstance(value, str) and _UNPRINTABLE.search(value):
        what = f"{dotted(path)} has a control character in it"
        yield Fault(path, document.value_place(path), what, "write printable text")
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from _unprintable(document, item, (*path, key))


def _violations(schema: Schema, data: Any) -> Iterator[Violation]:
    # Imported here: it takes as long as everything else in this package together.
    from jsonschema import Draft202012Validator

    for error in Draft202012Validator(schema).iter_errors(data):
        yield from _flattened(error, ())


def _flattened(error: ValidationError, above: KeyPath) -> Iterator[Violation]:
    """The error, or of a choice that fits nowhere, the errors of the branch that was meant."""
    path: KeyPath = (*above, *error.relative_path)
    if error.validator == "oneOf":
        # In our schema the second of two branches is always the list.
        meant = 1 if isinstance(error.instance, list) else 0
        for inner in error.context or ():
            if inner.relative_schema_path[0] == meant:
                yield from _flattened(inner, path)
        return
    keyword, schema = str(error.validator), error.schema
    if "propertyNames" in error.absolute_schema_path:
        keyword, path = "propertyNames", (*path, str(error.instance))
    yield Violation(keyword, path, error.instance, error.validator_value, schema if isinstance(schema, dict) else {})
