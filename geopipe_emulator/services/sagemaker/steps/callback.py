"""The Callback step: sends a message with a token to a queue, then waits until that token is answered.

AWS does not document its response to an unknown or used token. Here an unknown token gives ResourceNotFound. A token
that was answered before gives ConflictException, unless the same ClientRequestToken repeats the same answer.
"""

from __future__ import annotations

import json
import logging
import secrets
import string
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ....protocol.errors import ServiceError
from ....service import Environment, Handler, RequestContext
from ..values import flatten
from .base import SESSION, Activity, StepResult, StepType, Task

TOKEN_LENGTH = 10
_TOKEN_ALPHABET = string.ascii_letters + string.digits
_LOG = logging.getLogger(__name__)


class CallbackStep(StepType):
    name = "Callback"
    is_stoppable = True

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._waiting: dict[str, _CallbackActivity] = {}
        self._lock = threading.Lock()

    def check(self, body: Mapping[str, Any], region: str) -> Iterator[str]:
        url = body.get("SqsQueueUrl")
        if not isinstance(url, dict) and not (isinstance(url, str) and url.startswith(("https://", "http://"))):
            yield f"SqsQueueUrl must be the URL of a queue or a reference to one, not {url!r}"

    def open(self, task: Task) -> Activity:
        connect = partial(self._environment.client_as, task.role_arn, SESSION, "sqs", task.region)
        with self._lock:
            token = _new_token()
            while token in self._waiting:
                token = _new_token()
            self._waiting[token] = activity = _CallbackActivity(task, token, connect)
        return activity

    def forget(self, execution_arn: str) -> None:
        with self._lock:
            self._waiting = {t: a for t, a in self._waiting.items() if a.execution_arn != execution_arn}

    def handlers(self) -> Mapping[str, Handler]:
        return {
            "SendPipelineExecutionStepSuccess": self.send_success,
            "SendPipelineExecutionStepFailure": self.send_failure,
        }

    def send_success(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        outputs = {output["Name"]: output["Value"] for output in request.get("OutputParameters", [])}
        return self._answer(request, context, StepResult(True, outputs))

    def send_failure(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        return self._answer(request, context, StepResult.failure(request.get("FailureReason", "")))

    def resource_of(self, operation: str, parameters: Mapping[str, Any], context: RequestContext) -> str | None:
        """Return the ARN of the execution that sent the token: nothing else in the call names it."""
        if operation not in self.handlers():
            return None
        activity = self._find(context.region, parameters["CallbackToken"])
        return activity.execution_arn if activity else ""

    def _answer(self, request: Mapping[str, Any], context: RequestContext, result: StepResult) -> dict[str, Any]:
        token = request["CallbackToken"]
        activity = self._find(context.region, token)
        if activity is None:
            raise ServiceError("ResourceNotFound", f"Callback token {token} does not exist.")
        activity.answer(_CallbackAnswer(result, request.get("ClientRequestToken", "")))
        return {"PipelineExecutionArn": activity.execution_arn}

    def _find(self, region: str, token: str) -> _CallbackActivity | None:
        with self._lock:
            activity = self._waiting.get(token)
        return activity if activity is not None and activity.region == region else None


@dataclass(frozen=True)
class _CallbackAnswer:
    result: StepResult
    request_token: str = ""


class _CallbackActivity:
    """One token: the step that waits for it, what was sent, and how it was answered. Sends without holding the lock.

    The token is known for as long as its execution is, so the answered activity keeps nothing of the running step.
    """

    def __init__(self, task: Task, token: str, connect: Callable[[], Any]) -> None:
        self.execution_arn = task.execution_arn
        self.region = task.region
        self._step = task.step.name
        self._url = str(task.body["SqsQueueUrl"])
        self._arguments = flatten(task.body.get("Arguments", {}))
        self._publish, self._finish = task.publish, task.finish
        self._token = token
        self._connect = connect
        self._lock = threading.Lock()
        self._answer: _CallbackAnswer | None = None
        self._sent = False
        self._stopping = False

    def run(self) -> None:
        self._publish({CallbackStep.name: {"CallbackToken": self._token, "SqsQueueUrl": self._url}})
        try:
            self._send("Executing")
        except (ClientError, BotoCoreError) as error:
            reason = f"Client Error: Failed to send message to SQS queue {self._url}: {error}"
            self._finish_once(_CallbackAnswer(StepResult.failure(reason)))
            return
        with self._lock:
            self._sent = True
            must_say_stopping = self._stopping and self._answer is None
        if must_say_stopping:
            self._send_stopping()

    def stop(self) -> None:
        with self._lock:
            self._stopping = True
            must_say_stopping = self._sent and self._answer is None
        if must_say_stopping:
            self._send_stopping()

    def answer(self, answer: _CallbackAnswer) -> None:
        """Finish the step with the first answer, which may arrive before our own SendMessage has returned."""
        earlier = self._finish_once(answer)
        if earlier is not None and (not answer.request_token or earlier != answer):
            raise ServiceError("ConflictException", f"Callback token {self._token} has already been answered.")

    def _finish_once(self, answer: _CallbackAnswer) -> _CallbackAnswer | None:
        """Finish the step unless it was answered before; return that earlier answer."""
        with self._lock:
            earlier, self._answer = self._answer, self._answer or answer
        if earlier is None:
            self._finish(answer.result)
            self._publish = self._finish = _do_nothing
        return earlier

    def _send_stopping(self) -> None:
        try:
            self._send("Stopping")
        except (ClientError, BotoCoreError) as error:
            # Never the token: any reader of the log could answer it.
            where = (self._step, self.execution_arn, error)
            _LOG.warning("the Stopping message of callback %s of %s was not sent: %s", *where)

    def _send(self, status: str) -> None:
        body = {
            "token": self._token,
            "pipelineExecutionArn": self.execution_arn,
            "arguments": self._arguments,
            "status": status,
        }
        self._connect().send_message(QueueUrl=self._url, MessageBody=json.dumps(body))


def _do_nothing(_: Any) -> None:
    """Stand in for a step that no longer runs."""


def _new_token() -> str:
    return "".join(secrets.choice(_TOKEN_ALPHABET) for _ in range(TOKEN_LENGTH))
