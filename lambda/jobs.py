"""The job families this function can run: their calls, their field names and what their states mean.

Another family is another row in FAMILIES (and its five calls where they differ). Nothing outside this module spells an
operation, a field or a state of a job.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import payloads
from clients import Client


class Phase(Enum):
    """Which of its two waits a callback stands for."""

    JOB = "job"
    EXPORT = "export"


@dataclass(frozen=True)
class Wait:
    """How one phase shows in a job's description, and the name under which its end is reported to the pipeline."""

    status_field: str
    error_field: str
    error_type_field: str
    error_message_field: str
    succeeded: frozenset[str]
    failed: frozenset[str]
    output: str


@dataclass(frozen=True)
class JobFamily:
    """One kind of job. `prefix` begins its keys in events: vej_name, vej_arn, ..."""

    title: str
    prefix: str
    service: str
    arn: re.Pattern[str]
    start: Callable[[Client, "StartRequest"], str]
    get: Callable[[Client, str], Mapping[str, Any]]
    stop: Callable[[Client, str], None]
    export: Callable[[Client, "ExportRequest"], None]
    waits: Mapping[Phase, Wait]

    def key(self, name: str) -> str:
        return f"{self.prefix}_{name}"

    def read(self, description: Mapping[str, Any]) -> "JobState":
        return JobState(
            {phase: str(description.get(wait.status_field) or "") for phase, wait in self.waits.items()},
            {phase: _error_text(wait, description) for phase, wait in self.waits.items()},
        )


@dataclass(frozen=True)
class JobState:
    """What a job's description said: the status of each phase (empty: not begun) and its error."""

    statuses: Mapping[Phase, str]
    errors: Mapping[Phase, str]


@dataclass(frozen=True)
class StartRequest:
    name: str
    role: str
    job_config: Mapping[str, Any]
    input_config: Mapping[str, Any]
    client_token: str


@dataclass(frozen=True)
class ExportRequest:
    arn: str
    role: str
    output_config: Mapping[str, Any]
    client_token: str


def _error_text(wait: Wait, description: Mapping[str, Any]) -> str:
    details = description.get(wait.error_field) or {}
    parts = (details.get(wait.error_type_field), details.get(wait.error_message_field))
    return ": ".join(str(part) for part in parts if part)


def _start_vector_enrichment(client: Client, request: StartRequest) -> str:
    answer = client.start_vector_enrichment_job(
        Name=request.name,
        ExecutionRoleArn=request.role,
        JobConfig=request.job_config,
        InputConfig=request.input_config,
        ClientToken=request.client_token,
    )
    return str(answer["Arn"])


def _get_vector_enrichment(client: Client, arn: str) -> Mapping[str, Any]:
    description: Mapping[str, Any] = client.get_vector_enrichment_job(Arn=arn)
    return description


def _stop_vector_enrichment(client: Client, arn: str) -> None:
    client.stop_vector_enrichment_job(Arn=arn)


def _export_vector_enrichment(client: Client, request: ExportRequest) -> None:
    client.export_vector_enrichment_job(
        Arn=request.arn,
        ExecutionRoleArn=request.role,
        OutputConfig=request.output_config,
        ClientToken=request.client_token,
    )


VECTOR_ENRICHMENT = JobFamily(
    title="vector enrichment job",
    prefix="vej",
    service="sagemaker-geospatial",
    arn=re.compile(r"arn:aws[a-z-]*:sagemaker-geospatial:[a-z0-9-]+:[0-9]{12}:vector-enrichment-job/[A-Za-z0-9-]+"),
    start=_start_vector_enrichment,
    get=_get_vector_enrichment,
    stop=_stop_vector_enrichment,
    export=_export_vector_enrichment,
    waits={
        Phase.JOB: Wait(
            status_field="Status",
            error_field="ErrorDetails",
            error_type_field="ErrorType",
            error_message_field="ErrorMessage",
            succeeded=frozenset({"COMPLETED"}),
            failed=frozenset({"FAILED", "STOPPED", "DELETED"}),
            output="vej_status",
        ),
        Phase.EXPORT: Wait(
            status_field="ExportStatus",
            error_field="ExportErrorDetails",
            error_type_field="Type",
            error_message_field="Message",
            succeeded=frozenset({"SUCCEEDED"}),
            failed=frozenset({"FAILED"}),
            output="statusJob",
        ),
    },
)

FAMILIES = (VECTOR_ENRICHMENT,)


def family_with(fields: Mapping[str, Any], name: str) -> JobFamily | None:
    """The family whose key of this name the fields have: `name` of vej_name, `export_config` of vej_export_config."""
    return next((family for family in FAMILIES if family.key(name) in fields), None)


def job_arn(family: JobFamily, fields: Mapping[str, Any]) -> str:
    """The ARN of the job that the fields name; ValueError when there is none, or it is no job of this family."""
    arn = payloads.text(fields, family.key("arn"))
    if not family.arn.fullmatch(arn):
        raise ValueError(f"{family.key('arn')} is not the ARN of a {family.title}")
    return arn


def region_of(fields: Mapping[str, Any], arn: str = "") -> str:
    """The region to call: as given, else the job's own; empty leaves it to the function's."""
    return payloads.optional_text(fields, "region") or (arn.split(":")[3] if arn else "")
