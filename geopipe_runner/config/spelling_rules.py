"""Rules about values whose spelling YAML changes: `012` becomes 10, `no` becomes false, `1.10` becomes 1.1.

Where the user's own text and numbers are allowed side by side, only spellings that cannot change are accepted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from .document import KeyPath, KeyProblem
from .messages import dotted, quote
from .sections import functions
from .values import Values

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
# Text to PyYAML, but a number to readers of YAML 1.2, or to people.
_ALMOST_NUMBER = re.compile(r"[-+]?(0o[0-7_]+|[0-9][0-9_]*|([0-9][0-9_]*(\.[0-9_]*)?|\.[0-9_]+)([eE][-+]?[0-9_]+)?)")


def parameters_keep_their_text(values: Values) -> Iterator[KeyProblem]:
    for name, value in values.entries("pipeline.parameters").items():
        yield from changed_spelling(values, ("pipeline", "parameters", name), value)


def conditions_keep_their_text(values: Values) -> Iterator[KeyProblem]:
    for section in (*functions(values), "pipeline"):
        statements = (*section.split("."), "policy_statements")
        for index, statement in enumerate(values[".".join(statements)]):
            for operator, keys in statement.get("Condition", {}).items():
                for key, value in keys.items():
                    path = (*statements, index, "Condition", operator, key)
                    items = enumerate(value) if isinstance(value, list) else ()
                    for number, item in items:
                        yield from changed_spelling(values, (*path, number), item)
                    if not isinstance(value, list):
                        yield from changed_spelling(values, path, value)


def changed_spelling(values: Values, path: KeyPath, value: Any) -> Iterator[KeyProblem]:
    """Yields the problem of a value that YAML reads otherwise than it is written."""
    written = values.plain_text(path)
    if written is None:
        return
    what = f"{dotted(path)} is {quote(written)[1:-1]}"
    valid = f"put it in quotes: {quote(written)}"
    if isinstance(value, bool):
        word = "true" if value else "false"
        if written != word:
            yield KeyProblem(path, f"{what}, which YAML takes for {word}", f"{valid}, or write {word}")
    elif isinstance(value, int | float):
        if not _NUMBER.fullmatch(written) or str(value) != written:
            yield KeyProblem(path, f"{what}, which YAML takes for the number {value}", valid)
    elif _ALMOST_NUMBER.fullmatch(written):
        yield KeyProblem(path, f"{what}, which can be read as text or as a number", valid)
