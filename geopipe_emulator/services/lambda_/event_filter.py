"""The filters of event source mappings: which messages reach the function. Pure.

Lambda's rules are those of EventBridge's event patterns, without wildcards and networks. The body of a message is read
as JSON where the pattern asks for its parts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ...events.pattern import ALL_OPERATORS, is_pattern, matches
from ...protocol.errors import ServiceError

MAX_FILTERS = 5
_OPERATORS = ALL_OPERATORS - {"cidr", "wildcard"}


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
        if not isinstance(content, dict) or not is_pattern(content, _OPERATORS):
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
    return matches(pattern, record)


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValueException", message)
