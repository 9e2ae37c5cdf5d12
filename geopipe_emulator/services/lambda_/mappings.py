"""The records of event source mappings: frozen, with states that follow from the clock."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from ...protocol.errors import ServiceError
from ...state.records import RecordTables
from .names import FunctionKey, FunctionName

MAX_BATCH_WITHOUT_WINDOW = 10
REPORTS_FAILURES = "ReportBatchItemFailures"


@dataclass(frozen=True)
class QueueMapping:
    arn: str
    queue_arn: str
    function_key: FunctionKey
    function_arn: str
    enabled: bool
    batch_size: int
    window_seconds: int
    response_types: tuple[str, ...]
    max_concurrency: int | None
    # Patterns as JSON text; a message must match one of them, if there are any.
    filters: tuple[str, ...]
    # Creating, Updating, Enabling, Disabling or Deleting: the state until `settles_at`.
    transition: str
    settles_at: float
    tags: Mapping[str, str] = field(default_factory=dict)
    last_result: str | None = None
    last_modified: datetime = field(default_factory=lambda: datetime.now(UTC))
    uuid: str = ""

    @property
    def function_name(self) -> FunctionName:
        """The function with the version or alias in its ARN. An alias is resolved at each invocation."""
        return FunctionName(self.function_key, ":".join(self.function_arn.split(":")[7:]) or None)

    @property
    def region(self) -> str:
        return self.function_key.region

    @property
    def deleting(self) -> bool:
        return self.transition == "Deleting"

    def settled(self, now: float) -> bool:
        return now >= self.settles_at

    def delivers(self, now: float) -> bool:
        return self.enabled and self.settled(now) and not self.deleting

    def state(self, now: float) -> str:
        if not self.settled(now):
            return self.transition
        return "Enabled" if self.enabled else "Disabled"

    @property
    def reports_failures(self) -> bool:
        return REPORTS_FAILURES in self.response_types


def describe(mapping: QueueMapping, now: float, state: str | None = None) -> dict[str, Any]:
    """Return a mapping as boto3 does. The response to a change shows the new `state`."""
    description: dict[str, Any] = {
        "UUID": mapping.uuid,
        "EventSourceMappingArn": mapping.arn,
        "EventSourceArn": mapping.queue_arn,
        "FunctionArn": mapping.function_arn,
        "BatchSize": mapping.batch_size,
        "MaximumBatchingWindowInSeconds": mapping.window_seconds,
        "FunctionResponseTypes": list(mapping.response_types),
        "LastModified": mapping.last_modified,
        "State": state or mapping.state(now),
        "StateTransitionReason": "USER_INITIATED",
    }
    if mapping.max_concurrency is not None:
        description["ScalingConfig"] = {"MaximumConcurrency": mapping.max_concurrency}
    if mapping.filters:
        description["FilterCriteria"] = {"Filters": [{"Pattern": pattern} for pattern in mapping.filters]}
    if mapping.last_result is not None:
        description["LastProcessingResult"] = mapping.last_result
    return description


def check_batching(batch_size: int, window_seconds: int, *, fifo: bool) -> None:
    if fifo and window_seconds:
        raise _invalid("Batching window is not supported for FIFO queues")
    if fifo and batch_size > MAX_BATCH_WITHOUT_WINDOW:
        raise _invalid(f"BatchSize must be at most {MAX_BATCH_WITHOUT_WINDOW} for FIFO queues")
    if batch_size > MAX_BATCH_WITHOUT_WINDOW and not window_seconds:
        raise _invalid(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than "
            f"{MAX_BATCH_WITHOUT_WINDOW}"
        )


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValueException", message)


def new_uuid() -> str:
    return str(uuid.uuid4())


class MappingStore:
    """All mappings, by region and UUID. Callers hold `lock` for a read and the write that depends on it."""

    def __init__(self, tables: RecordTables | None = None) -> None:
        self.lock = threading.RLock()
        self._mappings: dict[tuple[str, str], QueueMapping] = (tables or RecordTables()).open(
            "lambda mapping",
            *(FunctionKey, QueueMapping),
            restore=lambda mapping: replace(mapping, settles_at=0.0),
        )

    def all(self) -> list[QueueMapping]:
        with self.lock:
            return list(self._mappings.values())

    def add(self, mapping: QueueMapping, function_name: str) -> None:
        with self.lock:
            self._refuse_duplicate(mapping, function_name)
            self._mappings[mapping.region, mapping.uuid] = mapping

    def put(self, mapping: QueueMapping) -> None:
        with self.lock:
            self._mappings[mapping.region, mapping.uuid] = mapping

    def find(self, region: str, mapping_uuid: str, now: float) -> QueueMapping | None:
        """Return the mapping, unless its deletion is complete."""
        with self.lock:
            mapping = self._mappings.get((region, mapping_uuid))
            if mapping is not None and mapping.deleting and mapping.settled(now):
                del self._mappings[region, mapping_uuid]
                return None
            return mapping

    def in_region(self, region: str, now: float) -> list[QueueMapping]:
        with self.lock:
            ids = [mapping_uuid for of_region, mapping_uuid in self._mappings if of_region == region]
            mappings = [self.find(region, mapping_uuid, now) for mapping_uuid in ids]
        return [mapping for mapping in mappings if mapping is not None]

    def note_result(self, region: str, mapping_uuid: str, result: str) -> None:
        """Note the last result of the poller, unless the mapping has been deleted."""
        with self.lock:
            mapping = self._mappings.get((region, mapping_uuid))
            if mapping is not None and mapping.last_result != result:
                self._mappings[region, mapping_uuid] = replace(mapping, last_result=result)

    def _refuse_duplicate(self, mapping: QueueMapping, function_name: str) -> None:
        for other in self._mappings.values():
            same = (other.queue_arn, other.function_arn) == (mapping.queue_arn, mapping.function_arn)
            if same and not other.deleting:
                message = (
                    f'An event source mapping with SQS arn (" {mapping.queue_arn} ") and function '
                    f'(" {function_name} ") already exists. Please update or delete the existing mapping with '
                    f"UUID {other.uuid}"
                )
                raise ServiceError("ResourceConflictException", message, 409)
