"""Functions as the account knows them: frozen records, replaced whole. Knows nothing of processes.

A record does not carry its state: it carries when it settles, and `describe` reads the state off the clock.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from ..errors import ServiceError
from .names import LATEST, FunctionKey
from .packages import Package


@dataclass(frozen=True)
class Configuration:
    """What a caller may set, apart from the code."""

    runtime: str
    handler: str
    role: str
    timeout: int = 3
    memory_size: int = 128
    description: str = ""
    environment: Mapping[str, str] | None = None
    ephemeral_storage: int = 512
    logging: Mapping[str, str] = field(default_factory=dict)
    tracing_mode: str = "PassThrough"
    kms_key_arn: str | None = None


@dataclass(frozen=True)
class Function:
    key: FunctionKey
    arn: str
    configuration: Configuration
    package: Package
    architectures: tuple[str, ...]
    tags: Mapping[str, str]
    settles_at: float
    """On the service's clock: until then it is Pending (new) or its update InProgress."""
    is_new: bool = True
    reserved_concurrency: int | None = None
    last_modified: datetime = field(default_factory=lambda: datetime.now(UTC))
    revision_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    """While it settles; AWS changes the revision again once it has."""
    settled_revision_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def settled(self, now: float) -> bool:
        return now >= self.settles_at

    def revision(self, now: float) -> str:
        return self.settled_revision_id if self.settled(now) else self.revision_id

    @property
    def log_group(self) -> str:
        return self.configuration.logging.get("LogGroup") or f"/aws/lambda/{self.key.name}"


def updated(function: Function, settles_at: float, **changes: Any) -> Function:
    """The record after an update that AWS carries out in the background."""
    return replace(
        function,
        settles_at=settles_at,
        is_new=False,
        last_modified=datetime.now(UTC),
        revision_id=str(uuid.uuid4()),
        settled_revision_id=str(uuid.uuid4()),
        **changes,
    )


def describe(function: Function, now: float) -> dict[str, Any]:
    """A FunctionConfiguration as boto3 would return it."""
    given = function.configuration
    description: dict[str, Any] = {
        "FunctionName": function.key.name,
        "FunctionArn": function.arn,
        "Runtime": given.runtime,
        "Role": given.role,
        "Handler": given.handler,
        "CodeSize": function.package.size,
        "Description": given.description,
        "Timeout": given.timeout,
        "MemorySize": given.memory_size,
        "LastModified": function.last_modified.strftime("%Y-%m-%dT%H:%M:%S.")
        + f"{function.last_modified.microsecond // 1000:03d}+0000",
        "CodeSha256": function.package.sha256,
        "Version": LATEST,
        "TracingConfig": {"Mode": given.tracing_mode},
        "RevisionId": function.revision(now),
        "PackageType": "Zip",
        "Architectures": list(function.architectures),
        "EphemeralStorage": {"Size": given.ephemeral_storage},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", **given.logging, "LogGroup": function.log_group},
    }
    if given.environment is not None:
        description["Environment"] = {"Variables": dict(given.environment)}
    if given.kms_key_arn:
        description["KMSKeyArn"] = given.kms_key_arn
    return description | _state(function, now)


def _state(function: Function, now: float) -> dict[str, str]:
    reason = "The function is being created."
    if function.settled(now):
        return {"State": "Active", "LastUpdateStatus": "Successful"}
    if function.is_new:
        return {"State": "Pending", "StateReason": reason, "StateReasonCode": "Creating"}
    return {
        "State": "Active",
        "LastUpdateStatus": "InProgress",
        "LastUpdateStatusReason": reason,
        "LastUpdateStatusReasonCode": "Creating",
    }


class FunctionStore:
    """All functions, by region and name. Callers hold `lock` over a read and the write that depends on it."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._functions: dict[FunctionKey, Function] = {}

    def find(self, key: FunctionKey) -> Function | None:
        with self.lock:
            return self._functions.get(key)

    def add(self, function: Function) -> None:
        with self.lock:
            if function.key in self._functions:
                message = f"Function already exist: {function.key.name}"
                raise ServiceError("ResourceConflictException", message, 409)
            self._functions[function.key] = function

    def put(self, function: Function) -> None:
        with self.lock:
            self._functions[function.key] = function

    def remove(self, key: FunctionKey) -> None:
        with self.lock:
            self._functions.pop(key, None)

    def package(self, sha256: str) -> Package | None:
        """A package with this digest, as long as some function has it."""
        with self.lock:
            found = (function.package for function in self._functions.values() if function.package.sha256 == sha256)
            return next(found, None)

    def in_region(self, region: str) -> list[Function]:
        with self.lock:
            mine = [function for key, function in self._functions.items() if key.region == region]
        return sorted(mine, key=lambda function: function.key.name)
