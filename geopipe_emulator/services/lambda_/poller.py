"""Moves messages from one queue to one function: receives them, invokes the function, deletes what it has processed.

A message that the function does not process stays: the queue shows it again after its visibility timeout. The poller
uses the queue through an SQS client only.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ...protocol.errors import ServiceError
from .concurrency import MAX_ENVIRONMENTS
from .event_filter import passes
from .events import sqs_event, sqs_record
from .invocation import InvocationResult
from .mappings import QueueMapping
from .results import processed_messages

# Of a mapping that sets no MaximumConcurrency: a small machine runs no more functions in a useful way.
MAX_BATCHES_IN_FLIGHT = 4
# The queue responds as soon as it has a message; a longer poll would only last longer after the mapping is deleted.
LONG_POLL_SECONDS = 5
PROBLEM_PAUSE = 0.5
_RECEIVE_LIMIT = 10
_GATHER_PAUSE = 0.02

Message = Mapping[str, Any]


@dataclass(frozen=True)
class PollerContext:
    """The functions and clients of a poller.

    - `mapping` returns the current mapping, or None after its deletion.
    - `sqs` is Lambda's own client, `sqs_as_function` the one with the credentials of the function's role.
    - `duplicate` decides whether a batch is delivered twice: the queue delivers at least once.
    """

    mapping: Callable[[], QueueMapping | None]
    function_ready: Callable[[QueueMapping], bool]
    invoke: Callable[[QueueMapping, bytes], InvocationResult]
    note_result: Callable[[str], None]
    sqs: Callable[[], Any]
    sqs_as_function: Callable[[], Any]
    time_scale: float
    clock: Callable[[], float] = time.monotonic
    duplicate: Callable[[], bool] = lambda: False


class Poller:
    def __init__(self, context: PollerContext) -> None:
        self._context = context
        self._changed = threading.Event()
        self._stopped = threading.Event()
        self._slot_free = threading.Condition()
        self._in_flight = 0
        self._queue_url: str | None = None
        self._thread = threading.Thread(target=self._run, name="mapping-poller", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def notice(self) -> None:
        """Read the mapping again: it has changed."""
        self._changed.set()

    def stop(self) -> None:
        """Take no more messages. Messages that a running request still receives go back to the queue."""
        self._stopped.set()
        self._changed.set()
        with self._slot_free:
            self._slot_free.notify_all()

    def _run(self) -> None:
        while not self._stopped.is_set():
            mapping = self._context.mapping()
            if mapping is None:
                return
            now = self._context.clock()
            if not mapping.delivers(now):
                # Until the change is complete, or as long as the mapping is disabled.
                self._changed.wait(max(mapping.settles_at - now, 0) or None)
                self._changed.clear()
                continue
            self._stopped.wait(self._serve(mapping))

    def _serve(self, mapping: QueueMapping) -> float:
        """Receive and hand over one batch; return the seconds to wait before the next."""
        if not self._context.function_ready(mapping):
            # The messages wait in the queue; no receive is counted.
            self._context.note_result("PROBLEM: Function call failed")
            return PROBLEM_PAUSE
        if not self._take_slot(mapping):
            return 0
        handed_over = False
        try:
            messages = self._receive(mapping)
            current = self._deliverable_mapping()
            if messages and current:
                threading.Thread(target=self._process, args=(current, messages), name="batch", daemon=True).start()
                handed_over = True
            elif messages:
                self._change_visibility(mapping, messages, VisibilityTimeout=0)
        except (ClientError, BotoCoreError) as error:
            self._queue_url = None
            self._context.note_result(f"PROBLEM: {_reason(error)}")
            return PROBLEM_PAUSE
        finally:
            if not handed_over:
                self._free_slot()
        return 0

    def _deliverable_mapping(self) -> QueueMapping | None:
        """Return the current mapping if it still delivers: it, or its function, can change during a long poll."""
        mapping = self._context.mapping()
        if self._stopped.is_set() or mapping is None or not mapping.delivers(self._context.clock()):
            return None
        return mapping if self._context.function_ready(mapping) else None

    # Receiving

    def _receive(self, mapping: QueueMapping) -> list[Message]:
        first = self._request(mapping, mapping.batch_size, LONG_POLL_SECONDS)
        if not first or not mapping.window_seconds:
            return first
        return self._gather(mapping, first)

    def _gather(self, mapping: QueueMapping, messages: list[Message]) -> list[Message]:
        """Add messages to the batch until its window closes."""
        window = mapping.window_seconds * self._context.time_scale
        closes_at = self._context.clock() + window
        while len(messages) < mapping.batch_size and self._context.clock() < closes_at:
            more = self._request(mapping, mapping.batch_size - len(messages), 0)
            messages = messages + more
            if not more:
                self._stopped.wait(max(window / 20, _GATHER_PAUSE))
        return messages

    def _request(self, mapping: QueueMapping, count: int, wait_seconds: int) -> list[Message]:
        response = self._context.sqs_as_function().receive_message(
            QueueUrl=self._url(mapping),
            MaxNumberOfMessages=min(count, _RECEIVE_LIMIT),
            WaitTimeSeconds=wait_seconds,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages: list[Message] = response.get("Messages", [])
        return messages

    def _url(self, mapping: QueueMapping) -> str:
        if self._queue_url is None:
            name = mapping.queue_arn.rsplit(":", 1)[-1]
            self._queue_url = str(self._context.sqs().get_queue_url(QueueName=name)["QueueUrl"])
        return self._queue_url

    # Handing over

    def _process(self, mapping: QueueMapping, messages: list[Message]) -> None:
        remaining = messages
        try:
            messages = self._filtered(mapping, messages)
            if not messages:
                remaining = []
                return
            event = sqs_event(messages, mapping.queue_arn)
            result = self._context.invoke(mapping, event)
            done = processed_messages(
                [message["MessageId"] for message in messages],
                result.result.payload,
                succeeded=result.succeeded,
                reports_failures=mapping.reports_failures,
            )
            self._context.note_result("OK" if result.succeeded else "PROBLEM: Function call failed")
            self._delete(mapping, [message for message in messages if message["MessageId"] in done])
            remaining = [message for message in messages if message["MessageId"] not in done]
            if self._context.duplicate():
                # The result does not matter: the copy of a deleted message is deleted, too.
                self._context.invoke(mapping, event)
        except (ServiceError, ClientError, BotoCoreError) as error:
            self._context.note_result(f"PROBLEM: {_reason(error)}")
        finally:
            # While the function ran, the queue counted the visibility timeout of its messages in real time. Without a
            # timeout, this call says that the function has finished.
            self._change_visibility(mapping, remaining)
            self._free_slot()

    def _filtered(self, mapping: QueueMapping, messages: list[Message]) -> list[Message]:
        """Return the messages that pass the filters, and delete the others from the queue, as Lambda does."""
        passed = [message for message in messages if passes(mapping.filters, sqs_record(message, mapping.queue_arn))]
        self._delete(mapping, [message for message in messages if message not in passed])
        return passed

    def _delete(self, mapping: QueueMapping, messages: list[Message]) -> None:
        for entries in _entries(messages):
            self._context.sqs_as_function().delete_message_batch(QueueUrl=self._url(mapping), Entries=entries)

    def _change_visibility(self, mapping: QueueMapping, messages: list[Message], **visibility: int) -> None:
        # The queue may have been deleted along with the mapping.
        with contextlib.suppress(ClientError, BotoCoreError):
            for entries in _entries(messages, **visibility):
                self._context.sqs().change_message_visibility_batch(QueueUrl=self._url(mapping), Entries=entries)

    # The limit of batches in flight

    def _take_slot(self, mapping: QueueMapping) -> bool:
        limit = min(mapping.max_concurrency or MAX_BATCHES_IN_FLIGHT, MAX_ENVIRONMENTS)
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
