"""What a configuration says, as frozen data: the only form in which the rest of the program sees it.

Nothing here reads files, checks values or knows defaults: `schema.json` holds the defaults, `rules.py` the checks.
Field names are the keys of the YAML file. Paths are absolute.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..errors import Problem
from .document import Document, KeyPath

Target = Literal["aws", "local"]
PolicyScope = Literal["all", "resources"]
ParameterValue = str | int | float | bool
CleanupItem = Literal["pipeline", "queue", "bucket", "function", "lambda_role", "sagemaker_role"]
CleanupPolicy = Literal["ask", "all", "none"] | tuple[CleanupItem, ...]


@dataclass(frozen=True)
class AssumeRole:
    """A role to take on before the first call, on top of the profile or the environment's credentials."""

    role_arn: str
    external_id: str | None
    session_name: str


@dataclass(frozen=True)
class RoleConfig:
    """A role we keep (`managed`), or one given by its ARN that we only use and never change."""

    name: str
    arn: str | None
    managed: bool


@dataclass(frozen=True)
class IamConfig:
    scope: PolicyScope
    """`all`: the specification's `Resource: "*"`; `resources`: narrowed to what this deployment uses."""
    permissions_boundary: str | None
    lambda_role: RoleConfig
    sagemaker_role: RoleConfig
    propagation_timeout: float


@dataclass(frozen=True)
class QueueConfig:
    name: str
    dead_letter_name: str
    visibility_timeout: int
    max_receive_count: int


@dataclass(frozen=True)
class BucketConfig:
    name: str
    force_destroy: bool


@dataclass(frozen=True)
class FunctionConfig:
    name: str
    source: Path
    handler: str
    runtime: str
    timeout: int
    memory: int
    environment: Mapping[str, str]
    policy_statements: tuple[Mapping[str, Any], ...]
    """IAM statements of the user's own, as a policy document has them."""
    log_retention_days: int
    batch_size: int

    @property
    def log_group(self) -> str:
        """The group Lambda writes to; AWS derives it from the function's name."""
        return f"/aws/lambda/{self.name}"


@dataclass(frozen=True)
class PipelineConfig:
    name: str
    description: str
    template: Path
    parameters: Mapping[str, ParameterValue]
    experiments: bool


@dataclass(frozen=True)
class JobConfig:
    kind: str
    longitude_column: str
    latitude_column: str

    @property
    def custom(self) -> bool:
        """Whether the user's own function does all the work, and nothing is known of what it calls."""
        return self.kind == "custom"


@dataclass(frozen=True)
class S3Location:
    bucket: str
    key: str

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class InputConfig:
    """A local file that we upload under `prefix`, or an object that is used where it is and never deleted."""

    source: Path | S3Location
    prefix: str


@dataclass(frozen=True)
class OutputConfig:
    prefix: str
    preview_rows: int


@dataclass(frozen=True)
class ExecutionConfig:
    """All in seconds."""

    poll_interval: float
    timeout: float
    callback_deadline: int


@dataclass(frozen=True)
class EmulatorConfig:
    """How the emulator behaves when `target` is local; the meaning of each is in its own settings."""

    time_scale: float
    job_initializing_seconds: float
    job_seconds: float
    export_seconds: float
    function_pending_seconds: float
    mapping_creating_seconds: float
    iam: Literal["off", "enforce"]
    iam_propagation_seconds: float
    queue_deleted_seconds: float
    duplicate_deliveries: float
    faults: float
    fault_seed: int
    fault_kinds: str


@dataclass(frozen=True)
class Config:
    """One deployment: one file, one account, one region."""

    path: Path
    """The file this was read from."""
    deployment: str
    target: Target
    endpoint: str | None
    region: str
    account_id: str
    profile: str | None
    assume_role: AssumeRole | None
    tags: Mapping[str, str]
    iam: IamConfig
    queue: QueueConfig
    bucket: BucketConfig
    function: FunctionConfig
    pipeline: PipelineConfig
    job: JobConfig
    input: InputConfig
    output: OutputConfig
    execution: ExecutionConfig
    cleanup: CleanupPolicy
    emulator: EmulatorConfig
    document: Document = field(repr=False, compare=False)
    """What it was made from, for faults that show only later; no value is to be taken from there."""

    @property
    def embedded(self) -> bool:
        """Local and no endpoint given: the emulator lives only as long as the command."""
        return self.target == "local" and self.endpoint is None

    def problem(self, key: KeyPath, what: str, valid: str) -> Problem:
        """A fault at that key, or at the nearest section above it that the file has."""
        return self.document.problem(self.document.key_place(key), what, valid)
