"""The Lambda step: one synchronous invocation whose returned object becomes the step's outputs.

An invocation cannot be taken back. A stopping execution waits for it; the result of one that timed out is ignored.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from botocore.exceptions import BotoCoreError, ClientError

from ..values import flatten, to_text
from .base import OUTPUT_COUNT_LIMIT, OUTPUT_VALUE_LIMIT, SESSION, Activity, StepResult, StepType, Task

_FUNCTION_ARN = re.compile(r"arn:aws[a-z\-]*:lambda:([a-z0-9\-]+):\d{12}:function:[A-Za-z0-9\-_]+(:[A-Za-z0-9$_\-]+)?")


class LambdaStep(StepType):
    name = "Lambda"
    # The service's cap. The 120 s often quoted are the timeout that AWS's SDK gives the *function*.
    limit_seconds: ClassVar[float] = 600.0

    def check(self, body: Mapping[str, Any], region: str) -> Iterator[str]:
        function_arn = body.get("FunctionArn")
        if isinstance(function_arn, dict):
            return  # an expression: it is resolved when the step starts
        match = _FUNCTION_ARN.fullmatch(function_arn) if isinstance(function_arn, str) else None
        if match is None:
            yield f"FunctionArn must be the ARN of a Lambda function, not {function_arn!r}"
        elif match[1] != region:
            yield f"FunctionArn is in {match[1]}; a function must be in the pipeline's region, {region}"

    def open(self, task: Task) -> Activity:
        connect = partial(self._environment.client_as, task.role_arn, SESSION, "lambda", task.region)
        return _LambdaActivity(task, connect, self.limit_seconds)


class _LambdaActivity:
    def __init__(self, task: Task, connect: Callable[[], Any], limit_seconds: float) -> None:
        self._task = task
        self._connect = connect
        self._limit_seconds = limit_seconds
        self._returned = threading.Event()

    def run(self) -> None:
        self._task.publish({LambdaStep.name: {"Arn": str(self._task.body["FunctionArn"])}})
        if self._task.spawn(self._invoke) and not self._returned.wait(self._limit_seconds):
            reason = f"Client Error: Lambda step timed out after {self._limit_seconds:g} seconds"
            self._task.finish(StepResult.failure(reason, timed_out=True))

    def stop(self) -> None:
        """Do nothing: a running function cannot be stopped, so the execution waits for it."""

    def _invoke(self) -> None:
        try:
            self._task.finish(self._result())
        finally:
            self._returned.set()

    def _result(self) -> StepResult:
        payload = json.dumps(flatten(self._task.body.get("Arguments", {})))
        try:
            response = self._connect().invoke(FunctionName=self._task.body["FunctionArn"], Payload=payload.encode())
            returned = json.loads(response["Payload"].read() or b"null")
        except (ClientError, BotoCoreError, ValueError) as error:
            return StepResult.failure(f"Client Error: Failed to invoke Lambda function: {error}")
        if "FunctionError" in response:
            result = StepResult.failure(f"Client Error: Received error from Lambda function: {_error_text(returned)}")
        else:
            result = _read_outputs(returned, self._task.step.outputs)
        return replace(result, request_id=response["ResponseMetadata"]["RequestId"])


def _error_text(returned: object) -> str:
    """Return `errorType: errorMessage`: what matters most comes first, since the service cuts off the end."""
    if not isinstance(returned, dict):
        return to_text(returned)
    parts = [str(returned[key]) for key in ("errorType", "errorMessage") if returned.get(key)]
    return ": ".join(parts) or to_text(returned)


def _read_outputs(returned: object, declared: Mapping[str, str]) -> StepResult:
    """Return the declared outputs. A missing one does not fail this step: it fails the step that refers to it."""
    values = returned if isinstance(returned, dict) else {}
    outputs = {name: to_text(values[name]) for name in declared if values.get(name) is not None}
    for name, text in outputs.items():
        if len(text) > OUTPUT_VALUE_LIMIT:
            return StepResult.failure(
                f"Client Error: output parameter '{name}' exceeds {OUTPUT_VALUE_LIMIT} characters"
            )
    if len(outputs) > OUTPUT_COUNT_LIMIT:
        return StepResult.failure(f"Client Error: more than {OUTPUT_COUNT_LIMIT} output parameters")
    return StepResult(True, outputs)
