"""The operations on event source mappings, and one poller for each mapping."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ...protocol.errors import ServiceError
from ...service import Environment, Handler, RequestContext
from . import mappings, names, tags
from .aliases import AliasStore
from .event_filter import read_filters
from .invoker import Invoker
from .mappings import MappingStore, QueueMapping, describe
from .paging import page
from .poller import Poller, PollerContext
from .sources import QueueSources
from .store import FunctionRecord

# They change what is delivered, or where to. Without effect, they would make the emulator differ from AWS.
_NOT_EMULATED = (
    "DestinationConfig",
    "StartingPosition",
    "SelfManagedEventSource",
    "ProvisionedPollerConfig",
    "KMSKeyArn",
)


class MappingApi:
    def __init__(
        self,
        environment: Environment,
        aliases: AliasStore,
        store: MappingStore,
        invoker: Invoker,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._environment = environment
        self._queues = QueueSources(environment)
        self._aliases = aliases
        self._store = store
        self._invoker = invoker
        self._clock = clock
        self._pollers: dict[str, Poller] = {}
        self._lock = threading.Lock()

    @property
    def operations(self) -> Mapping[str, Handler]:
        return {
            "CreateEventSourceMapping": self.create,
            "GetEventSourceMapping": self.get,
            "ListEventSourceMappings": self.list,
            "UpdateEventSourceMapping": self.update,
            "DeleteEventSourceMapping": self.delete,
        }

    def start(self) -> None:
        """Poll for the mappings that a state folder has."""
        for mapping in self._store.all():
            if not mapping.deleting:
                self._start_poller(mapping)

    def stop(self) -> None:
        with self._lock:
            pollers = list(self._pollers.values())
            self._pollers.clear()
        for poller in pollers:
            poller.stop()

    def create(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        _refuse_unsupported(request)
        function = self._function(request["FunctionName"], context)
        queue_arn = request.get("EventSourceArn") or ""
        mapping_uuid = mappings.new_uuid()
        arn_root = f"arn:{context.partition}:lambda:{context.region}:{context.account_id}"
        mapping = QueueMapping(
            uuid=mapping_uuid,
            arn=f"{arn_root}:event-source-mapping:{mapping_uuid}",
            queue_arn=queue_arn,
            function_key=function.key.latest,
            function_arn=self._target_arn(request["FunctionName"], function, context),
            enabled=request.get("Enabled", True),
            batch_size=request.get("BatchSize") or mappings.MAX_BATCH_WITHOUT_WINDOW,
            window_seconds=request.get("MaximumBatchingWindowInSeconds") or 0,
            response_types=tuple(request.get("FunctionResponseTypes") or ()),
            max_concurrency=(request.get("ScalingConfig") or {}).get("MaximumConcurrency"),
            filters=read_filters(request.get("FilterCriteria") or {}),
            transition="Creating",
            settles_at=self._settling_time(),
            tags=tags.checked(request.get("Tags") or {}),
        )
        _check_batching(mapping)
        self._queues.check(queue_arn, function, context)
        self._store.add(mapping, function.key.name)
        self._start_poller(mapping)
        return describe(mapping, self._clock(), mapping.transition)

    def get(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        return describe(self._existing(request["UUID"], context), self._clock())

    def list(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        now = self._clock()
        listed = self._store.in_region(context.region, now)
        if request.get("EventSourceArn"):
            listed = [mapping for mapping in listed if mapping.queue_arn == request["EventSourceArn"]]
        if request.get("FunctionName"):
            # A mapping outlives its function, so the function may not exist.
            key = names.parse(request["FunctionName"], context).key
            listed = [mapping for mapping in listed if mapping.function_key == key]
        limit = min(request.get("MaxItems") or 100, 100)
        items, marker = page(listed, lambda mapping: mapping.uuid, request.get("Marker"), limit)
        response: dict[str, Any] = {"EventSourceMappings": [describe(mapping, now) for mapping in items]}
        return response | ({"NextMarker": marker} if marker else {})

    def update(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        _refuse_unsupported(request)
        with self._store.lock:
            mapping = self._existing(request["UUID"], context)
            self._refuse_in_transition(mapping, "update")
            changes = self._changes(mapping, request, context)
            changed = replace(
                mapping,
                **changes,
                transition=_transition(mapping, changes),
                settles_at=self._settling_time(),
                last_modified=datetime.now(UTC),
            )
            _check_batching(changed)
            self._store.put(changed)
        self._notify(mapping.uuid)
        return describe(changed, self._clock(), changed.transition)

    def delete(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        with self._store.lock:
            mapping = self._existing(request["UUID"], context)
            self._refuse_in_transition(mapping, "delete")
            mapping = replace(mapping, transition="Deleting", settles_at=self._settling_time())
            self._store.put(mapping)
        with self._lock:
            poller = self._pollers.pop(mapping.uuid, None)
        if poller is not None:
            poller.stop()
        return describe(mapping, self._clock(), "Deleting")

    def _changes(self, mapping: QueueMapping, request: Mapping[str, Any], context: RequestContext) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        if request.get("FunctionName"):
            function = self._function(request["FunctionName"], context)
            changes["function_key"] = function.key.latest
            changes["function_arn"] = self._target_arn(request["FunctionName"], function, context)
        if "Enabled" in request:
            changes["enabled"] = request["Enabled"]
        if request.get("BatchSize"):
            changes["batch_size"] = request["BatchSize"]
        if "MaximumBatchingWindowInSeconds" in request:
            changes["window_seconds"] = request["MaximumBatchingWindowInSeconds"]
        if "FunctionResponseTypes" in request:
            changes["response_types"] = tuple(request["FunctionResponseTypes"])
        if "FilterCriteria" in request:
            changes["filters"] = read_filters(request["FilterCriteria"])
        if "ScalingConfig" in request:
            changes["max_concurrency"] = request["ScalingConfig"].get("MaximumConcurrency")
        return changes

    def _function(self, spelling: str, context: RequestContext) -> FunctionRecord:
        name = names.parse(spelling, context)
        function = self._aliases.find(name)
        if function is None:
            raise names.not_found(names.function_arn(name.key.name, context, name.qualifier))
        return function

    def _target_arn(self, spelling: str, function: FunctionRecord, context: RequestContext) -> str:
        qualifier = names.parse(spelling, context).qualifier
        return f"{function.arn}:{qualifier}" if qualifier else function.arn

    def _existing(self, mapping_uuid: str, context: RequestContext) -> QueueMapping:
        mapping = self._store.find(context.region, mapping_uuid, self._clock())
        if mapping is None:
            raise ServiceError("ResourceNotFoundException", "The resource you requested does not exist.", 404)
        return mapping

    def _refuse_in_transition(self, mapping: QueueMapping, verb: str) -> None:
        if not mapping.settled(self._clock()):
            message = f"Cannot {verb} the event source mapping because it is in use."
            raise ServiceError("ResourceInUseException", message)

    def _start_poller(self, mapping: QueueMapping) -> None:
        region, mapping_uuid = mapping.region, mapping.uuid
        poller = Poller(
            PollerContext(
                mapping=lambda: self._store.find(region, mapping_uuid, self._clock()),
                function_ready=lambda now: self._invoker.ready(now.function_name),
                invoke=lambda now, event: self._invoker.invoke(now.function_name, now.function_arn, event),
                note_result=lambda result: self._store.note_result(region, mapping_uuid, result),
                sqs=lambda: self._environment.client("sqs", region),
                sqs_as_function=lambda: self._sqs_as_function(region, mapping_uuid),
                time_scale=self._environment.settings.time_scale,
                clock=self._clock,
                duplicate=self._chance_of_duplicates(),
            )
        )
        with self._lock:
            self._pollers[mapping_uuid] = poller
        poller.start()

    def _sqs_as_function(self, region: str, mapping_uuid: str) -> Any:
        """Return the client of the function's role, which may change while the mapping exists."""
        mapping = self._store.find(region, mapping_uuid, self._clock())
        function = self._aliases.find(mapping.function_name) if mapping else None
        return self._queues.client_as(function) if function else self._environment.client("sqs", region)

    def _chance_of_duplicates(self) -> Callable[[], bool]:
        settings = self._environment.settings
        chance = random.Random(settings.fault_seed)
        return lambda: chance.random() < settings.duplicate_deliveries

    def _notify(self, mapping_uuid: str) -> None:
        with self._lock:
            poller = self._pollers.get(mapping_uuid)
        if poller is not None:
            poller.notice()

    def _settling_time(self) -> float:
        return self._clock() + self._environment.settings.mapping_creating_seconds


def _refuse_unsupported(request: Mapping[str, Any]) -> None:
    for name in _NOT_EMULATED:
        value = request.get(name)
        if any(value.values()) if isinstance(value, Mapping) else value:
            raise _invalid(f"{name} is not emulated")


def _check_batching(mapping: QueueMapping) -> None:
    mappings.check_batching(mapping.batch_size, mapping.window_seconds, fifo=mapping.queue_arn.endswith(".fifo"))


def _transition(mapping: QueueMapping, changes: Mapping[str, Any]) -> str:
    if changes.get("enabled", mapping.enabled) == mapping.enabled:
        return "Updating"
    return "Enabling" if changes["enabled"] else "Disabling"


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValueException", message)
