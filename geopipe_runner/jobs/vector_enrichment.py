"""What the job kinds share that run a vector enrichment job of SageMaker geospatial.

Parameter names are those of AWS's sample pipeline; the shapes inside are StartVectorEnrichmentJob's JobConfig and
InputConfig and ExportVectorEnrichmentJob's OutputConfig.
"""

from __future__ import annotations

import json
import re
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..aws.error_codes import error_code, is_denied, is_refusal
from ..aws.not_found import ignore_not_found, none_if_not_found
from ..config.model import JobConfig
from ..deployment import Deployment, JobRights
from .base import AccountCheck, JobFailure, JobKind, input_location

if TYPE_CHECKING:
    from ..aws.clients import Aws

_UNFINISHED = ("INITIALIZING", "IN_PROGRESS")
_FINISHED = ("COMPLETED", "FAILED", "STOPPED")
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


class VectorEnrichmentJob(JobKind):
    """A job that starts with a JobConfig, and whose result is exported to S3."""

    has_job = True
    rights = JobRights(
        trusted_services=("sagemaker-geospatial.amazonaws.com",),
        function_actions=(
            "sagemaker-geospatial:StartVectorEnrichmentJob",
            "sagemaker-geospatial:GetVectorEnrichmentJob",
            "sagemaker-geospatial:ExportVectorEnrichmentJob",
            # A callback that is stopped, or past its deadline, must not leave its job running (and billed).
            "sagemaker-geospatial:StopVectorEnrichmentJob",
            # A job whose start was refused with a conflict, because an earlier response was lost, is looked up.
            "sagemaker-geospatial:ListVectorEnrichmentJobs",
        ),
        # AWS's guide to geospatial roles asks for it on the role of an export.
        role_actions=("sagemaker-geospatial:GetVectorEnrichmentJob",),
    )
    permissions = (
        "sagemaker-geospatial:ListVectorEnrichmentJobs",
        "sagemaker-geospatial:GetVectorEnrichmentJob",
        "sagemaker-geospatial:StopVectorEnrichmentJob",
        "sagemaker-geospatial:DeleteVectorEnrichmentJob",
    )

    @abstractmethod
    def job_config(self, job: JobConfig) -> Mapping[str, Any]:
        """Returns StartVectorEnrichmentJob's JobConfig. Pure."""

    @abstractmethod
    def way_out(self) -> str:
        """Returns what a person can do whose account AWS has not enrolled, as part of a sentence."""

    def parameters(self, deployment: Deployment, run_id: str) -> Mapping[str, str]:
        config = deployment.config
        source = {"DataSourceConfig": {"S3Data": {"S3Uri": input_location(deployment).uri}}, "DocumentType": "CSV"}
        target = {"S3Data": {"S3Uri": f"s3://{config.bucket.name}/{self.output_prefix(deployment, run_id)}"}}
        return {
            "parameter_execution_role": deployment.sagemaker_role_arn,
            "parameter_region": config.region,
            "parameter_queue_url": deployment.queue_url,
            "parameter_vej_input_config": _compact(source),
            "parameter_vej_export_config": _compact(target),
            "parameter_step_1_vej_config": _compact(self.job_config(config.job)),
        }

    def check_account(self, aws: Aws) -> AccountCheck:
        """Returns a refusal where the service is not open to this account.

        AWS has closed it to new customers, and its response to them is not documented. So every refusal counts,
        with any code. What cannot be found out is a warning.
        """
        from ..aws.errors import AWS_ERRORS, reason  # heavy: they bring botocore's parsers along

        try:
            aws.client("sagemaker-geospatial").list_vector_enrichment_jobs(MaxResults=1)
        except AWS_ERRORS as error:
            if is_refusal(error):
                return AccountCheck(refusal=_refusal(error_code(error), self.way_out()))
            return AccountCheck(
                warning=f"Cannot check whether this account may use SageMaker geospatial: {reason(error)}"
            )
        return AccountCheck()

    def state(self, aws: Aws, outputs: Mapping[str, str]) -> str:
        arn = outputs.get("vej_arn")
        if not arn:
            return "no job"
        job = _job(aws, arn)
        return (
            f"job {job['Status']}, export {job.get('ExportStatus', 'not started')}"
            if job
            else "the job no longer exists"
        )

    def running(self, aws: Aws) -> frozenset[str]:
        from ..aws.errors import AWS_ERRORS  # heavy: they bring botocore's parsers along

        pages = aws.client("sagemaker-geospatial").get_paginator("list_vector_enrichment_jobs")
        try:
            listed = [page for status in _UNFINISHED for page in pages.paginate(StatusEquals=status)]
        except AWS_ERRORS as error:
            if is_denied(error):
                return frozenset()
            raise
        return frozenset(job["Arn"] for page in listed for job in page["VectorEnrichmentJobSummaries"])

    def stop(self, aws: Aws, arn: str) -> None:
        from ..aws.errors import AWS_ERRORS  # heavy: they bring botocore's parsers along

        try:
            ignore_not_found(lambda: aws.client("sagemaker-geospatial").stop_vector_enrichment_job(Arn=arn))
        except AWS_ERRORS as error:
            if error_code(error) != "ConflictException":
                raise

    def finished(self, aws: Aws) -> frozenset[str]:
        pages = aws.client("sagemaker-geospatial").get_paginator("list_vector_enrichment_jobs").paginate()
        jobs = (job for page in pages for job in page["VectorEnrichmentJobSummaries"])
        return frozenset(job["Arn"] for job in jobs if job["Status"] in _FINISHED)

    def delete(self, aws: Aws, arn: str) -> None:
        ignore_not_found(lambda: aws.client("sagemaker-geospatial").delete_vector_enrichment_job(Arn=arn))

    def failure(self, aws: Aws, outputs: Mapping[str, str]) -> JobFailure | None:
        arn = outputs.get("vej_arn")
        if not arn:
            return None
        job = _job(aws, arn)
        return failure_of(job) if job else JobFailure("job-stopped", f"The job {arn} does not exist any more.")


def _refusal(code: str, way_out: str) -> str:
    return (
        f"SageMaker geospatial, which is closed to new customers, refuses ListVectorEnrichmentJobs ({code}); "
        f"{way_out}, or, if this account is enrolled, allow the caller sagemaker-geospatial:ListVectorEnrichmentJobs."
    )


def _job(aws: Aws, arn: str) -> Mapping[str, Any] | None:
    return none_if_not_found(lambda: aws.client("sagemaker-geospatial").get_vector_enrichment_job(Arn=arn))


def failure_of(job: Mapping[str, Any]) -> JobFailure | None:
    """Returns what went wrong with a job or its export, by the response of GetVectorEnrichmentJob; None if nothing."""
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
    """Returns the failure by the pattern of its message, since AWS has one type for all client errors."""
    code = next((code for code, pattern in _ERRORS if pattern.search(message)), f"{what.lower()}-failed")
    if what == "Export" and code.startswith("input-"):
        code = "export-failed"  # what is missing then is not the input
    details = " ".join(filter(None, (kind, message)))
    return JobFailure(code, f"{what} {status}: {details}" if details else f"{what} {status}.")


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))  # a parameter's value has 1,024 characters at most
