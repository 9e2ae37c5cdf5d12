"""SQS as AWS answers it, where moto does not: attribute checks, repeated creation, and time that can run faster.

moto keeps the queues and messages. This module serialises what happens to one queue (moto locks nothing), waits for
messages in its place (moto looks only once a second), and moves the moments at which messages become visible by the
time scale. The attributes a client reads back stay those it set.
"""

from __future__ import annotations

import heapq
import json
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .deleted_queues import DeletedQueues
from .queue_attributes import InvalidAttributeError, check_attributes, dead_letter_target, differing
from .queue_wire import Parameters, answer_error, read_content, read_parameters, whole_timestamps
from .settings import Settings
from .web import Response

if TYPE_CHECKING:
    from .gateway import Call, Forward

_WAKE_MARGIN = 0.001
"""Seconds after the moment itself, since a message is visible only past it."""


class _QueueGate:
    """Who waits for one queue's messages. All gates share one lock: a receive may fill another, dead-letter queue."""

    def __init__(self, lock: threading.RLock) -> None:
        self._condition = threading.Condition(lock)
        self._moments: list[float] = []

    def notify(self) -> None:
        self._condition.notify_all()

    def expect(self, moment: float, now: float) -> None:
        """A message becomes visible at this (monotonic) moment."""
        self._forget_past(now)
        heapq.heappush(self._moments, moment)
        self.notify()

    def wait(self, until: float, now: float) -> None:
        """Until something may have become visible, or `until`. The lock is held again afterwards."""
        self._forget_past(now)
        moment = min(until, self._moments[0] if self._moments else until)
        self._condition.wait(max(0.0, moment - now) + _WAKE_MARGIN)

    def _forget_past(self, now: float) -> None:
        while self._moments and self._moments[0] <= now:
            heapq.heappop(self._moments)


class Queues:
    """The amendment of SQS."""

    service = "sqs"

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._scale = settings.time_scale
        self._clock = clock
        self._gates: dict[tuple[str, str], _QueueGate] = {}
        self._deleted = DeletedQueues(settings.queue_deleted_seconds, clock)
        self._lock = threading.RLock()
        self._stopped = False

    def handle(self, call: Call, forward: Forward) -> Response:
        # The older query protocol is passed on as it is: no current SDK speaks it to SQS.
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
                case "ChangeMessageVisibility" | "ChangeMessageVisibilityBatch":
                    return self._change_visibility(call, forward, name, parameters)
                case "SetQueueAttributes":
                    _check(call, parameters.get("Attributes", {}))
                case "GetQueueAttributes":
                    return self._deleted.describe((call.context.region, name), lambda: whole_timestamps(forward(call)))
            with self._lock:
                response = forward(call)
                if call.operation == "DeleteQueue" and response.status < 300:
                    self._deleted.note((call.context.region, name))
                self._gate(call.context.region, name).notify()
                return response
        except InvalidAttributeError as fault:
            return answer_error(fault.shape, fault.message)

    def stop(self) -> None:
        """Whoever waits for messages gets an empty answer now."""
        self._stopped = True
        with self._lock:
            for gate in self._gates.values():
                gate.notify()

    def _gate(self, region: str, name: str) -> _QueueGate:
        return self._gates.setdefault((region, name), _QueueGate(self._lock))

    def _create(self, call: Call, forward: Forward, parameters: Parameters) -> Response:
        given = parameters.get("Attributes", {})
        _check(call, given)
        queue = _backend(call).queues.get(parameters.get("QueueName", ""))
        if queue is None:
            self._deleted.require_free((call.context.region, parameters.get("QueueName", "")))
            return forward(call)
        name = differing(given, queue.attributes)
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
        """Invisible for `seconds` of the queue's time. moto itself can only count whole seconds."""
        scaled = seconds * self._scale
        for message in messages:
            message.visible_at = time.time() * 1000 + scaled * 1000
        gate.expect(self._clock() + scaled, self._clock())


def _check(call: Call, attributes: Parameters) -> None:
    check_attributes(attributes)
    target = dead_letter_target(attributes)
    if target and target.rpartition(":")[2] not in _backend(call).queues:
        raise InvalidAttributeError(
            "InvalidParameterValue",
            f"Value {attributes['RedrivePolicy']} for parameter RedrivePolicy is invalid. "
            "Reason: Dead letter target does not exist.",
        )


def _backend(call: Call) -> Any:
    from moto.sqs.models import sqs_backends

    return sqs_backends[call.context.account_id][call.context.region]
