"""Makes moto's SQS behave as AWS does: attribute checks, repeated creation, and time that can run faster.

moto keeps the queues and messages. This module serializes the calls to one queue (moto has no locks), waits for
messages itself (moto checks only once a second), and applies the time scale to the times at which messages become
visible. The attributes that a client reads are the ones it set.

A function runs in real time at every scale. So the messages that Lambda receives for a function stay hidden for the
real seconds of their visibility timeout until Lambda releases them; only then the time scale applies to them. Otherwise
a message would be delivered again while its function runs, which AWS does not do.
"""

from __future__ import annotations

import heapq
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...clients import INTERNAL_MARK
from ...http.request import Response
from ...settings import Settings
from .attributes import InvalidAttributeError, check_attributes, dead_letter_target, differing
from .deleted_queues import DeletedQueues
from .wire import Parameters, answer, answer_error, attributes_of_aws, read_content, read_parameters

if TYPE_CHECKING:
    from ...gateway.call import Call, Forward

# Seconds added to each wait: a message is visible only after its time, not at it.
_WAKE_MARGIN = 0.001
# Messages of a queue that can be deleted again without an error: the last ones at least.
DELETED_HANDLES = 500


class _QueueGate:
    """Lets threads wait for the messages of one queue.

    All gates share one lock, since a receive can move messages to another queue, the dead-letter queue.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self._condition = threading.Condition(lock)
        self._moments: list[float] = []
        # Receipt handles of the messages that were deleted last.
        self.deleted: deque[str] = deque(maxlen=DELETED_HANDLES)

    def notify(self) -> None:
        self._condition.notify_all()

    def expect(self, moment: float, now: float) -> None:
        """Wake the waiting threads at this monotonic time, when a message becomes visible. The lock is held."""
        self._forget_past(now)
        heapq.heappush(self._moments, moment)
        self.notify()

    def wait(self, until: float, now: float) -> None:
        """Wait until a message may have become visible, or `until`. The lock is held again afterwards."""
        self._forget_past(now)
        moment = min(until, self._moments[0] if self._moments else until)
        self._condition.wait(max(0.0, moment - now) + _WAKE_MARGIN)

    def _forget_past(self, now: float) -> None:
        while self._moments and self._moments[0] <= now:
            heapq.heappop(self._moments)


@dataclass
class _Delivery:
    """A message that a function works on: when it was last hidden, and for how many seconds of the queue's time."""

    receipt_handle: str
    hidden_at: float
    seconds: float


class SqsPatch:
    """The moto patch of SQS."""

    service = "sqs"

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._scale = settings.time_scale
        self._clock = clock
        self._gates: dict[tuple[str, str], _QueueGate] = {}
        self._deleted = DeletedQueues(settings.queue_deleted_seconds, clock)
        # The messages that functions work on, by message id.
        self._deliveries: dict[str, _Delivery] = {}
        self._lock = threading.RLock()
        self._stopped = False

    def handle(self, call: Call, forward: Forward) -> Response:
        # moto answers the older query protocol alone: no current SDK uses it for SQS.
        if not call.request.header("X-Amz-Target"):
            return forward(call)
        parameters = read_parameters(call.request)
        name = parameters.get("QueueName") or str(parameters.get("QueueUrl", "")).rpartition("/")[2]
        try:
            match call.operation:
                case "CreateQueue":
                    with self._lock:
                        return self._create(call, forward, parameters)
                case "ReceiveMessage":
                    return self._receive(call, forward, name, parameters)
                case "SendMessage" | "SendMessageBatch":
                    return self._send(call, forward, name, parameters)
                case "ChangeMessageVisibilityBatch" if _is_release(call, parameters):
                    return self._release(call, name, parameters)
                case "ChangeMessageVisibility" | "ChangeMessageVisibilityBatch":
                    return self._change_visibility(call, forward, name, parameters)
                case "SetQueueAttributes":
                    _check(call, parameters.get("Attributes", {}))
                case "GetQueueAttributes":
                    return self._deleted.describe((call.context.region, name), lambda: attributes_of_aws(forward(call)))
            with self._lock:
                response = forward(call)
                if call.operation == "DeleteQueue" and response.status < 300:
                    self._deleted.note((call.context.region, name))
                if call.operation in ("DeleteMessage", "DeleteMessageBatch"):
                    self._note_deleted(call, name, parameters)
                self._gate(call.context.region, name).notify()
                return response
        except InvalidAttributeError as error:
            return answer_error(error.shape, error.message)

    def stop(self) -> None:
        """End all waits for messages with an empty response."""
        self._stopped = True
        with self._lock:
            for gate in self._gates.values():
                gate.notify()

    def restore(self, account_id: str) -> None:
        """Wake receivers when the hidden messages of restored queues become visible."""
        from moto.sqs.models import sqs_backends

        offset = self._clock() - time.time()
        queues = [(region, q) for region, backend in sqs_backends[account_id].items() for q in backend.queues.values()]
        with self._lock:
            for region, queue in queues:
                for message in queue._messages:
                    shown_at = max(message.visible_at, message.delayed_until) / 1000 + offset
                    self._gate(region, queue.name).expect(shown_at, self._clock())

    def _gate(self, region: str, name: str) -> _QueueGate:
        return self._gates.setdefault((region, name), _QueueGate(self._lock))

    def _create(self, call: Call, forward: Forward, parameters: Parameters) -> Response:
        attributes = parameters.get("Attributes", {})
        _check(call, attributes)
        queue = _backend(call).queues.get(parameters.get("QueueName", ""))
        if queue is None:
            self._deleted.require_free((call.context.region, parameters.get("QueueName", "")))
            return forward(call)
        name = differing(attributes, queue.attributes)
        if name:
            message = f"A queue already exists with the same name and a different value for attribute {name}"
            return answer_error("QueueNameExists", message)
        # Tags of a queue that exists change through TagQueue only; moto would overwrite them.
        call.request.replace_body(json.dumps({"QueueName": parameters["QueueName"]}).encode())
        return forward(call)

    def _receive(self, call: Call, forward: Forward, name: str, parameters: Parameters) -> Response:
        queue = _backend(call).queues.get(name)
        if queue is None:
            return forward(call)
        wait = parameters.get("WaitTimeSeconds", queue.receive_message_wait_time_seconds)
        if not isinstance(wait, int) or not 0 <= wait <= 20:
            return forward(call)
        deadline = self._clock() + wait
        body = json.dumps(parameters | {"WaitTimeSeconds": 0}).encode()
        visibility = parameters.get("VisibilityTimeout", queue.visibility_timeout)
        with self._lock:
            gate = self._gate(call.context.region, name)
            while True:
                call.request.replace_body(body)
                response = forward(call)
                if queue.dead_letter_queue is not None:
                    self._gate(call.context.region, queue.dead_letter_queue.name).notify()
                messages = read_content(response).get("Messages", [])
                now = self._clock()
                if messages or response.status >= 300 or now >= deadline or self._stopped:
                    break
                gate.wait(deadline, now)
            handles = {message["ReceiptHandle"] for message in messages}
            if visibility and handles:
                received = [message for message in queue._messages if message.receipt_handle in handles]
                for message in received:
                    self._deliveries.pop(message.id, None)
                    if _is_internal(call):
                        self._deliveries[message.id] = _Delivery(message.receipt_handle, now, visibility)
                self._hide(gate, received, visibility)
        return response

    def _send(self, call: Call, forward: Forward, name: str, parameters: Parameters) -> Response:
        with self._lock:
            gate = self._gate(call.context.region, name)
            response = forward(call)
            queue = _backend(call).queues.get(name)
            if queue is None or response.status >= 300:
                return response
            content = read_content(response)
            sent = content.get("Successful", [content])
            entries = {entry["Id"]: entry for entry in parameters.get("Entries", [])}
            for result in sent:
                entry = entries.get(result.get("Id"), parameters)
                self._delay(gate, queue, result["MessageId"], entry.get("DelaySeconds", queue.delay_seconds))
            gate.notify()
            return response

    def _delay(self, gate: _QueueGate, queue: Any, message_id: str, seconds: float) -> None:
        if not seconds:
            return
        scaled = seconds * self._scale
        for message in queue._messages:
            if message.id == message_id:
                message.delayed_until = time.time() * 1000 + scaled * 1000
        gate.expect(self._clock() + scaled, self._clock())

    def _change_visibility(self, call: Call, forward: Forward, name: str, parameters: Parameters) -> Response:
        with self._lock:
            gate = self._gate(call.context.region, name)
            response = forward(call)
            queue = _backend(call).queues.get(name)
            if queue is None or response.status >= 300:
                return response
            done = {entry["Id"] for entry in read_content(response).get("Successful", [])}
            changes = [entry for entry in parameters.get("Entries", []) if entry["Id"] in done] or [parameters]
            for change in changes:
                handle = change.get("ReceiptHandle", "")
                chosen = [message for message in queue._messages if message.had_receipt_handle(handle)]
                self._hide(gate, chosen, change.get("VisibilityTimeout", 0))
            return response

    def _hide(self, gate: _QueueGate, messages: list[Any], seconds: float) -> None:
        """Hide messages for `seconds` of the queue's time: real seconds at least while a function works on them."""
        now = self._clock()
        for message in messages:
            delivery = self._deliveries.get(message.id)
            if delivery is not None:
                delivery.hidden_at, delivery.seconds = now, seconds
            self._show_after(gate, message, seconds * (max(1.0, self._scale) if delivery else self._scale))

    def _release(self, call: Call, name: str, parameters: Parameters) -> Response:
        """Apply the time scale to messages that a function has finished without success."""
        handles = {entry["ReceiptHandle"] for entry in parameters["Entries"]}
        with self._lock:
            gate = self._gate(call.context.region, name)
            queue = _backend(call).queues.get(name)
            for message in queue._messages if queue else ():
                delivery = self._deliveries.get(message.id)
                # Under another handle, it was delivered again since.
                if delivery is not None and delivery.receipt_handle in handles:
                    shown_at = delivery.hidden_at + delivery.seconds * self._scale
                    self._show_after(gate, message, max(0.0, shown_at - self._clock()))
            self._forget_deliveries(handles)
        return answer({"Successful": [{"Id": entry["Id"]} for entry in parameters["Entries"]]})

    def _show_after(self, gate: _QueueGate, message: Any, seconds: float) -> None:
        """Set the time itself, since moto counts whole seconds only."""
        message.visible_at = time.time() * 1000 + seconds * 1000
        gate.expect(self._clock() + seconds, self._clock())

    def _note_deleted(self, call: Call, name: str, parameters: Parameters) -> None:
        """Let moto forget the handles of messages that were deleted long ago: it notes all of them for good."""
        handles = {entry.get("ReceiptHandle", "") for entry in parameters.get("Entries", [parameters])}
        self._forget_deliveries(handles)
        queue = _backend(call).queues.get(name)
        if queue is None:
            return
        last = self._gate(call.context.region, name).deleted
        last.extend(handle for handle in handles if handle in queue.deleted_messages)
        # Of those that a state folder had, the order is not known: they stay until there are enough later ones.
        if len(queue.deleted_messages) > 2 * DELETED_HANDLES and len(last) == DELETED_HANDLES:
            queue.deleted_messages = set(last)

    def _forget_deliveries(self, handles: set[str]) -> None:
        self._deliveries = {id_: d for id_, d in self._deliveries.items() if d.receipt_handle not in handles}


def _check(call: Call, attributes: Parameters) -> None:
    check_attributes(attributes)
    target = dead_letter_target(attributes)
    if target and target.rpartition(":")[2] not in _backend(call).queues:
        raise InvalidAttributeError(
            "InvalidParameterValue",
            f"Value {attributes['RedrivePolicy']} for parameter RedrivePolicy is invalid. "
            "Reason: Dead letter target does not exist.",
        )


def _is_internal(call: Call) -> bool:
    """Whether Lambda receives for a function: no other service of the emulator reads queues."""
    return INTERNAL_MARK in call.request.header("User-Agent")


def _is_release(call: Call, parameters: Parameters) -> bool:
    """Whether Lambda says that a function has finished: it sends the messages without a visibility timeout."""
    entries = parameters.get("Entries", [])
    return _is_internal(call) and bool(entries) and not any("VisibilityTimeout" in entry for entry in entries)


def _backend(call: Call) -> Any:
    from moto.sqs.models import sqs_backends

    return sqs_backends[call.context.account_id][call.context.region]
