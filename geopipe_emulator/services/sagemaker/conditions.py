"""The conditions of a Condition step: their syntax, and whether they are true.

Pure. Numbers compare with numbers, whether Integer or Float, text with text (character by character, which puts
ISO times in order), Boolean with Boolean, and Booleans only for equality. A step's output is text on the wire; it is
compared as the OutputType that its step declares. How the service treats two values of different types is not
documented; here the step fails, as in the local mode of AWS's SDK, so that no definition relies on a conversion that
may not exist. `In` does not fail on them, as in that mode: it treats such a value as a different one.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .values import ExpressionError, is_expression

_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "GreaterThan": operator.gt,
    "GreaterThanOrEqualTo": operator.ge,
    "LessThan": operator.lt,
    "LessThanOrEqualTo": operator.le,
}
_FIELDS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(_COMPARISONS, ("LeftValue", "RightValue")),
    "In": ("QueryValue", "Values"),
    "Not": ("Condition",),
    "Or": ("Conditions",),
}


def condition_problems(condition: object) -> Iterator[str]:
    """Yield what is wrong with one condition. `dependencies` checks its references."""
    if not isinstance(condition, dict):
        yield f"a condition must be a JSON object, not {condition!r}"
        return
    kind = condition.get("Type")
    fields = _FIELDS.get(kind) if isinstance(kind, str) else None
    if fields is None:
        yield f"condition type {kind!r} is unknown; valid are {', '.join(_FIELDS)}"
        return
    for name in sorted(set(condition) - {"Type", *fields}):
        yield f"Cannot parse object, unknown property '{name}'"
    for name in fields:
        if name in condition:
            yield from (f"condition {kind}: {problem}" for problem in _field_problems(name, condition[name]))
        else:
            yield f"condition {kind} needs {name}"


def holds(condition: Mapping[str, Any]) -> bool:
    """Return whether a condition with resolved values is true.

    Raises:
        ExpressionError: its values cannot be compared.
    """
    kind = condition["Type"]
    if kind == "Not":
        return not holds(condition["Condition"])
    if kind == "Or":
        return any(holds(inner) for inner in condition["Conditions"])
    if kind == "In":
        query = condition["QueryValue"]
        return any(_kind(value) == _kind(query) and value == query for value in condition["Values"])
    return _compare(kind, condition["LeftValue"], condition["RightValue"])


def _field_problems(name: str, value: object) -> Iterator[str]:
    if name == "Condition":
        yield from condition_problems(value)
    elif name in ("Conditions", "Values") and not isinstance(value, list):
        yield f"{name} must be a list"
    elif name == "Conditions" and isinstance(value, list):
        for inner in value:
            yield from condition_problems(inner)
    else:
        for item in value if isinstance(value, list) and name == "Values" else [value]:
            if not isinstance(item, str | int | float) and not is_expression(item):
                yield f"{name} must be a string, number, Boolean or expression, not {item!r}"


def _compare(kind: str, left: Any, right: Any) -> bool:
    if _kind(left) != _kind(right):
        raise ExpressionError(
            f"{kind} cannot compare LeftValue {left!r} of type {_kind(left)} "
            f"with RightValue {right!r} of type {_kind(right)}"
        )
    if isinstance(left, bool) and kind != "Equals":
        raise ExpressionError(f"{kind} does not apply to Boolean values")
    return _COMPARISONS[kind](left, right)


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "Boolean"
    return "String" if isinstance(value, str) else "Integer or Float"
