"""The CacheConfig and the RetryPolicies of a step.

The limits are those of the developer guide ("Retry Policy for Pipeline Steps"). The SageMaker SDK writes a duration
without its P as well, and the service takes both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..config.messages import one_of
from .expressions import is_expression, shown
from .json_text import JsonPath
from .structure_checks import DefinitionProblem

_CACHE_KEYS = ("Enabled", "ExpireAfter")
_DURATION = re.compile(r"P?(?=[\dT])(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?", re.IGNORECASE)

# The most that each number of a retry policy may be. Zero is the least.
_RETRY_LIMITS: Mapping[str, float | None] = {
    "BackoffRate": None,
    "ExpireAfterMin": 14_400,
    "IntervalSeconds": 43_200,
    "MaxAttempts": 20,
}
_RETRY_KEYS = ("ExceptionType", *_RETRY_LIMITS)
_EXCEPTIONS = (
    "Emr.RESOURCE_LIMIT",
    "SageMaker.CAPACITY_ERROR",
    "SageMaker.JOB_INTERNAL_ERROR",
    "SageMaker.RESOURCE_LIMIT",
    "Step.SERVICE_FAULT",
    "Step.THROTTLING",
)


def cache_problems(config: Any, path: JsonPath) -> Iterator[DefinitionProblem]:
    """Yields what is wrong with a CacheConfig; None is none."""
    if config is None:
        return
    if not isinstance(config, dict) or not isinstance(config.get("Enabled"), bool):
        yield DefinitionProblem(path, "CacheConfig is not an object with Enabled true or false")
        return
    for key in config.keys() - set(_CACHE_KEYS):
        yield DefinitionProblem((*path, key), f"CacheConfig has the unknown key {key!r}; {one_of(key, _CACHE_KEYS)}")
    duration = config.get("ExpireAfter")
    if duration is not None and (not isinstance(duration, str) or not _DURATION.fullmatch(duration)):
        what = f"ExpireAfter is {shown(duration)}, not an ISO 8601 duration such as P30D"
        yield DefinitionProblem((*path, "ExpireAfter"), what)


def retry_problems(policies: Any, path: JsonPath) -> Iterator[DefinitionProblem]:
    """Yields what is wrong with RetryPolicies; None is none."""
    if policies is None:
        return
    if not isinstance(policies, list) or not all(isinstance(policy, dict) for policy in policies):
        yield DefinitionProblem(path, "RetryPolicies is not a list of objects")
        return
    for number, policy in enumerate(policies):
        yield from _policy(policy, f"RetryPolicies[{number}]", (*path, number))


def _policy(policy: Mapping[str, Any], name: str, path: JsonPath) -> Iterator[DefinitionProblem]:
    for key, value in policy.items():
        if key not in _RETRY_KEYS:
            yield DefinitionProblem((*path, key), f"{name} has the unknown key {key!r}; {one_of(key, _RETRY_KEYS)}")
        elif key != "ExceptionType" and value is not None and not is_expression(value):
            most = _RETRY_LIMITS[key]
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or value < 0 or (most is not None and value > most):
                limit = "0 or more" if most is None else f"0 to {most:,.0f}"
                yield DefinitionProblem((*path, key), f"{key} of {name} is {shown(value)}; SageMaker takes {limit}")
    if policy.get("MaxAttempts") is not None and policy.get("ExpireAfterMin") is not None:
        yield DefinitionProblem(path, f"{name} has both MaxAttempts and ExpireAfterMin; SageMaker takes one of them")
    if not policy.get("ExceptionType"):
        yield DefinitionProblem(path, f"{name} needs at least one ExceptionType")
        return
    exceptions = policy["ExceptionType"]
    for exception in exceptions if isinstance(exceptions, list) else [exceptions]:
        if exception not in _EXCEPTIONS:
            what = f"{name} has the ExceptionType {shown(exception)}; {one_of(exception, _EXCEPTIONS)}"
            yield DefinitionProblem((*path, "ExceptionType"), what)
