"""Asynchronous invocations: Lambda's retries, and the records that it sends to destinations at the end."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ...messages import warn
from ...protocol.errors import ServiceError
from ...service import Environment
from ...state.records import RecordTable
from .aliases import AliasStore
from .event_invoke_config import EventInvokeConfig
from .invocation import InvocationResult, RuntimeResult
from .invoker import Invoker
from .names import LATEST, FunctionKey, FunctionName, session_name
from .qualified import QualifiedStore
from .store import FunctionRecord

# Seconds before the first and the second retry of an invocation that fails.
RETRY_DELAYS = (60.0, 120.0)
# Seconds before Lambda tries a throttled invocation again: from the first to the last, doubled each time.
THROTTLE_DELAYS = (1.0, 300.0)
# Seconds, at every time scale.
_SHORTEST_WAIT = 0.01
MAX_AGE_SECONDS = 6 * 3600


@dataclass
class _Event:
    """One asynchronous invocation. All its attempts have the same request id.

    `age` counts waits in AWS's seconds, and attempts in real seconds, since functions run in real time.
    """

    name: FunctionName
    arn: str
    payload: bytes
    client_context: str | None
    request_id: str
    age: float = 0
    attempts: int = 0
    throttled: int = 0
    result: InvocationResult | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


class EventInvoker:
    def __init__(
        self,
        environment: Environment,
        aliases: AliasStore,
        configs: QualifiedStore[EventInvokeConfig],
        invoker: Invoker,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._environment = environment
        self._aliases = aliases
        self._configs = configs
        self._invoker = invoker
        self._clock = clock
        self._stopped = threading.Event()
        # The invocations that have not ended.
        self._events: RecordTable[str, _Event] = environment.tables.open(
            "lambda event", *(_Event, FunctionName, FunctionKey, InvocationResult, RuntimeResult)
        )

    def start(self) -> None:
        """Continue with the invocations that a state folder has."""
        for event in list(self._events.values()):
            self._start(event)

    def stop(self) -> None:
        self._stopped.set()

    def invoke_later(
        self, name: FunctionName, arn: str, payload: bytes, client_context: str | None, request_id: str
    ) -> None:
        """Run it in the background. The log shows the result, and the destinations get it."""
        self._invoker.require_runnable(name, arn)
        event = _Event(name, arn, payload, client_context, request_id or str(uuid.uuid4()))
        self._events[event.id] = event
        self._start(event)

    def _start(self, event: _Event) -> None:
        threading.Thread(target=self._run, args=(event,), name="event-invoke", daemon=True).start()

    def _run(self, event: _Event) -> None:
        condition = ""
        while not condition:
            delay = self._attempt(event)
            self._events.save(event.id)
            config = self._configs.get(event.name) or EventInvokeConfig("", 0)
            max_age = MAX_AGE_SECONDS if config.max_age_seconds is None else config.max_age_seconds
            retries = len(RETRY_DELAYS) if config.retries is None else config.retries
            if delay is None:
                condition = "Success"
            elif event.attempts > retries:
                condition = "RetriesExhausted"
            elif event.age + delay > max_age:
                condition = "EventAgeExceeded"
            elif self._stopped.wait(max(delay * self._environment.settings.time_scale, _SHORTEST_WAIT)):
                return
            else:
                event.age += delay
        self._send_record(event, config, condition)
        if condition != "Success":
            self._send_dead_letter(event)
        del self._events[event.id]

    def _attempt(self, event: _Event) -> float | None:
        """Invoke once; return None after a success, else AWS's seconds to wait before the next attempt."""
        started_at = self._clock()
        try:
            event.result = self._invoker.invoke(
                event.name, event.arn, event.payload, event.client_context, event.request_id
            )
        except ServiceError as error:
            if error.status == 429:
                first, last = THROTTLE_DELAYS
                event.throttled += 1
                return min(first * 2.0 ** (event.throttled - 1), last)
            # At the end of the emulator, what a state folder has of the invocation stays as it is.
            if not self._stopped.is_set():
                warn(f"an asynchronous invocation of {event.arn} failed: {error}")
        finally:
            event.age += self._clock() - started_at
        event.attempts += 1
        if event.result is not None and event.result.succeeded:
            return None
        return RETRY_DELAYS[min(event.attempts, len(RETRY_DELAYS)) - 1]

    def _send_record(self, event: _Event, config: EventInvokeConfig, condition: str) -> None:
        outcome = "OnSuccess" if condition == "Success" else "OnFailure"
        destination = (config.destinations or {}).get(outcome)
        function = self._aliases.find(event.name)
        if destination is None or function is None:
            return
        record = json.dumps(_record(event, condition))
        self._send(event, function, destination, record, {})

    def _send_dead_letter(self, event: _Event) -> None:
        """Send the event itself to the target of the function's DeadLetterConfig, with AWS's attributes."""
        function = self._aliases.find(event.name)
        target = function.configuration.dead_letter_arn if function else None
        if function is None or target is None:
            return
        error = _readable(event.result.result.payload) if event.result else None
        message = error.get("errorMessage") if isinstance(error, dict) else None
        attributes = {
            "RequestID": {"DataType": "String", "StringValue": event.request_id},
            "ErrorCode": {"DataType": "Number", "StringValue": "200" if event.result else "429"},
            "ErrorMessage": {"DataType": "String", "StringValue": str(message or "Rate Exceeded.")[:1024]},
        }
        self._send(event, function, target, event.payload.decode(), attributes)

    def _send(
        self, event: _Event, function: FunctionRecord, target: str, body: str, attributes: dict[str, Any]
    ) -> None:
        service, region = target.split(":")[2:4]
        try:
            client = self._environment.client_as(
                function.configuration.role, session_name(event.name.key.name), service, region
            )
            if service == "sqs":
                url = self._environment.client("sqs", region).get_queue_url(QueueName=target.split(":")[5])["QueueUrl"]
                client.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes)
            elif service == "sns":
                client.publish(TopicArn=target, Message=body, MessageAttributes=attributes)
            else:
                client.invoke(FunctionName=target, InvocationType="Event", Payload=body)
        except (ClientError, BotoCoreError) as error:
            # As on AWS, it is lost.
            warn(f"the record of an invocation of {event.arn} was not sent to {target}: {error}")


def _record(event: _Event, condition: str) -> dict[str, Any]:
    record: dict[str, Any] = {
        "version": "1.0",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "requestContext": {
            "requestId": event.request_id,
            "functionArn": event.arn if event.name.qualifier else f"{event.arn}:{LATEST}",
            "condition": condition,
            "approximateInvokeCount": event.attempts,
        },
        "requestPayload": json.loads(event.payload),
    }
    if event.result is not None:
        context: dict[str, Any] = {"statusCode": 200, "executedVersion": event.result.executed_version}
        if not event.result.succeeded:
            context["functionError"] = "Unhandled"
        record |= {"responseContext": context, "responsePayload": _readable(event.result.result.payload)}
    return record


def _readable(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except ValueError:
        return payload.decode(errors="replace")
