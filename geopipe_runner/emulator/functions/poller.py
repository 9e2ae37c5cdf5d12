"""Moves messages from one queue to one function: receive, invoke, delete what is done with.

What the function does not finish is left alone: the queue shows it again when its visibility timeout ends.
Everything goes through an SQS client; nothing here knows how the queue is made.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..errors import ServiceError
from .events import sqs_event
from .invocation import Outcome
from .mappings import EventSourceMapping
from .results import handled

MAX_BATCHES_IN_FLIGHT = 4
LONG_POLL_SECONDS = 5
"""The queue answers as soon as a message shows; longer polls would only hold on longer after a mapping has gone."""
PROBLEM_PAUSE = 0.5
_RECEIVE_LIMIT = 10
_GATHER_PAUSE = 0.02

Message = Mapping[str, Any]


@dataclass(frozen=True)
class Surroundings:
    """What a poller works with."""

    mapping: Callable[[], EventSourceMapping | None]
    """The mapping as it is now; None once it is gone."""
    function_ready: Callable[[EventSourceMapping], bool]
    invoke: Callable[[EventSourceMapping, bytes], Outcome]
    note_result: Callable[[str], None]
    sqs: Callable[[], Any]
    """Lambda's own."""
    sqs_as_function: Callable[[], Any]
    """With the credentials of the function's role."""
    time_scale: float
    clock: Callable[[], float] = time.monotonic
    duplicate: Callable[[], bool] = lambda: False
    """Whether the queue, which delivers at least once, delivers this batch once more."""


class Poller:
    def __init__(self, surroundings: Surroundings) -> None:
        self._with = surroundings
        self._changed = threading.Event()
        self._stopped = threading.Event()
        self._slot_free = threading.Condition()
        self._in_flight = 0
        self._queue_url: str | None = None
        self._thread = threading.Thread(target=self._run, name="mapping-poller", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def notice(self) -> None:
        """The mapping has changed."""
        self._changed.set()

    def stop(self) -> None:
        """Take no more messages. A request under way is not waited for: what it still brings is put back."""
        self._stopped.set()
        self._changed.set()
        with self._slot_free:
            self._slot_free.notify_all()

    def _run(self) -> None:
        while not self._stopped.is_set():
            mapping = self._with.mapping()
            if mapping is None:
                return
            now = self._with.clock()
            if not mapping.delivers(now):
                # Until it settles, or for as long as it stays disabled.
                self._changed.wait(max(mapping.settles_at - now, 0) or None)
                self._changed.clear()
                continue
            self._stopped.wait(self._serve(mapping))

    def _serve(self, mapping: EventSourceMapping) -> float:
        """One round; returns how long to pause before the next."""
        if not self._with.function_ready(mapping):
            # Not received, not counted: the messages wait in the queue as they are.
            self._with.note_result("PROBLEM: Function call failed")
            return PROBLEM_PAUSE
        if not self._take_slot(mapping):
            return 0
        handed_over = False
        try:
            messages = self._receive(mapping)
            now = self._still_wanted()
            if messages and now:
                threading.Thread(target=self._process, args=(now, messages), name="batch", daemon=True).start()
                handed_over = True
            elif messages:
                self._put_back(messages)
        except (ClientError, BotoCoreError) as error:
            self._queue_url = None
            self._with.note_result(f"PROBLEM: {_reason(error)}")
            return PROBLEM_PAUSE
        finally:
            if not handed_over:
                self._free_slot()
        return 0

    def _still_wanted(self) -> EventSourceMapping | None:
        """The mapping as it is now: a long poll may end after it was changed, disabled or deleted, or its function."""
        mapping = self._with.mapping()
        if self._stopped.is_set() or mapping is None or not mapping.delivers(self._with.clock()):
            return None
        return mapping if self._with.function_ready(mapping) else None

    # Receiving

    def _receive(self, mapping: EventSourceMapping) -> list[Message]:
        first = self._request(mapping.batch_size, LONG_POLL_SECONDS)
        if not first or not mapping.window_seconds:
            return first
        return self._gather(mapping, first)

    def _gather(self, mapping: EventSourceMapping, messages: list[Message]) -> list[Message]:
        """Fill the batch until its window closes."""
        window = mapping.window_seconds * self._with.time_scale
        closes_at = self._with.clock() + window
        while len(messages) < mapping.batch_size and self._with.clock() < closes_at:
            more = self._request(mapping.batch_size - len(messages), 0)
            messages = messages + more
            if not more:
                self._stopped.wait(max(window / 20, _GATHER_PAUSE))
        return messages

    def _request(self, wanted: int, wait_seconds: int) -> list[Message]:
        answer = self._with.sqs_as_function().receive_message(
            QueueUrl=self._url(),
            MaxNumberOfMessages=min(wanted, _RECEIVE_LIMIT),
            WaitTimeSeconds=wait_seconds,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages: list[Message] = answer.get("Messages", [])
        return messages

    def _url(self) -> str:
        if self._queue_url is None:
            mapping = self._with.mapping()
            name = mapping.queue_arn.rsplit(":", 1)[-1] if mapping else ""
            self._queue_url = str(self._with.sqs().get_queue_url(QueueName=name)["QueueUrl"])
        return self._queue_url

    # Handing over

    def _process(self, mapping: EventSourceMapping, messages: list[Message]) -> None:
        try:
            event = sqs_event(messages, mapping.queue_arn)
            outcome = self._with.invoke(mapping, event)
            done = handled(
                [message["MessageId"] for message in messages],
                outcome.result.payload,
                succeeded=outcome.succeeded,
                reports_failures=mapping.reports_failures,
            )
            self._with.note_result("OK" if outcome.succeeded else "PROBLEM: Function call failed")
            self._delete([message for message in messages if message["MessageId"] in done])
            if self._with.duplicate():
                # Whatever comes of it: a copy that reappears after its message was deleted is gone with it.
                self._with.invoke(mapping, event)
        except (ServiceError, ClientError, BotoCoreError) as error:
            self._with.note_result(f"PROBLEM: {_reason(error)}")
        finally:
            self._free_slot()

    def _delete(self, messages: list[Message]) -> None:
        for entries in _entries(messages):
            self._with.sqs_as_function().delete_message_batch(QueueUrl=self._url(), Entries=entries)

    def _put_back(self, messages: list[Message]) -> None:
        # The queue may have been deleted along with the mapping.
        with contextlib.suppress(ClientError, BotoCoreError):
            for entries in _entries(messages, VisibilityTimeout=0):
                self._with.sqs().change_message_visibility_batch(QueueUrl=self._url(), Entries=entries)

    # How many batches at once

    def _take_slot(self, mapping: EventSourceMapping) -> bool:
        limit = min(mapping.max_concurrency or MAX_BATCHES_IN_FLIGHT, MAX_BATCHES_IN_FLIGHT)
        if mapping.queue_arn.endswith(".fifo"):
            limit = 1
        with self._slot_free:
            self._slot_free.wait_for(lambda: self._in_flight < limit or self._stopped.is_set())
            if self._stopped.is_set():
                return False
            self._in_flight += 1
            return True

    def _free_slot(self) -> None:
        with self._slot_free:
            self._in_flight -= 1
            self._slot_free.notify_all()


def _entries(messages: list[Message], **more: Any) -> Iterable[list[dict[str, Any]]]:
    for start in range(0, len(messages), _RECEIVE_LIMIT):
        batch = messages[start : start + _RECEIVE_LIMIT]
        yield [
            {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"], **more} for index, message in enumerate(batch)
        ]


def _reason(error: Exception) -> str:
    if isinstance(error, ClientError):
        return str(error.response["Error"]["Message"])
    return error.message if isinstance(error, ServiceError) else str(error)
