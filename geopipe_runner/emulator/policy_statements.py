"""Does a policy statement cover an attempted access? Actions, resources and conditions; who asks is not its business.

Pure: statements and facts in, yes or no out. Identity policies and resource policies are both made of this.
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
    """One attempted action. `principals` are all names the caller goes by; none means anonymous."""

    action: str
    resource: str
    principals: frozenset[str]
    facts: Mapping[str, str]
    """Condition keys with their values, the keys in lower case."""


def statements_of(policy: Policy) -> list[Statement]:
    found = policy.get("Statement", [])
    return found if isinstance(found, list) else [found]


def unknown_operators(policy: Policy) -> list[str]:
    """Condition operators that no policy may use; AWS refuses them when the policy is put."""
    return [name for s in statements_of(policy) for name in s.get("Condition") or {} if _base(name) not in _OPERATORS]


def covers(statement: Statement, access: Access) -> bool:
    return (
        _pattern_part(statement, "Action", access.action, ignore_case=True)
        and _pattern_part(statement, "Resource", access.resource, ignore_case=False)
        and all(
            _condition_holds(operator, key, as_list(wanted), access.facts)
            for operator, block in (statement.get("Condition") or {}).items()
            for key, wanted in block.items()
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


def _condition_holds(operator: str, key: str, wanted: list[str], facts: Mapping[str, str]) -> bool:
    base = _base(operator)
    found = facts.get(key.lower())
    if base == "Null":
        return (found is None) == (wanted[0].lower() == "true")
    if found is None:
        # An absent key satisfies the negated operators, and everything that says IfExists or ForAllValues.
        return operator.endswith("IfExists") or operator.startswith("ForAllValues:") or base in _NEGATED
    results = (_holds(base, found, value) for value in wanted)
    return all(results) if base in _NEGATED else any(results)


def _holds(base: str, found: str, wanted: str) -> bool:
    """What cannot be compared (a word as a number, an operator nobody knows) is not met."""
    test = _OPERATORS.get(base)
    try:
        return test is not None and test(found, wanted)
    except ValueError:
        return False


def _base(operator: str) -> str:
    return operator.removeprefix("ForAnyValue:").removeprefix("ForAllValues:").removesuffix("IfExists")


def _in_network(found: str, network: str) -> bool:
    return ipaddress.ip_address(found) in ipaddress.ip_network(network, strict=False)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


_Test = Callable[[str, str], bool]
_POSITIVE: dict[str, _Test] = {
    "StringEquals": lambda found, wanted: found == wanted,
    "StringEqualsIgnoreCase": lambda found, wanted: found.lower() == wanted.lower(),
    "StringLike": lambda found, wanted: _like(wanted, found),
    "ArnEquals": lambda found, wanted: _like(wanted, found),
    "ArnLike": lambda found, wanted: _like(wanted, found),
    "NumericEquals": lambda found, wanted: float(found) == float(wanted),
    "DateEquals": lambda found, wanted: _moment(found) == _moment(wanted),
    "IpAddress": _in_network,
}
_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "LessThan": lambda found, wanted: found < wanted,
    "LessThanEquals": lambda found, wanted: found <= wanted,
    "GreaterThan": lambda found, wanted: found > wanted,
    "GreaterThanEquals": lambda found, wanted: found >= wanted,
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
    return lambda found, wanted: not test(found, wanted)


def _comparison(convert: Callable[[str], Any], compare: Callable[[Any, Any], bool]) -> _Test:
    return lambda found, wanted: compare(convert(found), convert(wanted))


_OPERATORS: dict[str, _Test] = {
    **_POSITIVE,
    **{name: _negation(_POSITIVE[positive]) for name, positive in _NEGATIONS.items()},
    **{f"Numeric{name}": _comparison(float, test) for name, test in _ORDERED.items()},
    **{f"Date{name}": _comparison(_moment, test) for name, test in _ORDERED.items()},
    "Bool": lambda found, wanted: found.lower() == wanted.lower(),
    "Null": lambda found, wanted: False,
}


def as_list(value: Any) -> list[str]:
    """Policies may write one value or many, and booleans and numbers for strings."""
    values = value if isinstance(value, list) else [value]
    return [str(item).lower() if isinstance(item, bool) else str(item) for item in values]
