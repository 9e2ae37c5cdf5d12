"""What state a Lambda function is in, and waiting until it is in another. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import AwsError
from .gone import none_if_gone
from .polling import StateTable, TimedOut

if TYPE_CHECKING:
    from .clients import Aws

STATES = StateTable(
    "Lambda function",
    going_on=frozenset({"Pending", "Deactivating", "Deleting"}),
    # A function that was idle for long is Inactive until it is called. The other two concern functions on capacity
    # providers, which ours is not: they are settled, and calling them is what fails.
    succeeded=frozenset({"Active", "Inactive", "ActiveNonInvocable", "Deactivated"}),
    failed=frozenset({"Failed"}),
)
UPDATES = StateTable(
    "update of the Lambda function", frozenset({"InProgress"}), frozenset({"Successful"}), frozenset({"Failed"})
)
_GONE = StateTable(
    "Lambda function", STATES.going_on | STATES.succeeded | STATES.failed, frozenset({"gone"}), frozenset()
)
_EVERY = 0.5
_WITHIN = 180.0


def settled(aws: Aws, name: str) -> Mapping[str, Any]:
    """The function once it is neither being made nor being changed, whether that went well or not."""
    client = aws.client("lambda")

    def read() -> Mapping[str, Any]:
        found: Mapping[str, Any] = client.get_function_configuration(FunctionName=name)
        return found

    def terminal(found: Mapping[str, Any]) -> bool:
        done = STATES.terminal(found.get("State", "Active"))
        return done and UPDATES.terminal(found.get("LastUpdateStatus", "Successful"))

    try:
        return aws.retrier.poll(read, terminal, every=_EVERY, within=_WITHIN)
    except TimedOut as timeout:
        last: Any = timeout.last
        state = f"{last.get('State')}, its last update {last.get('LastUpdateStatus')}"
        raise AwsError(f"Lambda function {name} is still {state} after {_WITHIN:.0f} s.") from None


def made(aws: Aws, name: str) -> Mapping[str, Any]:
    """The same, but raises AwsError with Lambda's reason where it did not go well."""
    found = settled(aws, name)
    problem = failure(found)
    if problem:
        raise AwsError(
            f"Lambda could not set up the function {name}: {problem}",
            "Mend the cause and run again. If it stays so, delete the function: it is made anew then.",
        )
    return found


def at_rest(found: Mapping[str, Any]) -> bool:
    """Whether nothing is being done to a function, as far as its states are known to us."""
    return found.get("State") not in STATES.going_on and found.get("LastUpdateStatus") not in UPDATES.going_on


def failure(found: Mapping[str, Any]) -> str:
    """What went wrong with a function or with its last update; "" for nothing."""
    if found.get("State") in STATES.failed:
        return f"failed: {found.get('StateReason', 'Lambda gives no reason')}"
    if found.get("LastUpdateStatus") in UPDATES.failed:
        return f"update failed: {found.get('LastUpdateStatusReason', 'Lambda gives no reason')}"
    return ""


def state(aws: Aws, name: str) -> str:
    """Its state as Lambda has it, or "gone"."""
    found = none_if_gone(lambda: aws.client("lambda").get_function_configuration(FunctionName=name))
    return str(found.get("State", "Active")) if found else "gone"


def await_gone(aws: Aws, name: str) -> None:
    """Wait until a function that is being deleted is gone."""
    try:
        aws.retrier.poll(lambda: state(aws, name), _GONE.terminal, every=_EVERY, within=_WITHIN)
    except TimedOut as timeout:
        raise AwsError(f"Lambda function {name} is still {timeout.last} after {_WITHIN:.0f} s.") from None
