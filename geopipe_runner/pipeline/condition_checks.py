"""The conditions of a Condition step: types, keys and operands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..config.messages import one_of
from .expressions import is_expression, shown
from .json_text import JsonPath
from .structure_checks import DefinitionProblem

_COMPARISONS = ("Equals", "GreaterThan", "GreaterThanOrEqualTo", "LessThan", "LessThanOrEqualTo")
_CONDITION_FIELDS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(_COMPARISONS, ("LeftValue", "RightValue")),
    "In": ("QueryValue", "Values"),
    "Not": ("Condition",),
    "Or": ("Conditions",),
}
# SDKs before 2.204 wrote a Not in a form that the service itself refuses (aws/sagemaker-python-sdk 2746).
_OLD_NOT = (
    "Not has an Expression, as SageMaker SDKs before 2.204 wrote it, and SageMaker refuses that; upgrade the SDK with "
    "`pip install --upgrade sagemaker`, or write Condition"
)


def condition_problems(conditions: Any, path: JsonPath) -> Iterator[DefinitionProblem]:
    if not isinstance(conditions, list) or not conditions:
        yield DefinitionProblem(path, "Conditions is not a list of at least one condition")
        return
    for number, condition in enumerate(conditions):
        yield from _condition(condition, (*path, number))


def _condition(condition: Any, path: JsonPath) -> Iterator[DefinitionProblem]:
    if not isinstance(condition, dict):
        yield DefinitionProblem(path, f"a condition is an object, not {shown(condition)}")
        return
    kind = condition.get("Type")
    if not isinstance(kind, str) or kind not in _CONDITION_FIELDS:
        what = f"the condition type {shown(kind)} is unknown; {one_of(kind, _CONDITION_FIELDS)}"
        yield DefinitionProblem((*path, "Type"), what)
        return
    if kind == "Not" and "Expression" in condition:
        yield DefinitionProblem(path, _OLD_NOT)
        return
    fields = _CONDITION_FIELDS[kind]
    for key in sorted(set(condition) - {"Type", *fields}):
        yield DefinitionProblem((*path, key), f"the condition {kind} has the unknown key {key!r}")
    for key in fields:
        if key not in condition:
            yield DefinitionProblem(path, f"the condition {kind} needs {key}")
        else:
            yield from _operand(kind, key, condition[key], (*path, key))


def _operand(kind: str, key: str, value: Any, path: JsonPath) -> Iterator[DefinitionProblem]:
    if key == "Condition":
        yield from _condition(value, path)
    elif key == "Conditions":
        yield from condition_problems(value, path)
    elif key == "Values" and (not isinstance(value, list) or not value):
        yield DefinitionProblem(path, f"Values of the condition {kind} is not a list of at least one value")
    else:
        for item in value if key == "Values" else [value]:
            if not isinstance(item, str | int | float) and not is_expression(item):
                what = f"{key} of the condition {kind} is {shown(item)}, neither a value nor an expression"
                yield DefinitionProblem(path, what)
