"""One invocation and its result, with AWS's messages for failures."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime

from .names import LATEST

MAX_RESPONSE_BYTES = 6_291_556


@dataclass(frozen=True)
class Invocation:
    payload: bytes
    function_arn: str
    timeout: float
    client_context: str | None = None
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True)
class RuntimeResult:
    """What the runtime returned.

    `error_type` is None for success. `status` is the one of the REPORT line: success, error or timeout.
    """

    payload: bytes
    error_type: str | None = None
    status: str = "success"


@dataclass(frozen=True)
class InvocationResult:
    """What the caller of an invocation gets."""

    result: RuntimeResult
    log_tail: bytes
    executed_version: str = LATEST

    @property
    def succeeded(self) -> bool:
        return self.result.error_type is None


def success(payload: bytes) -> RuntimeResult:
    if len(payload) > MAX_RESPONSE_BYTES:
        message = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
        return _failure("Function.ResponseSizeTooLarge", message)
    return RuntimeResult(payload)


def reported(payload: bytes, error_type: str, request_id: str) -> RuntimeResult:
    """Return an error that the runtime reported. One from initialization gets the id of the invocation that fails."""
    try:
        error = json.loads(payload)
    except ValueError:
        return RuntimeResult(payload, error_type or "Runtime.Unknown", "error")
    if isinstance(error, dict):
        error_type = error_type or str(error.get("errorType", ""))
        if "requestId" in error and not error["requestId"]:
            error["requestId"] = request_id
            payload = json.dumps(error).encode()
    return RuntimeResult(payload, error_type or "Runtime.Unknown", "error")


def exited(return_code: int, request_id: str) -> RuntimeResult:
    """Return the error of a process that ended while the caller waited."""
    if return_code < 0:
        how = f"exited with error: signal: {_SIGNAL_WORDS.get(-return_code, str(-return_code))}"
    elif return_code:
        how = f"exited with error: exit status {return_code}"
    else:
        how = "exited without providing a reason"
    return _failure("Runtime.ExitError", f"RequestId: {request_id} Error: Runtime {how}")


def timed_out(timeout: float, request_id: str) -> RuntimeResult:
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


def _failure(error_type: str, message: str, status: str = "error") -> RuntimeResult:
    payload = json.dumps({"errorType": error_type, "errorMessage": message}).encode()
    return RuntimeResult(payload, error_type, status)
