"""Decides whether a policy statement covers an access, by its actions, resources and conditions. Pure.

Identity policies and resource policies both consist of such statements. Principals are the resource policies' part.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Statement = Mapping[str, Any]
Policy = Mapping[str, Any]


@dataclass(frozen=True)
class Access:
    """One attempted action. `principals` are all names of the caller; an anonymous caller has none."""

    action: str
    resource: str
    principals: frozenset[str]
    facts: Mapping[str, str]
    """Condition keys with their values, the keys in lower case."""


def statements_of(policy: Policy) -> list[Statement]:
    """The policy's statements; a policy may write a single one without a list."""
    statements = policy.get("Statement", [])
    return statements if isinstance(statements, list) else [statements]


def unknown_operators(policy: Policy) -> list[str]:
    """The condition operators that do not exist. AWS refuses a policy with one when it is put."""
    return [name for s in statements_of(policy) for name in s.get("Condition") or {} if _base(name) not in _OPERATORS]


def covers(statement: Statement, access: Access) -> bool:
    """Whether actions, resources and all conditions of the statement include the access."""
    return (
        _pattern_part(statement, "Action", access.action, ignore_case=True)
        and _pattern_part(statement, "Resource", access.resource, ignore_case=False)
        and all(
            _condition_holds(operator, key, as_list(values), access.facts)
            for operator, block in (statement.get("Condition") or {}).items()
            for key, values in block.items()
        )
    )


def _pattern_part(statement: Statement, name: str, value: str, ignore_case: bool) -> bool:
    if f"Not{name}" in statement:
        return not _matches_any(as_list(statement[f"Not{name}"]), value, ignore_case)
    # A role's trust policy has no Resource: it stands for the role itself.
    return name not in statement or _matches_any(as_list(statement[name]), value, ignore_case)


def _matches_any(patterns: Iterable[str], value: str, ignore_case: bool = False) -> bool:
    return any(_like(pattern, value, ignore_case) for pattern in patterns)


def _like(pattern: str, value: str, ignore_case: bool = False) -> bool:
    """AWS knows `*` and `?` only; a bracket is a bracket."""
    translated = fnmatch.translate(pattern.replace("[", "[[]"))
    return re.match(translated, value, re.IGNORECASE if ignore_case else 0) is not None


def _condition_holds(operator: str, key: str, values: list[str], facts: Mapping[str, str]) -> bool:
    base = _base(operator)
    fact = facts.get(key.lower())
    if base == "Null":
        return (fact is None) == (values[0].lower() == "true")
    if fact is None:
        # An absent key satisfies the negated operators, and everything that says IfExists or ForAllValues.
        return operator.endswith("IfExists") or operator.startswith("ForAllValues:") or base in _NEGATED
    results = (_holds(base, fact, value) for value in values)
    return all(results) if base in _NEGATED else any(results)


def _holds(base: str, fact: str, value: str) -> bool:
    """Whether the condition is met. It is not when the two cannot be compared, or the operator does not exist."""
    test = _OPERATORS.get(base)
    try:
        return test is not None and test(fact, value)
    except ValueError:
        return False


def _base(operator: str) -> str:
    return operator.removeprefix("ForAnyValue:").removeprefix("ForAllValues:").removesuffix("IfExists")


def _in_network(address: str, network: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


_Test = Callable[[str, str], bool]
_POSITIVE: dict[str, _Test] = {
    "StringEquals": lambda fact, value: fact == value,
    "StringEqualsIgnoreCase": lambda fact, value: fact.lower() == value.lower(),
    "StringLike": lambda fact, value: _like(value, fact),
    "ArnEquals": lambda fact, value: _like(value, fact),
    "ArnLike": lambda fact, value: _like(value, fact),
    "NumericEquals": lambda fact, value: float(fact) == float(value),
    "DateEquals": lambda fact, value: _moment(fact) == _moment(value),
    "IpAddress": _in_network,
}
_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "LessThan": lambda fact, value: fact < value,
    "LessThanEquals": lambda fact, value: fact <= value,
    "GreaterThan": lambda fact, value: fact > value,
    "GreaterThanEquals": lambda fact, value: fact >= value,
}
_NEGATIONS = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
}
_NEGATED = frozenset(_NEGATIONS)


def _negation(test: _Test) -> _Test:
    return lambda fact, value: not test(fact, value)


def _comparison(convert: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> _Test:
    return lambda fact, value: compare(convert(fact), convert(value))


_OPERATORS: dict[str, _Test] = {
    **_POSITIVE,
    **{name: _negation(_POSITIVE[positive]) for name, positive in _NEGATIONS.items()},
    **{f"Numeric{name}": _comparison(float, test) for name, test in _ORDERED.items()},
    **{f"Date{name}": _comparison(_moment, test) for name, test in _ORDERED.items()},
    "Bool": lambda fact, value: fact.lower() == value.lower(),
    "Null": lambda fact, value: False,
}


def as_list(value: Any) -> list[str]:
    """The values as strings. Policies may write one value or many, and booleans and numbers for strings."""
    values = value if isinstance(value, list) else [value]
    return [str(item).lower() if isinstance(item, bool) else str(item) for item in values]
