"""Sends a decision to the waiting pipeline step, within the lengths and refusals of the service.

Nothing here decides. `True` means that the message has done its work and may be deleted: answered now, answered by
somebody before, or refused in a way that no repetition will change.
"""

from botocore.exceptions import BotoCoreError, ClientError

from clients import Client
from decisions import Decision, Outcome, failure
from faults import AwsError, Fault, fault_of
from invocation import Invocation

_REASON_LENGTH = 256
_OUTPUT_LENGTH = 1024


def send(decision: Decision, token: str, region: str, invocation: Invocation) -> bool:
    """Answer the step; a success that is refused as invalid becomes a failure, so that the step ends all the same."""
    try:
        client = invocation.client("sagemaker", region)
        if decision.outcome is Outcome.SUCCESS:
            _send_success(client, decision, token)
        else:
            _send_failure(client, decision, token)
    except AwsError as error:
        return _refused(error, decision, token, region, invocation)
    return True


def _send_success(client: Client, decision: Decision, token: str) -> None:
    outputs = [{"Name": name, "Value": fit(value, _OUTPUT_LENGTH)} for name, value in decision.outputs.items()]
    client.send_pipeline_execution_step_success(CallbackToken=token, OutputParameters=outputs)


def _send_failure(client: Client, decision: Decision, token: str) -> None:
    client.send_pipeline_execution_step_failure(CallbackToken=token, FailureReason=fit(decision.reason, _REASON_LENGTH))


def _refused(
    error: ClientError | BotoCoreError, decision: Decision, token: str, region: str, invocation: Invocation
) -> bool:
    fault = fault_of(error)
    if fault in (Fault.GONE, Fault.USED):
        invocation.log.warning("the callback is unknown or already answered", error=str(error))
        return True
    if fault is not Fault.INVALID:
        invocation.log.warning("the answer could not be sent, it is tried again later", error=str(error))
        return False
    if decision.outcome is Outcome.SUCCESS:
        invocation.log.warning("the success was refused, a failure is sent instead", error=str(error))
        return send(failure(f"The success was refused: {error}"), token, region, invocation)
    invocation.log.error("the callback cannot be answered", error=str(error))
    return True


def fit(text: str, length: int) -> str:
    """The text within a length, ending in … where it was cut, never in half a character.

    Counted in UTF-16 units, the largest of the counts a service may use for characters; what has no encoding at all
    (half a surrogate pair, from a broken error message) becomes a question mark.
    """
    units = text.encode("utf-16-le", "replace")
    if len(units) <= 2 * length:
        return units.decode("utf-16-le")
    return units[: 2 * (length - 1)].decode("utf-16-le", "ignore") + "…"
