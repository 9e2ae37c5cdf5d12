"""Describes jobs as the API returns them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ...protocol.errors import ServiceError
from .store import EnrichmentJob

LARGEST_PAGE = 20
SORTS = {
    "CreationTime": lambda job: job.created,
    "Name": lambda job: job.name,
    "Status": lambda job: job.status,
}


def request_of(job: EnrichmentJob) -> dict[str, Any]:
    """Return the parameters of the request, which every full description contains."""
    request = {
        "Name": job.name,
        "ExecutionRoleArn": job.role_arn,
        "InputConfig": job.input_config,
        "JobConfig": job.job_config,
    }
    return request | ({"KmsKeyId": job.kms_key_id} if job.kms_key_id else {})


def describe_start(job: EnrichmentJob, now: datetime) -> dict[str, Any]:
    return _progress(job, now) | request_of(job)


def describe_job(job: EnrichmentJob, now: datetime) -> dict[str, Any]:
    """Describe a job. Without an export it has no ExportStatus. Errors of jobs and exports have different members."""
    description = describe_start(job, now) | {"Tags": dict(job.tags)}
    if job.failure is not None:
        description["ErrorDetails"] = {"ErrorType": job.failure.kind, "ErrorMessage": job.failure.message}
    if job.export is not None:
        description["ExportStatus"] = str(job.export.status)
        if job.export.failure is not None:
            failure = job.export.failure
            description["ExportErrorDetails"] = {"Type": failure.kind, "Message": failure.message}
    return description


def describe_export(job: EnrichmentJob) -> dict[str, Any]:
    if job.export is None:
        raise AssertionError(f"{job.arn} has no export")
    return {
        "Arn": job.arn,
        "CreationTime": job.export.created,
        "ExecutionRoleArn": job.export.role_arn,
        "ExportStatus": str(job.export.status),
        "OutputConfig": job.export.output_config,
    }


def list_page(jobs: Sequence[EnrichmentJob], parameters: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Return one page of summaries, newest first by default. A token is the last ARN of the page before."""
    sort_by = parameters.get("SortBy") or "CreationTime"
    if sort_by not in SORTS:
        raise ServiceError("ValidationException", f"SortBy must be one of {', '.join(SORTS)}, not {sort_by!r}.")
    status = parameters.get("StatusEquals")
    newest_first = parameters.get("SortOrder", "DESCENDING") == "DESCENDING"
    ordered = sorted(jobs, key=lambda job: (SORTS[sort_by](job), job.arn), reverse=newest_first)
    selected = [job for job in _after(ordered, parameters.get("NextToken")) if status in (None, "", job.status)]
    page = selected[: parameters.get("MaxResults", LARGEST_PAGE)]
    response: dict[str, Any] = {"VectorEnrichmentJobSummaries": [_summary(job, now) for job in page]}
    return response | ({"NextToken": page[-1].arn} if len(page) < len(selected) else {})


def _after(jobs: Sequence[EnrichmentJob], token: str | None) -> Sequence[EnrichmentJob]:
    if not token:
        return jobs
    for position, job in enumerate(jobs):
        if job.arn == token:
            return jobs[position + 1 :]
    raise ServiceError("ValidationException", "NextToken is not valid (any more).")


def _summary(job: EnrichmentJob, now: datetime) -> dict[str, Any]:
    return _progress(job, now) | {"Name": job.name, "Tags": dict(job.tags)}


def _progress(job: EnrichmentJob, now: datetime) -> dict[str, Any]:
    return {
        "Arn": job.arn,
        "CreationTime": job.created,
        "DurationInSeconds": int(((job.ended or now) - job.created).total_seconds()),
        "Status": str(job.status),
        "Type": "REVERSE_GEOCODING",
    }
