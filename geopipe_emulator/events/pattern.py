"""EventBridge's event patterns, which Lambda's filters and SNS's filter policies share. Pure.

The rules are those of the EventBridge user guide, "Comparison operators for use in event patterns". Lambda and SNS have
some of them only; they name theirs.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

ALL_OPERATORS = frozenset(
    {"exists", "prefix", "suffix", "equals-ignore-case", "anything-but", "numeric", "cidr", "wildcard"}
)
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": lambda value, limit: value == limit,
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
}
_MISSING = object()
# What may follow "anything-but" as a rule of its own.
_NEGATABLE = frozenset({"prefix", "suffix", "equals-ignore-case", "wildcard"})


def is_pattern(pattern: Any, operators: Collection[str] = ALL_OPERATORS) -> bool:
    """Return whether `pattern` is a non-empty pattern that uses only these operators."""
    if isinstance(pattern, list):
        return bool(pattern) and all(_is_rule(rule, operators) for rule in pattern)
    if not isinstance(pattern, dict) or not pattern:
        return False
    return all(
        all(isinstance(choice, dict) and is_pattern(choice, operators) for choice in part) and len(part) > 1
        if name == "$or" and isinstance(part, list)
        else is_pattern(part, operators)
        for name, part in pattern.items()
    )


def matches(pattern: Any, value: Any) -> bool:
    """Return whether an event matches. `pattern` must be one that `is_pattern` accepts."""
    if isinstance(pattern, list):
        values = value if isinstance(value, list) else [value]
        return any(_rule_holds(rule, item) for rule in pattern for item in (values or [_MISSING]))
    if isinstance(value, list):
        # One element of an array must match the whole pattern.
        return any(matches(pattern, item) for item in value)
    for name, part in pattern.items():
        if name == "$or" and isinstance(part, list):
            if not any(matches(choice, value) for choice in part):
                return False
        elif not matches(part, value.get(name, _MISSING) if isinstance(value, Mapping) else _MISSING):
            return False
    return True


def _rule_holds(rule: Any, value: Any) -> bool:
    if not isinstance(rule, dict):
        return _equal(rule, value)
    ((kind, operand),) = rule.items()
    if kind == "exists":
        return bool(operand) == (value is not _MISSING)
    if kind == "anything-but":
        if value is _MISSING:
            return False
        if isinstance(operand, dict):
            return not _rule_holds(operand, value)
        return not any(_equal(choice, value) for choice in _listed(operand))
    if kind == "numeric":
        return is_number(value) and all(
            _COMPARISONS[sign](value, limit) for sign, limit in zip(operand[::2], operand[1::2], strict=True)
        )
    return isinstance(value, str) and any(_text_rule_holds(kind, choice, value) for choice in _listed(operand))


def _text_rule_holds(kind: str, operand: Any, value: str) -> bool:
    text: str = operand
    if isinstance(operand, dict):
        text, value = operand["equals-ignore-case"].lower(), value.lower()
    match kind:
        case "prefix":
            return value.startswith(text)
        case "suffix":
            return value.endswith(text)
        case "equals-ignore-case":
            return value.lower() == text.lower()
        case "wildcard":
            return re.fullmatch(_wildcard_expression(text), value, re.DOTALL) is not None
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False


def _wildcard_expression(text: str) -> str:
    r"""`*` stands for any characters; `\*` and `\\` for themselves."""
    parts = re.findall(r"\\[*\\]|\*|[^*\\]+|\\", text)
    return "".join(
        ".*" if part == "*" else re.escape(part[1:] if len(part) == 2 and part[0] == "\\" else part) for part in parts
    )


def _equal(rule: Any, value: Any) -> bool:
    """Compare as JSON does: true is not 1."""
    return isinstance(rule, bool) == isinstance(value, bool) and rule == value


def _is_rule(rule: Any, operators: Collection[str]) -> bool:
    if not isinstance(rule, dict):
        return not isinstance(rule, list)
    if len(rule) != 1:
        return False
    ((kind, operand),) = rule.items()
    if kind not in operators:
        return False
    match kind:
        case "exists":
            return isinstance(operand, bool)
        case "anything-but" if isinstance(operand, dict):
            return operand.keys() <= _NEGATABLE and _is_rule(operand, operators)
        case "anything-but":
            choices = _listed(operand)
            return bool(choices) and all(isinstance(choice, str | int | float) for choice in choices)
        case "numeric":
            return isinstance(operand, list) and len(operand) in (2, 4) and _are_comparisons(operand)
        case "cidr":
            return isinstance(operand, str) and _is_network(operand)
        case "prefix" | "suffix" if isinstance(operand, dict):
            return operand.keys() == {"equals-ignore-case"} and isinstance(operand["equals-ignore-case"], str)
        case "wildcard":
            return all(isinstance(choice, str) and "**" not in choice for choice in _listed(operand))
    return all(isinstance(choice, str) for choice in _listed(operand))


def _are_comparisons(operand: list[Any]) -> bool:
    return all(sign in _COMPARISONS for sign in operand[::2]) and all(is_number(limit) for limit in operand[1::2])


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def is_number(value: Any) -> bool:
    """Return whether `value` is a number of JSON. Python takes true for one."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _listed(operand: Any) -> list[Any]:
    return operand if isinstance(operand, list) else [operand]
