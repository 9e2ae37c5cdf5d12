"""The states of a Lambda function, and waiting for one. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import AwsError
from .not_found import none_if_not_found
from .poll import StateTable, TimedOut

if TYPE_CHECKING:
    from .clients import Aws

STATES = StateTable(
    "Lambda function",
    running=frozenset({"Pending", "Deactivating", "Deleting"}),
    # A function that was idle for long is Inactive until it is invoked. The other two concern functions on capacity
    # providers, which ours is not: they are final, and invoking them fails.
    succeeded=frozenset({"Active", "Inactive", "ActiveNonInvocable", "Deactivated"}),
    failed=frozenset({"Failed"}),
)
UPDATES = StateTable(
    "update of the Lambda function", frozenset({"InProgress"}), frozenset({"Successful"}), frozenset({"Failed"})
)
_GONE = StateTable(
    "Lambda function", STATES.running | STATES.succeeded | STATES.failed, frozenset({"gone"}), frozenset()
)
_EVERY = 0.5
_WITHIN = 180.0


def wait_until_idle(aws: Aws, name: str) -> Mapping[str, Any]:
    """Returns the function's configuration once no creation and no update is in progress, also after a failure."""
    client = aws.client("lambda")

    def read() -> Mapping[str, Any]:
        configuration: Mapping[str, Any] = client.get_function_configuration(FunctionName=name)
        return configuration

    def is_final(configuration: Mapping[str, Any]) -> bool:
        is_created = STATES.is_final(configuration.get("State", "Active"))
        return is_created and UPDATES.is_final(configuration.get("LastUpdateStatus", "Successful"))

    try:
        return aws.retrier.poll(read, is_final, every=_EVERY, within=_WITHIN)
    except TimedOut as timeout:
        last: Any = timeout.last
        state = f"{last.get('State')}, its last update {last.get('LastUpdateStatus')}"
        raise AwsError(f"Lambda function {name} is still {state} after {_WITHIN:.0f} s.") from None


def wait_until_active(aws: Aws, name: str) -> Mapping[str, Any]:
    """Returns the same. Raises AwsError with Lambda's reason after a failure."""
    configuration = wait_until_idle(aws, name)
    problem = failure(configuration)
    if problem:
        raise AwsError(
            f"Lambda could not set up the function {name}: {problem}",
            "Fix the cause and run again. If the function stays Failed, delete it; the next run creates it.",
        )
    return configuration


def is_idle(configuration: Mapping[str, Any]) -> bool:
    """Whether no change of a function is in progress."""
    is_updating = configuration.get("LastUpdateStatus") in UPDATES.running
    return configuration.get("State") not in STATES.running and not is_updating


def failure(configuration: Mapping[str, Any]) -> str:
    """Returns why a function or its last update failed; "" where neither did."""
    if configuration.get("State") in STATES.failed:
        return f"failed: {configuration.get('StateReason', 'Lambda gives no reason')}"
    if configuration.get("LastUpdateStatus") in UPDATES.failed:
        return f"update failed: {configuration.get('LastUpdateStatusReason', 'Lambda gives no reason')}"
    return ""


def state(aws: Aws, name: str) -> str:
    """Returns the function's state, or "gone"."""
    configuration = none_if_not_found(lambda: aws.client("lambda").get_function_configuration(FunctionName=name))
    return str(configuration.get("State", "Active")) if configuration else "gone"


def wait_until_deleted(aws: Aws, name: str) -> None:
    """Wait until Lambda has deleted a function."""
    try:
        aws.retrier.poll(lambda: state(aws, name), _GONE.is_final, every=_EVERY, within=_WITHIN)
    except TimedOut as timeout:
        raise AwsError(f"Lambda function {name} is still {timeout.last} after {_WITHIN:.0f} s.") from None
