"""Jobs in the shapes the API answers with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ..errors import ServiceError
from .store import Job

LARGEST_PAGE = 20
SORTS = {
    "CreationTime": lambda job: job.created,
    "Name": lambda job: job.name,
    "Status": lambda job: job.status,
}


def request_of(job: Job) -> dict[str, Any]:
    """What the caller asked for, as every full description repeats it."""
    request = {
        "Name": job.name,
        "ExecutionRoleArn": job.role_arn,
        "InputConfig": job.input_config,
        "JobConfig": job.job_config,
    }
    return request | ({"KmsKeyId": job.kms_key_id} if job.kms_key_id else {})


def describe_start(job: Job, now: datetime) -> dict[str, Any]:
    return _progress(job, now) | request_of(job)


def describe_job(job: Job, now: datetime) -> dict[str, Any]:
    """A job that is not exported has no ExportStatus. The errors of jobs and exports have different member names."""
    description = describe_start(job, now) | {"Tags": dict(job.tags)}
    if job.failure is not None:
        description["ErrorDetails"] = {"ErrorType": job.failure.kind, "ErrorMessage": job.failure.message}
    if job.export is not None:
        description["ExportStatus"] = str(job.export.status)
        if job.export.failure is not None:
            failure = job.export.failure
            description["ExportErrorDetails"] = {"Type": failure.kind, "Message": failure.message}
    return description


def describe_export(job: Job) -> dict[str, Any]:
    if job.export is None:
        raise AssertionError(f"{job.arn} has no export")
    return {
        "Arn": job.arn,
        "CreationTime": job.export.created,
        "ExecutionRoleArn": job.export.role_arn,
        "ExportStatus": str(job.export.status),
        "OutputConfig": job.export.output_config,
    }


def list_page(jobs: Sequence[Job], parameters: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """One page of summaries, newest first unless asked otherwise. A token is the ARN the page before ended with."""
    sort_by = parameters.get("SortBy") or "CreationTime"
    if sort_by not in SORTS:
        raise ServiceError("ValidationException", f"SortBy must be one of {', '.join(SORTS)}, not {sort_by!r}.")
    wanted = parameters.get("StatusEquals")
    newest_first = parameters.get("SortOrder", "DESCENDING") == "DESCENDING"
    ordered = sorted(jobs, key=lambda job: (SORTS[sort_by](job), job.arn), reverse=newest_first)
    found = [job for job in _after(ordered, parameters.get("NextToken")) if wanted in (None, "", job.status)]
    page = found[: parameters.get("MaxResults", LARGEST_PAGE)]
    answer: dict[str, Any] = {"VectorEnrichmentJobSummaries": [_summary(job, now) for job in page]}
    return answer | ({"NextToken": page[-1].arn} if len(page) < len(found) else {})


def _after(jobs: Sequence[Job], token: str | None) -> Sequence[Job]:
    if not token:
        return jobs
    for position, job in enumerate(jobs):
        if job.arn == token:
            return jobs[position + 1 :]
    raise ServiceError("ValidationException", "NextToken is not valid (any more).")


def _summary(job: Job, now: datetime) -> dict[str, Any]:
    return _progress(job, now) | {"Name": job.name, "Tags": dict(job.tags)}


def _progress(job: Job, now: datetime) -> dict[str, Any]:
    return {
        "Arn": job.arn,
        "CreationTime": job.created,
        "DurationInSeconds": int(((job.ended or now) - job.created).total_seconds()),
        "Status": str(job.status),
        "Type": "REVERSE_GEOCODING",
    }
