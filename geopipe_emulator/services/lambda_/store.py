"""The records of functions: frozen, and replaced as a whole.

A record does not carry its state: it carries when it settles, and `describe` reads the state off the clock.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from ...protocol.errors import ServiceError
from ...state.records import RecordTables
from .layers import LayerVersion
from .names import FunctionKey
from .packages import DeploymentPackage
from .runtimes import runtime_version_arn

_NOT_LISTED = ("State", "LastUpdateStatus", "RuntimeVersionConfig")


@dataclass(frozen=True)
class Configuration:
    """The settings of a function, apart from its code."""

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
    # The queue or topic for asynchronous invocations that fail.
    dead_letter_arn: str | None = None


@dataclass(frozen=True)
class FunctionRecord:
    key: FunctionKey
    arn: str
    configuration: Configuration
    package: DeploymentPackage
    architectures: tuple[str, ...]
    tags: Mapping[str, str]
    # On the service's clock. Until then the function is Pending (new), or its update is InProgress.
    settles_at: float
    layers: tuple[LayerVersion, ...] = ()
    is_new: bool = True
    reserved_concurrency: int | None = None
    last_modified: datetime = field(default_factory=lambda: datetime.now(UTC))
    # Until `settles_at`: AWS changes the revision again when the update is complete.
    revision_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    settled_revision_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def settled(self, now: float) -> bool:
        return now >= self.settles_at

    @property
    def version(self) -> str:
        return self.key.version

    def runs_like(self, other: FunctionRecord) -> bool:
        """Whether both have the same code and settings: then AWS publishes no new version."""
        return (
            self.package.sha256 == other.package.sha256
            and replace(self.configuration, description="") == replace(other.configuration, description="")
            and self.layers == other.layers
            and self.architectures == other.architectures
        )

    def revision(self, now: float) -> str:
        return self.settled_revision_id if self.settled(now) else self.revision_id

    @property
    def log_group(self) -> str:
        return self.configuration.logging.get("LogGroup") or f"/aws/lambda/{self.key.name}"


def updated(function: FunctionRecord, settles_at: float, **changes: Any) -> FunctionRecord:
    """Return the record after an update, which AWS completes in the background."""
    return replace(
        function,
        settles_at=settles_at,
        is_new=False,
        last_modified=datetime.now(UTC),
        revision_id=str(uuid.uuid4()),
        settled_revision_id=str(uuid.uuid4()),
        **changes,
    )


def describe(function: FunctionRecord, now: float, qualifier: str | None = None) -> dict[str, Any]:
    """Return a FunctionConfiguration as boto3 does. The ARN ends with the qualifier, if the caller named one."""
    settings = function.configuration
    description: dict[str, Any] = {
        "FunctionName": function.key.name,
        "FunctionArn": f"{function.arn}:{qualifier}" if qualifier else function.arn,
        "Runtime": settings.runtime,
        "Role": settings.role,
        "Handler": settings.handler,
        "CodeSize": function.package.size,
        "Description": settings.description,
        "Timeout": settings.timeout,
        "MemorySize": settings.memory_size,
        "LastModified": function.last_modified.strftime("%Y-%m-%dT%H:%M:%S.")
        + f"{function.last_modified.microsecond // 1000:03d}+0000",
        "CodeSha256": function.package.sha256,
        "Version": function.version,
        "TracingConfig": {"Mode": settings.tracing_mode},
        "RevisionId": function.revision(now),
        "PackageType": "Zip",
        "Architectures": list(function.architectures),
        "EphemeralStorage": {"Size": settings.ephemeral_storage},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", **settings.logging, "LogGroup": function.log_group},
        "RuntimeVersionConfig": {"RuntimeVersionArn": runtime_version_arn(settings.runtime, function.arn)},
    }
    if function.layers:
        description["Layers"] = [{"Arn": layer.arn, "CodeSize": layer.package.size} for layer in function.layers]
    if settings.environment is not None:
        description["Environment"] = {"Variables": dict(settings.environment)}
    if settings.dead_letter_arn:
        description["DeadLetterConfig"] = {"TargetArn": settings.dead_letter_arn}
    if settings.kms_key_arn:
        description["KMSKeyArn"] = settings.kms_key_arn
    return description | _state(function, now)


def listed(function: FunctionRecord, now: float, qualifier: str | None = None) -> dict[str, Any]:
    """Return what ListFunctions says of a function: AWS leaves out its state and the version of its runtime."""
    described = describe(function, now, qualifier)
    return {name: described[name] for name in described if not name.startswith(_NOT_LISTED)}


def _state(function: FunctionRecord, now: float) -> dict[str, str]:
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


def refuse_in_transition(function: FunctionRecord, now: float) -> None:
    """Raise AWS's error for a change of a function that is being created or updated."""
    if function.settled(now):
        return
    state = (
        "The function is currently in the following state: Pending"
        if function.is_new
        else f"An update is in progress for resource: {function.arn}"
    )
    message = f"The operation cannot be performed at this time. {state}"
    raise ServiceError("ResourceConflictException", message, 409)


def refuse_changed(expected: str | None, revision_id: str) -> None:
    """Raise AWS's error for a request that names another revision than the current one."""
    if expected and expected != revision_id:
        message = (
            "The RevisionId provided does not match the latest RevisionId. Call the GetFunction/GetAlias API to "
            "retrieve the latest RevisionId for your resource."
        )
        raise ServiceError("PreconditionFailedException", message, 412)


class FunctionStore:
    """All functions and their published versions. Callers hold `lock` for a read and the write that depends on it."""

    def __init__(self, tables: RecordTables | None = None) -> None:
        tables = tables or RecordTables()
        self.lock = threading.RLock()
        self._functions: dict[FunctionKey, FunctionRecord] = tables.open(
            "lambda function",
            *(FunctionKey, FunctionRecord, Configuration, DeploymentPackage, LayerVersion),
            # The clock of an earlier process means nothing here, and the wait for it has passed.
            restore=lambda function: replace(function, settles_at=0.0),
        )
        # A number is never used again, not even after the function was deleted and created again.
        self._last_numbers: dict[FunctionKey, int] = tables.open("lambda last version", FunctionKey)

    def all(self) -> list[FunctionRecord]:
        """Return all versions of all functions."""
        with self.lock:
            return list(self._functions.values())

    def find(self, key: FunctionKey) -> FunctionRecord | None:
        with self.lock:
            return self._functions.get(key)

    def add(self, function: FunctionRecord) -> None:
        with self.lock:
            if function.key in self._functions:
                message = f"Function already exist: {function.key.name}"
                raise ServiceError("ResourceConflictException", message, 409)
            self._functions[function.key] = function

    def put(self, function: FunctionRecord) -> None:
        with self.lock:
            self._functions[function.key] = function

    def publish(self, latest: FunctionRecord, description: str) -> tuple[FunctionRecord, bool]:
        """Return the last version if the function has not changed since, else a new one; and whether it is new."""
        with self.lock:
            *_, last = self.versions(latest.key)
            if last is not latest and last.runs_like(latest):
                return last, False
            number = self._last_numbers[latest.key] = self._last_numbers.get(latest.key, 0) + 1
            version = replace(
                latest,
                key=latest.key.at(str(number)),
                configuration=replace(latest.configuration, description=description),
                is_new=True,
                last_modified=datetime.now(UTC),
                revision_id=str(uuid.uuid4()),
                settled_revision_id=str(uuid.uuid4()),
            )
            self._functions[version.key] = version
            return version, True

    def versions(self, key: FunctionKey) -> list[FunctionRecord]:
        """Return the latest version of the function, then the published ones in their order."""
        with self.lock:
            published = [function for other, function in self._functions.items() if other.latest == key != other]
            latest = self._functions.get(key)
        published.sort(key=lambda function: int(function.version))
        return ([latest] if latest else []) + published

    def remove(self, key: FunctionKey) -> None:
        with self.lock:
            self._functions.pop(key, None)

    def package(self, sha256: str) -> DeploymentPackage | None:
        """Return the package with this digest, as long as a function has it."""
        with self.lock:
            packages = (function.package for function in self._functions.values())
            return next((package for package in packages if package.sha256 == sha256), None)

    def in_region(self, region: str) -> list[FunctionRecord]:
        with self.lock:
            mine = [f for key, f in self._functions.items() if key.region == region and key == key.latest]
        return sorted(mine, key=lambda function: function.key.name)
