"""The Lambda step: one synchronous invocation whose returned object becomes the step's outputs.

An invocation cannot be taken back: a stopping execution waits for it, and a timed-out one goes on unheard.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ...service import Environment
from ..values import flatten, to_text
from .base import OUTPUT_COUNT_LIMIT, OUTPUT_VALUE_LIMIT, SESSION, Activity, Outcome, Task

STEP_LIMIT_SECONDS = 600.0
"""The service's cap. The 120 s often quoted are what AWS's SDK gives the *function* as its own timeout."""

_FUNCTION_ARN = re.compile(r"arn:aws[a-z\-]*:lambda:([a-z0-9\-]+):\d{12}:function:[A-Za-z0-9\-_]+(:[A-Za-z0-9$_\-]+)?")


class LambdaStep:
    name = "Lambda"
    stoppable = False

    def __init__(self, environment: Environment, limit_seconds: float = STEP_LIMIT_SECONDS) -> None:
        self._environment = environment
        self._limit_seconds = limit_seconds

    def check(self, body: Mapping[str, Any], region: str) -> Iterator[str]:
        function_arn = body.get("FunctionArn")
        if isinstance(function_arn, dict):
            return  # an expression: looked at when the step starts
        match = _FUNCTION_ARN.fullmatch(function_arn) if isinstance(function_arn, str) else None
        if match is None:
            yield f"FunctionArn must be the ARN of a Lambda function, not {function_arn!r}"
        elif match[1] != region:
            yield f"FunctionArn is in {match[1]}; a function must be in the pipeline's region, {region}"

    def open(self, task: Task) -> Activity:
        connect = partial(self._environment.client_as, task.role_arn, SESSION, "lambda", task.region)
        return _Invocation(task, connect, self._limit_seconds)

    def forget(self, execution_arn: str) -> None:
        """Nothing is kept."""


class _Invocation:
    def __init__(self, task: Task, connect: Callable[[], Any], limit_seconds: float) -> None:
        self._task = task
        self._connect = connect
        self._limit_seconds = limit_seconds
        self._returned = threading.Event()

    def run(self) -> None:
        self._task.publish({"Lambda": {"Arn": str(self._task.body["FunctionArn"])}})
        if self._task.spawn(self._invoke) and not self._returned.wait(self._limit_seconds):
            reason = f"Client Error: Lambda step timed out after {self._limit_seconds:g} seconds"
            self._task.finish(Outcome.failure(reason, timed_out=True))

    def stop(self) -> None:
        """A running function cannot be stopped; the execution waits for it."""

    def _invoke(self) -> None:
        try:
            self._task.finish(self._outcome())
        finally:
            self._returned.set()

    def _outcome(self) -> Outcome:
        payload = json.dumps(flatten(self._task.body.get("Arguments", {})))
        try:
            answer = self._connect().invoke(FunctionName=self._task.body["FunctionArn"], Payload=payload.encode())
            returned = json.loads(answer["Payload"].read() or b"null")
        except (ClientError, BotoCoreError, ValueError) as error:
            return Outcome.failure(f"Client Error: Failed to invoke Lambda function: {error}")
        if "FunctionError" in answer:
            return Outcome.failure(f"Client Error: Received error from Lambda function: {_error_text(returned)}")
        return _read_outputs(returned, self._task.step.outputs)


def _error_text(returned: object) -> str:
    """`errorType: errorMessage`, first what a reader needs most: the service cuts the end off."""
    if not isinstance(returned, dict):
        return to_text(returned)
    parts = [str(returned[key]) for key in ("errorType", "errorMessage") if returned.get(key)]
    return ": ".join(parts) or to_text(returned)


def _read_outputs(returned: object, declared: Mapping[str, str]) -> Outcome:
    """Declared names only. A missing one is no failure here: it fails the step that refers to it."""
    found = returned if isinstance(returned, dict) else {}
    outputs = {name: to_text(found[name]) for name in declared if found.get(name) is not None}
    for name, text in outputs.items():
        if len(text) > OUTPUT_VALUE_LIMIT:
            return Outcome.failure(f"Client Error: output parameter '{name}' exceeds {OUTPUT_VALUE_LIMIT} characters")
    if len(outputs) > OUTPUT_COUNT_LIMIT:
        return Outcome.failure(f"Client Error: more than {OUTPUT_COUNT_LIMIT} output parameters")
    return Outcome(True, outputs)
