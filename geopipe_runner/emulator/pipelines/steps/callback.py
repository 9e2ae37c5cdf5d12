"""The Callback step: a message with a token goes to a queue, and the step waits until that token is answered.

What AWS answers to an unknown or used token is not documented. Here: ResourceNotFound for one that is unknown, and
ConflictException for one already answered, unless the same ClientRequestToken brings the same answer again.
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

from ...errors import ServiceError
from ...service import Environment
from ..values import flatten
from .base import SESSION, Activity, Outcome, Task

TOKEN_LENGTH = 10
_TOKEN_ALPHABET = string.ascii_letters + string.digits
_LOG = logging.getLogger(__name__)


class CallbackStep:
    name = "Callback"
    stoppable = True

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._waits: dict[str, _Wait] = {}
        self._lock = threading.Lock()

    def check(self, body: Mapping[str, Any], region: str) -> Iterator[str]:
        url = body.get("SqsQueueUrl")
        if not isinstance(url, dict) and not (isinstance(url, str) and url.startswith(("https://", "http://"))):
            yield f"SqsQueueUrl must be the URL of a queue or a reference to one, not {url!r}"

    def open(self, task: Task) -> Activity:
        connect = partial(self._environment.client_as, task.role_arn, SESSION, "sqs", task.region)
        with self._lock:
            token = _new_token()
            while token in self._waits:
                token = _new_token()
            self._waits[token] = wait = _Wait(task, token, connect)
        return wait

    def answer(self, region: str, token: str, outcome: Outcome, request_token: str) -> str:
        """Ends the step that waits for `token`; returns its execution's ARN."""
        with self._lock:
            wait = self._waits.get(token)
        if wait is None or wait.region != region:
            raise ServiceError("ResourceNotFound", f"Callback token {token} does not exist.")
        wait.answer(outcome, request_token)
        return wait.execution_arn

    def execution_of(self, region: str, token: str) -> str:
        """The ARN of the execution that has given out `token`; "" when none has."""
        with self._lock:
            wait = self._waits.get(token)
        return wait.execution_arn if wait is not None and wait.region == region else ""

    def forget(self, execution_arn: str) -> None:
        with self._lock:
            self._waits = {t: wait for t, wait in self._waits.items() if wait.execution_arn != execution_arn}


@dataclass(frozen=True)
class _Answer:
    outcome: Outcome
    request_token: str


class _Wait:
    """One token: who waits for it, what was sent, and how it was answered. No lock is held while sending."""

    def __init__(self, task: Task, token: str, connect: Callable[[], Any]) -> None:
        self.execution_arn = task.execution_arn
        self.region = task.region
        self._task = task
        self._token = token
        self._connect = connect
        self._lock = threading.Lock()
        self._answer: _Answer | None = None
        self._announced = False
        self._stopping = False

    def run(self) -> None:
        url = str(self._task.body["SqsQueueUrl"])
        self._task.publish({"Callback": {"CallbackToken": self._token, "SqsQueueUrl": url}})
        try:
            self._send("Executing")
        except (ClientError, BotoCoreError) as error:
            self._give_up(Outcome.failure(f"Client Error: Failed to send message to SQS queue {url}: {error}"))
            return
        with self._lock:
            self._announced = True
            say_stopping = self._stopping and self._answer is None
        if say_stopping:
            self._send_stopping()

    def stop(self) -> None:
        with self._lock:
            self._stopping = True
            say_stopping = self._announced and self._answer is None
        if say_stopping:
            self._send_stopping()

    def answer(self, outcome: Outcome, request_token: str) -> None:
        """The first answer counts; it may arrive before our own SendMessage has returned."""
        given = _Answer(outcome, request_token)
        with self._lock:
            before, self._answer = self._answer, self._answer or given
        if before is None:
            self._task.finish(outcome)
        elif not request_token or before != given:
            raise ServiceError("ConflictException", f"Callback token {self._token} has already been answered.")

    def _give_up(self, outcome: Outcome) -> None:
        with self._lock:
            answered, self._answer = self._answer, self._answer or _Answer(outcome, "")
        if answered is None:
            self._task.finish(outcome)

    def _send_stopping(self) -> None:
        try:
            self._send("Stopping")
        except (ClientError, BotoCoreError) as error:
            step = self._task.step.name  # never the token: whoever reads it could answer
            _LOG.warning("callback %s of %s cannot be told to stop: %s", step, self.execution_arn, error)

    def _send(self, status: str) -> None:
        body = {
            "token": self._token,
            "pipelineExecutionArn": self.execution_arn,
            "arguments": flatten(self._task.body.get("Arguments", {})),
            "status": status,
        }
        self._connect().send_message(QueueUrl=str(self._task.body["SqsQueueUrl"]), MessageBody=json.dumps(body))


def _new_token() -> str:
    return "".join(secrets.choice(_TOKEN_ALPHABET) for _ in range(TOKEN_LENGTH))
