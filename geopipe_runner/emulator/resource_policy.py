"""Does a resource policy say something about this access? Pure: statements and facts in, effect out.

Bucket policies and the trust policies of roles; identity policies are not evaluated anywhere in the emulator yet.
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


@dataclass(frozen=True)
class Access:
    """One attempted action. `principals` are all names the caller goes by; none means anonymous."""

    action: str
    resource: str
    principals: frozenset[str]
    facts: Mapping[str, str]
    """Condition keys with their values, the keys in lower case."""


def statements_of(policy: Mapping[str, Any]) -> list[Statement]:
    found = policy.get("Statement", [])
    return found if isinstance(found, list) else [found]


def is_denied(policy: Mapping[str, Any], access: Access) -> bool:
    """An explicit Deny wins over everything, for the bucket's owner too."""
    return any(s.get("Effect") == "Deny" and applies(s, access) for s in statements_of(policy))


def is_allowed(policy: Mapping[str, Any], access: Access) -> bool:
    return not is_denied(policy, access) and any(
        s.get("Effect") == "Allow" and applies(s, access) for s in statements_of(policy)
    )


def is_public(policy: Mapping[str, Any]) -> bool:
    """An Allow for everybody that no condition narrows, as "block public policy" understands it."""
    return any(
        s.get("Effect") == "Allow" and "*" in _aws_principals(s.get("Principal")) and not s.get("Condition")
        for s in statements_of(policy)
    )


def unknown_operators(policy: Mapping[str, Any]) -> list[str]:
    """Condition operators that no policy may use; AWS refuses them when the policy is put."""
    return [name for s in statements_of(policy) for name in s.get("Condition") or {} if _base(name) not in _OPERATORS]


def applies(statement: Statement, access: Access) -> bool:
    return (
        _principal_matches(statement, access.principals)
        and _pattern_part(statement, "Action", access.action, ignore_case=True)
        and _pattern_part(statement, "Resource", access.resource, ignore_case=False)
        and all(
            _condition_holds(operator, key, _as_list(wanted), access.facts)
            for operator, block in (statement.get("Condition") or {}).items()
            for key, wanted in block.items()
        )
    )


def _principal_matches(statement: Statement, principals: frozenset[str]) -> bool:
    if "NotPrincipal" in statement:
        return not (_aws_principals(statement["NotPrincipal"]) & (principals | {"*"}))
    return bool(_aws_principals(statement.get("Principal")) & (principals | {"*"}))


def _aws_principals(principal: Any) -> set[str]:
    if isinstance(principal, Mapping):
        return set(_as_list(principal.get("AWS", [])))
    return set(_as_list(principal or []))


def _pattern_part(statement: Statement, name: str, value: str, ignore_case: bool) -> bool:
    if f"Not{name}" in statement:
        return not _matches_any(_as_list(statement[f"Not{name}"]), value, ignore_case)
    # A role's trust policy has no Resource: it stands for the role itself.
    return name not in statement or _matches_any(_as_list(statement[name]), value, ignore_case)


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
    holds = _OPERATORS[base]
    if base in _NEGATED:
        return all(holds(found, value) for value in wanted)
    return any(holds(found, value) for value in wanted)


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


def _as_list(value: Any) -> list[str]:
    """Policies may write one value or many, and booleans and numbers for strings."""
    values = value if isinstance(value, list) else [value]
    return [str(item).lower() if isinstance(item, bool) else str(item) for item in values]
