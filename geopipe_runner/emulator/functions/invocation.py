"""One invocation and its outcome, with the words AWS uses for what can go wrong."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

MAX_RESPONSE_BYTES = 6_291_556


@dataclass(frozen=True)
class Invocation:
    payload: bytes
    function_arn: str
    timeout: float
    client_context: str | None = None
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True)
class Result:
    """What a worker made of an invocation."""

    payload: bytes
    error_type: str | None = None
    """None means success."""
    status: str = "success"
    """As the REPORT line says it: success, error or timeout."""


@dataclass(frozen=True)
class Outcome:
    """What the caller gets."""

    result: Result
    log_tail: bytes

    @property
    def succeeded(self) -> bool:
        return self.result.error_type is None


def success(payload: bytes) -> Result:
    if len(payload) > MAX_RESPONSE_BYTES:
        message = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
        return _failure("Function.ResponseSizeTooLarge", message)
    return Result(payload)


def reported(payload: bytes, error_type: str, request_id: str) -> Result:
    """An error as the runtime reported it; one from initialisation gets the id of the invocation it spoilt."""
    try:
        told = json.loads(payload)
    except ValueError:
        return Result(payload, error_type or "Runtime.Unknown", "error")
    if isinstance(told, dict):
        error_type = error_type or str(told.get("errorType", ""))
        if "requestId" in told and not told["requestId"]:
            told["requestId"] = request_id
            payload = json.dumps(told).encode()
    return Result(payload, error_type or "Runtime.Unknown", "error")


def exited(return_code: int, request_id: str) -> Result:
    """The worker ended while its caller waited."""
    if return_code < 0:
        how = f"exited with error: signal: {_SIGNAL_WORDS.get(-return_code, str(-return_code))}"
    elif return_code:
        how = f"exited with error: exit status {return_code}"
    else:
        how = "exited without providing a reason"
    return _failure("Runtime.ExitError", f"RequestId: {request_id} Error: Runtime {how}")


def timed_out(timeout: float, request_id: str) -> Result:
    return _failure("Sandbox.Timedout", timeout_message(timeout, request_id), "timeout")


def timeout_message(timeout: float, request_id: str) -> str:
    moment = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"{moment} {request_id} Task timed out after {timeout:.2f} seconds"


# As Go, in which Lambda's supervisor is written, spells them.
_SIGNAL_WORDS = {
    4: "illegal instruction",
    6: "aborted",
    7: "bus error",
    8: "floating point exception",
    9: "killed",
    11: "segmentation fault",
    15: "terminated",
}


def _failure(error_type: str, message: str, status: str = "error") -> Result:
    payload = json.dumps({"errorType": error_type, "errorMessage": message}).encode()
    return Result(payload, error_type, status)
