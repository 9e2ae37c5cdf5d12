"""Checks a document against the schema, and reports each problem once, where it began.

Rules that need more than one value, or knowledge that a schema cannot hold, are in `rules.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from .document import MAX_PROBLEMS, Document, KeyPath, KeyProblem
from .explanation import Violation, explain, repeated_items
from .messages import dotted
from .quick_check import is_valid
from .schema import Schema

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError

# Line breaks and tabs may be in text; nothing else that does not print has a meaning here.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")


def check(document: Document, schema: Schema, depends: Mapping[KeyPath, frozenset[KeyPath]]) -> None:
    """Reports every problem, but none a second time in a value that was made from a faulty one."""
    problems = list(islice(_problems(document, schema), MAX_PROBLEMS + 1))
    broken = {problem.parts for problem in problems if not problem.usable}
    inherited = {path for path, keys in depends.items() if any(key in broken for key in keys)}
    for problem in problems:
        if problem.parts not in inherited:
            document.report_key(problem)
    document.unknown |= inherited | broken


def _problems(document: Document, schema: Schema) -> Iterator[KeyProblem]:
    unprintable = list(islice(_unprintable(document.data, ()), MAX_PROBLEMS + 1))
    yield from unprintable
    known_already = document.unknown | {problem.parts for problem in unprintable}
    seen: set[KeyProblem] = set()
    violations = [*_violations(schema, document.data)]
    of_wrong_type = {violation.path for violation in violations if violation.keyword == "type"}
    for violation in sorted(violations, key=lambda violation: _index(document, violation.path)):
        if violation.keyword != "type" and violation.path in of_wrong_type:
            continue  # 1.5 is no whole number, and then it does not matter that it is less than 2
        for problem in explain(document, schema, violation):
            # jsonschema gives one violation for each missing key, and each of them names all missing keys.
            if problem not in seen and not _is_inside(problem.parts, known_already):
                seen.add(problem)
                yield problem


def _index(document: Document, path: KeyPath) -> int:
    return document.spans[path].start if path in document.spans else 0


def _is_inside(path: KeyPath, paths: set[KeyPath]) -> bool:
    return any(path[:length] in paths for length in range(1, len(path) + 1))


def _unprintable(value: Any, path: KeyPath) -> Iterator[KeyProblem]:
    if isinstance(value, str) and _UNPRINTABLE.search(value):
        yield KeyProblem(path, f"{dotted(path)} has a control character in it", "write printable text")
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from _unprintable(item, (*path, key))


def _violations(schema: Schema, data: Any) -> Iterator[Violation]:
    if is_valid(schema, data):
        return
    # Imported here: it takes as long as everything else in this package together.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError
    from jsonschema.validators import extend

    def unique_items(_: Any, unique: bool, instance: Any, __: Any) -> Iterator[ValidationError]:
        """Takes time in proportion to the list; jsonschema's own compares every pair."""
        if unique and isinstance(instance, list) and next(repeated_items(instance), None) is not None:
            yield ValidationError("an item is repeated")

    validator = extend(Draft202012Validator, {"uniqueItems": unique_items})  # type: ignore[no-untyped-call]
    for error in validator(schema).iter_errors(data):
        yield from _flattened(error, ())


def _flattened(error: ValidationError, above: KeyPath) -> Iterator[Violation]:
    """Yields the error, or of a choice that fits nowhere, the errors of the branch that was meant."""
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
