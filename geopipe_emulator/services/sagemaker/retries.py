"""RetryPolicies of a step: when a failed attempt is repeated, and after how long.

The developer guide gives the exception types, the defaults and the limits. Of two policies that name an exception type
the first one counts here; the guide does not say. A script that ends with an error is of no type, so no policy repeats
it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .steps.job import ANY_EXCEPTION

# These are retried by default, on every type of step.
_BY_DEFAULT = ("Step.SERVICE_FAULT", "Step.THROTTLING")
EXCEPTION_TYPES = (
    *_BY_DEFAULT,
    "SageMaker.JOB_INTERNAL_ERROR",
    "SageMaker.CAPACITY_ERROR",
    "SageMaker.RESOURCE_LIMIT",
    "Emr.RESOURCE_LIMIT",
)
MAX_INTERVAL_SECONDS = 43_200
MAX_ATTEMPTS = 20
MAX_EXPIRE_MINUTES = 14_400


@dataclass(frozen=True)
class RetryPolicy:
    """One policy. Intervals are in seconds; without `max_attempts`, it ends `expire_minutes` after the step's start."""

    exceptions: tuple[str, ...]
    interval: float = 1.0
    rate: float = 2.0
    max_attempts: int | None = 5
    expire_minutes: float | None = None

    def delay(self, retries: int, elapsed: float) -> float | None:
        """Return the seconds to wait after `retries` retries, `elapsed` seconds after the start; None to give up."""
        if self.max_attempts is not None and retries >= self.max_attempts:
            return None
        wait = min(self.interval * self.rate**retries, MAX_INTERVAL_SECONDS)
        if self.expire_minutes is not None and elapsed + wait > self.expire_minutes * 60:
            return None
        return wait


def policy_for(body: Mapping[str, Any], exception: str) -> RetryPolicy | None:
    """Return the policy of a step for a failure of this type; None if it is not repeated."""
    policies = [_read_policy(entry) for entry in body.get("RetryPolicies") or ()]
    for policy in policies:
        if exception in policy.exceptions or (exception == ANY_EXCEPTION and policy.exceptions):
            return policy
    return RetryPolicy(_BY_DEFAULT) if exception in _BY_DEFAULT else None


def retry_problems(body: Mapping[str, Any]) -> Iterator[str]:
    policies = body.get("RetryPolicies")
    if policies is None:
        return
    if not isinstance(policies, list) or not all(isinstance(policy, dict) for policy in policies):
        yield "RetryPolicies must be a list of objects"
        return
    for policy in policies:
        types = _exception_types(policy)
        if not types or not set(types) <= set(EXCEPTION_TYPES):
            yield f"ExceptionType must be some of {', '.join(EXCEPTION_TYPES)}, not {policy.get('ExceptionType')!r}"
        if policy.get("MaxAttempts") is not None and policy.get("ExpireAfterMin") is not None:
            yield "a retry policy has MaxAttempts or ExpireAfterMin, not both"
        for key, high in (
            ("IntervalSeconds", MAX_INTERVAL_SECONDS),
            ("BackoffRate", float("inf")),
            ("MaxAttempts", MAX_ATTEMPTS),
            ("ExpireAfterMin", MAX_EXPIRE_MINUTES),
        ):
            value = policy.get(key)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                yield f"{key} of a retry policy must be a number, not {value!r}"
            elif value is not None and not 0 <= value <= high:
                yield f"{key} of a retry policy must be at most {high:,} and not negative, not {value!r}"


def _exception_types(policy: Mapping[str, Any]) -> tuple[str, ...]:
    given = policy.get("ExceptionType")
    types = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    return tuple(item for item in types if isinstance(item, str)) if all(isinstance(t, str) for t in types) else ()


def _read_policy(entry: Mapping[str, Any]) -> RetryPolicy:
    attempts, expires = entry.get("MaxAttempts"), entry.get("ExpireAfterMin")
    interval, rate = entry.get("IntervalSeconds"), entry.get("BackoffRate")
    return RetryPolicy(
        _exception_types(entry),
        1.0 if interval is None else float(interval),
        2.0 if rate is None else float(rate),
        int(attempts) if attempts is not None else None if expires is not None else 5,
        None if expires is None else float(expires),
    )
