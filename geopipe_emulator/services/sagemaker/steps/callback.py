"""The Callback step: sends a message with a token to a queue, then waits until that token is answered.

AWS does not document its response to an unknown or used token. Here an unknown token gives ResourceNotFound. A token
that was answered before gives ConflictException, unless the same ClientRequestToken repeats the same answer.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import string
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ....protocol.errors import ServiceError
from ....service import Environment, Handler, RequestContext
from ....state.records import RecordTable
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
        self._tokens: RecordTable[str, _CallbackToken] = environment.tables.open(
            "callback token", _CallbackToken, _CallbackAnswer, StepResult, restore=_with_digest
        )
        # Those of tokens that are not answered, or whose step has not got the answer yet.
        self._waiting: dict[str, _CallbackActivity] = {}
        self._lock = threading.Lock()

    def check(self, body: Mapping[str, Any], region: str) -> Iterator[str]:
        url = body.get("SqsQueueUrl")
        if not isinstance(url, dict) and not (isinstance(url, str) and url.startswith(("https://", "http://"))):
            yield f"SqsQueueUrl must be the URL of a queue or a reference to one, not {url!r}"

    def open(self, task: Task) -> Activity:
        with self._lock:
            token = _new_token()
            while token in self._tokens:
                token = _new_token()
            self._tokens[token] = _CallbackToken(token, task.execution_arn, task.region)
            activity = self._activity(token)
            assert activity is not None
        activity.open(task, self._connect(task))
        return activity

    def resume(self, task: Task, metadata: Mapping[str, Any]) -> Activity | None:
        with self._lock:
            activity = self._activity(metadata.get(self.name, {}).get("CallbackToken", ""))
        if activity is not None:
            activity.open(task, self._connect(task))
        return activity

    def _activity(self, token: str) -> _CallbackActivity | None:
        """Return what waits for an answer to the token; for an answered one, what knows its answer."""
        known = self._tokens.get(token)
        if known is None or token in self._waiting:
            return self._waiting.get(token)
        activity = _CallbackActivity(known, self._keep, self._settle)
        if known.answer is None:
            self._waiting[token] = activity
        return activity

    def _connect(self, task: Task) -> Callable[[], Any]:
        return partial(self._environment.client_as, task.role_arn, SESSION, "sqs", task.region)

    def _keep(self, known: _CallbackToken) -> None:
        with self._lock:
            # The history of the execution may have been deleted.
            if known.token in self._tokens:
                self._tokens[known.token] = known

    def _settle(self, known: _CallbackToken) -> None:
        """Keep less of a token whose step has ended. What the file says of it is as good."""
        with self._lock:
            self._waiting.pop(known.token, None)
            if known.token in self._tokens:
                self._tokens.load(known.token, known)

    def forget(self, execution_arns: Collection[str]) -> None:
        with self._lock:
            forgotten = [token for token, known in self._tokens.items() if known.execution_arn in execution_arns]
            for token in forgotten:
                del self._tokens[token]
                self._waiting.pop(token, None)

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
        activity.answer(_CallbackAnswer.of(result, request.get("ClientRequestToken", "")))
        return {"PipelineExecutionArn": activity.execution_arn}

    def _find(self, region: str, token: str) -> _CallbackActivity | None:
        with self._lock:
            activity = self._activity(token)
        return activity if activity is not None and activity.region == region else None


@dataclass(frozen=True, slots=True)
class _CallbackAnswer:
    """An answer; equal ones have the same digest. The result is needed until the step has got it."""

    result: StepResult | None
    request_token: str = ""
    digest: str = ""

    @classmethod
    def of(cls, result: StepResult, request_token: str = "") -> _CallbackAnswer:
        text = json.dumps([result.succeeded, dict(result.outputs), result.reason, request_token], sort_keys=True)
        return cls(result, request_token, hashlib.blake2b(text.encode(), digest_size=16).hexdigest())


@dataclass(frozen=True, slots=True)
class _CallbackToken:
    """One token: which of its messages were sent, and how it was answered."""

    token: str
    execution_arn: str
    region: str
    sent: bool = False
    stopping_sent: bool = False
    answer: _CallbackAnswer | None = None


def _with_digest(known: _CallbackToken) -> _CallbackToken:
    """Return the token with the digest of its answer, which an older state folder lacks."""
    answer = known.answer
    if answer is None or answer.digest or answer.result is None:
        return known
    return replace(known, answer=_CallbackAnswer.of(answer.result, answer.request_token))


class _CallbackActivity:
    """A token and the step that waits for it. Sends without holding the lock.

    The token of an earlier process has no task before its step is resumed. Answers are taken from the first moment.
    """

    def __init__(
        self,
        known: _CallbackToken,
        keep: Callable[[_CallbackToken], None],
        settle: Callable[[_CallbackToken], None],
    ) -> None:
        self.execution_arn = known.execution_arn
        self.region = known.region
        self._known = known
        self._keep = keep
        self._settle = settle
        self._task: Task | None = None
        self._connect: Callable[[], Any] = lambda: None
        self._lock = threading.RLock()
        self._stopping = False

    def open(self, task: Task, connect: Callable[[], Any]) -> None:
        with self._lock:
            self._task, self._connect = task, connect

    def run(self) -> None:
        with self._lock:
            task, answer, was_sent = self._task, self._known.answer, self._known.sent
        if task is None:
            # The answer came after the step was resumed, and before this: it has ended the step.
            return
        url = str(task.body["SqsQueueUrl"])
        if not was_sent:
            task.publish({CallbackStep.name: {"CallbackToken": self._known.token, "SqsQueueUrl": url}})
        if answer is not None:
            # It came before the step was resumed, or just before the end of the earlier process.
            self._finish(task, answer)
            return
        try:
            if not was_sent:
                self._send(task, "Executing")
                self._change(sent=True)
        except (ClientError, BotoCoreError) as error:
            reason = f"Client Error: Failed to send message to SQS queue {url}: {error}"
            self._finish_once(_CallbackAnswer.of(StepResult.failure(reason)))
            return
        self._send_stopping()

    def stop(self) -> None:
        with self._lock:
            self._stopping = True
        self._send_stopping()

    def _change(self, **changes: Any) -> None:
        with self._lock:
            self._known = replace(self._known, **changes)
            self._keep(self._known)

    def answer(self, answer: _CallbackAnswer) -> None:
        """Finish the step with the first answer, which may arrive before our own SendMessage has returned."""
        earlier = self._finish_once(answer)
        if earlier is not None and (not answer.request_token or earlier.digest != answer.digest):
            raise ServiceError("ConflictException", f"Callback token {self._known.token} has already been answered.")

    def _finish_once(self, answer: _CallbackAnswer) -> _CallbackAnswer | None:
        """Finish the step unless it was answered before; return that earlier answer."""
        with self._lock:
            earlier, task = self._known.answer, self._task
            if earlier is None:
                self._change(answer=answer)
            # The token is known for as long as its execution is; nothing of the answered step has to be.
            self._task = None
        if earlier is None and task is not None:
            self._finish(task, answer)
        return earlier

    def _finish(self, task: Task, answer: _CallbackAnswer) -> None:
        """End the step. From then on, the answer is only compared with later ones."""
        if answer.result is not None:
            task.finish(answer.result)
        with self._lock:
            self._known = replace(self._known, answer=replace(answer, result=None))
            self._settle(self._known)

    def _send_stopping(self) -> None:
        """Send the second message, once, if the execution stops and the first one was sent."""
        with self._lock:
            known, task = self._known, self._task
            if task is None or not self._stopping or not known.sent or known.stopping_sent or known.answer is not None:
                return
            # Set before the message is sent: `run` and `stop` may both be here.
            self._known = replace(known, stopping_sent=True)
        try:
            self._send(task, "Stopping")
            self._change()
        except (ClientError, BotoCoreError) as error:
            # Never the token: any reader of the log could answer it.
            where = (task.step.name, self.execution_arn, error)
            _LOG.warning("the Stopping message of callback %s of %s was not sent: %s", *where)

    def _send(self, task: Task, status: str) -> None:
        body = {
            "token": self._known.token,
            "pipelineExecutionArn": self.execution_arn,
            "arguments": flatten(task.body.get("Arguments", {})),
            "status": status,
        }
        url = str(task.body["SqsQueueUrl"])
        self._connect().send_message(QueueUrl=url, MessageBody=json.dumps(body))


def _new_token() -> str:
    return "".join(secrets.choice(_TOKEN_ALPHABET) for _ in range(TOKEN_LENGTH))
