"""The filters of event source mappings: which messages reach the function. Pure.

Lambda's rules are those of EventBridge's event patterns, without wildcards and networks. The body of a message is read
as JSON where the pattern asks for its parts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...protocol.errors import ServiceError

MAX_FILTERS = 5
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": lambda value, limit: value == limit,
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
}
_MISSING = object()


def read_filters(criteria: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the patterns of a request's FilterCriteria. Raises AWS's error for one that is not a pattern."""
    patterns = tuple(entry.get("Pattern") or "" for entry in criteria.get("Filters") or ())
    if len(patterns) > MAX_FILTERS:
        raise _invalid(f"A mapping has at most {MAX_FILTERS} filters")
    for pattern in patterns:
        try:
            content = json.loads(pattern)
        except ValueError as error:
            raise _invalid("Invalid filter pattern definition.") from error
        if not isinstance(content, dict) or not content or not _is_pattern(content):
            raise _invalid(f"Invalid filter pattern definition. {pattern}")
    return patterns


def passes(patterns: Iterable[str], record: Mapping[str, Any]) -> bool:
    """Whether a record of the function's event matches one of the patterns. Without patterns, all do."""
    patterns = list(patterns)
    return not patterns or any(_record_matches(json.loads(pattern), record) for pattern in patterns)


def _record_matches(pattern: Mapping[str, Any], record: Mapping[str, Any]) -> bool:
    if isinstance(pattern.get("body"), dict):
        try:
            record = {**record, "body": json.loads(record["body"])}
        except ValueError:
            return False
    return _matches(pattern, record)


def _matches(pattern: Any, value: Any) -> bool:
    if isinstance(pattern, list):
        values = value if isinstance(value, list) else [value]
        return any(_rule_holds(rule, item) for rule in pattern for item in (values or [_MISSING]))
    for name, part in pattern.items():
        if name == "$or" and isinstance(part, list):
            if not any(_matches(choice, value) for choice in part):
                return False
        elif not _matches(part, value.get(name, _MISSING) if isinstance(value, Mapping) else _MISSING):
            return False
    return True


def _rule_holds(rule: Any, value: Any) -> bool:
    if not isinstance(rule, dict):
        return _equal(rule, value)
    (kind, operand), *_ = rule.items()
    is_present = value is not _MISSING
    match kind:
        case "exists":
            return bool(operand) == is_present
        case "prefix":
            return isinstance(value, str) and value.startswith(operand)
        case "suffix":
            return isinstance(value, str) and value.endswith(operand)
        case "equals-ignore-case":
            return isinstance(value, str) and value.lower() == operand.lower()
        case "anything-but" if isinstance(operand, dict):
            return is_present and not _rule_holds(operand, value)
        case "anything-but":
            choices = operand if isinstance(operand, list) else [operand]
            return is_present and not any(_equal(choice, value) for choice in choices)
        case _:
            return _is_number(value) and all(
                _COMPARISONS[sign](value, limit) for sign, limit in zip(operand[::2], operand[1::2], strict=True)
            )


def _equal(rule: Any, value: Any) -> bool:
    """Compare as JSON does: true is not 1."""
    return isinstance(rule, bool) == isinstance(value, bool) and rule == value


def _is_pattern(pattern: Any) -> bool:
    if isinstance(pattern, list):
        return bool(pattern) and all(_is_rule(rule) for rule in pattern)
    if not isinstance(pattern, dict) or not pattern:
        return False
    return all(
        all(isinstance(choice, dict) and _is_pattern(choice) for choice in part) and len(part) > 1
        if name == "$or" and isinstance(part, list)
        else _is_pattern(part)
        for name, part in pattern.items()
    )


def _is_rule(rule: Any) -> bool:
    if not isinstance(rule, dict):
        return not isinstance(rule, list)
    if len(rule) != 1:
        return False
    ((kind, operand),) = rule.items()
    match kind:
        case "exists":
            return isinstance(operand, bool)
        case "prefix" | "suffix" | "equals-ignore-case":
            return isinstance(operand, str)
        case "anything-but" if isinstance(operand, dict):
            return operand.keys() <= {"prefix", "suffix"} and _is_rule(operand)
        case "anything-but":
            choices = operand if isinstance(operand, list) else [operand]
            return bool(choices) and all(isinstance(choice, str | int | float) for choice in choices)
        case "numeric":
            return isinstance(operand, list) and len(operand) in (2, 4) and _are_comparisons(operand)
    return False


def _are_comparisons(operand: list[Any]) -> bool:
    return all(sign in _COMPARISONS for sign in operand[::2]) and all(_is_number(limit) for limit in operand[1::2])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValueException", message)
