"""Reverse geocoding by a SageMaker geospatial vector enrichment job: coordinates in, addresses out.

Parameter names are those of AWS's sample pipeline; the shapes inside are StartVectorEnrichmentJob's JobConfig and
InputConfig and ExportVectorEnrichmentJob's OutputConfig.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..aws.failures import AWS_ERRORS, denied
from ..aws.gone import ignore_gone, none_if_gone
from ..aws.retry import error_code
from ..config.model import JobConfig
from ..kinds.base import Deployment
from .base import JobFailure, PointColumns, ResultFormat, first_row, input_location

if TYPE_CHECKING:
    from ..aws.clients import Aws

_GOING_ON = ("INITIALIZING", "IN_PROGRESS")
_ERRORS = (
    ("role-not-assumable", re.compile(r"could not assume|cannot be assumed", re.IGNORECASE)),
    (
        "bucket-denied",
        re.compile(
            r"(AccessDenied|Access Denied|not authorized).*(GetObject|PutObject|ListBucket|s3:|bucket|kms)",
            re.IGNORECASE | re.DOTALL,
        ),
    ),
    (
        "input-column-missing",
        re.compile(r"no column|column\b.*\bnot (found|exist|present)|missing column", re.IGNORECASE),
    ),
    ("input-missing", re.compile(r"NoSuchKey|NoSuchBucket|(object|key|file|bucket) does not exist", re.IGNORECASE)),
)


class ReverseGeocoding:
    """The only job kind AWS's own sample has."""

    name = "reverse_geocoding"
    results = ResultFormat(re.compile(r"/results_\d+\.csv$"), "reverse_geo.status", "Valid Data")

    def parameters(self, deployment: Deployment, run_id: str) -> Mapping[str, str]:
        config = deployment.config
        columns = {"XAttributeName": config.job.longitude_column, "YAttributeName": config.job.latitude_column}
        source = {"DataSourceConfig": {"S3Data": {"S3Uri": input_location(deployment).uri}}, "DocumentType": "CSV"}
        target = {"S3Data": {"S3Uri": f"s3://{config.bucket.name}/{self.output_prefix(deployment, run_id)}"}}
        return {
            "parameter_execution_role": deployment.sagemaker_role_arn,
            "parameter_region": config.region,
            "parameter_queue_url": deployment.queue_url,
            "parameter_vej_input_config": _compact(source),
            "parameter_vej_export_config": _compact(target),
            "parameter_step_1_vej_config": _compact({"ReverseGeocodingConfig": columns}),
        }

    def output_prefix(self, deployment: Deployment, run_id: str) -> str:
        return f"{deployment.config.output.prefix}{run_id}/"

    def points(self, job: JobConfig) -> PointColumns:
        """Those of the input, which the results keep."""
        return PointColumns(job.longitude_column, job.latitude_column)

    def warning(self, aws: Aws) -> str | None:
        """AWS has closed the service to new customers; what it answers them is access denied."""
        try:
            aws.client("sagemaker-geospatial").list_vector_enrichment_jobs(MaxResults=1)
        except AWS_ERRORS as error:
            if denied(error):
                return (
                    "SageMaker geospatial denies this caller ListVectorEnrichmentJobs. If the account is not enrolled "
                    "(the service is closed to new customers), the job will be denied too."
                )
            raise
        return None

    def input_warning(self, deployment: Deployment) -> str | None:
        source, job = deployment.config.input.source, deployment.config.job
        if not isinstance(source, Path):
            return None
        there = [name.strip() for name in first_row(source)]  # how blanks are taken is not documented
        missing = [name for name in (job.longitude_column, job.latitude_column) if name.strip() not in there]
        if not missing or not there:
            return None
        columns = f"column{'s' if len(missing) > 1 else ''} {' and '.join(map(repr, missing))}"
        return f"{source.name} has no {columns}, so the job will fail; it has {', '.join(map(repr, there))}."

    def state(self, aws: Aws, outputs: Mapping[str, str]) -> str:
        arn = outputs.get("vej_arn")
        if not arn:
            return "no job"
        job = _job(aws, arn)
        return f"job {job['Status']}, export {job.get('ExportStatus', 'not begun')}" if job else "job gone"

    def running(self, aws: Aws) -> frozenset[str]:
        pages = aws.client("sagemaker-geospatial").get_paginator("list_vector_enrichment_jobs")
        try:
            listed = [page for status in _GOING_ON for page in pages.paginate(StatusEquals=status)]
        except AWS_ERRORS as error:
            if denied(error):
                return frozenset()
            raise
        return frozenset(job["Arn"] for page in listed for job in page["VectorEnrichmentJobSummaries"])

    def stop(self, aws: Aws, arn: str) -> None:
        try:
            ignore_gone(lambda: aws.client("sagemaker-geospatial").stop_vector_enrichment_job(Arn=arn))
        except AWS_ERRORS as error:
            if error_code(error) != "ConflictException":
                raise

    def failure(self, aws: Aws, outputs: Mapping[str, str]) -> JobFailure | None:
        arn = outputs.get("vej_arn")
        if not arn:
            return None
        job = _job(aws, arn)
        return failure_of(job) if job else JobFailure("job-stopped", f"The job {arn} does not exist any more.")


def _job(aws: Aws, arn: str) -> Mapping[str, Any] | None:
    return none_if_gone(lambda: aws.client("sagemaker-geospatial").get_vector_enrichment_job(Arn=arn))


def failure_of(job: Mapping[str, Any]) -> JobFailure | None:
    """What GetVectorEnrichmentJob's answer says went wrong with the job or its export; None if nothing."""
    if job["Status"] == "FAILED":
        details = job.get("ErrorDetails", {})
        return _failure("Job", job["Status"], details.get("ErrorType", ""), details.get("ErrorMessage", ""))
    if job["Status"] in ("STOPPING", "STOPPED", "DELETING", "DELETED"):
        return JobFailure("job-stopped", f"Job {job['Status']}.")
    if job.get("ExportStatus") == "FAILED":
        details = job.get("ExportErrorDetails", {})
        return _failure("Export", job["ExportStatus"], details.get("Type", ""), details.get("Message", ""))
    return None


def _failure(what: str, status: str, kind: str, message: str) -> JobFailure:
    """AWS has one type for all of a client's errors, so only the message tells them apart."""
    code = next((code for code, pattern in _ERRORS if pattern.search(message)), f"{what.lower()}-failed")
    if what == "Export" and code.startswith("input-"):
        code = "export-failed"  # what is missing then is not the input
    details = " ".join(filter(None, (kind, message)))
    return JobFailure(code, f"{what} {status}: {details}" if details else f"{what} {status}.")


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))  # a parameter's value has 1,024 characters at most
