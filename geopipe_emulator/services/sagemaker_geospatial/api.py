"""The vector enrichment operations of `sagemaker-geospatial`: checks requests and builds responses.

Earth observation jobs and map matching are not emulated. The operations of the first are missing; the second is refused
by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from ...protocol.errors import ServiceError
from ...service import Environment, Handler, RequestContext
from .describe import describe_export, describe_job, describe_start, list_page, request_of
from .engine import JobEngine, random_id
from .roles import require_assumable
from .store import EnrichmentJob, Export, JobStore, Status, UnknownJob, WrongState

REGION = "us-west-2"
MAX_TAGS = 50


def utc_now() -> datetime:
    return datetime.now(UTC)


class GeospatialService:
    """SageMaker geospatial as a service of this endpoint."""

    name = "sagemaker-geospatial"
    model_name = "sagemaker-geospatial"

    def __init__(self, environment: Environment, now: Callable[[], datetime] = utc_now) -> None:
        self._environment = environment
        self._now = now
        self._store = JobStore(environment.tables)
        self._engine = JobEngine(environment, self._store, now)
        handlers: Mapping[str, Handler] = {
            "StartVectorEnrichmentJob": self._start_job,
            "GetVectorEnrichmentJob": self._get_job,
            "ListVectorEnrichmentJobs": self._list_jobs,
            "StopVectorEnrichmentJob": self._stop_job,
            "DeleteVectorEnrichmentJob": self._delete_job,
            "ExportVectorEnrichmentJob": self._export_job,
            "TagResource": self._tag,
            "UntagResource": self._untag,
            "ListTagsForResource": self._list_tags,
        }
        self.operations: Mapping[str, Handler] = {
            name: _open_to_caller(handler, environment.settings.geospatial_refusal)
            for name, handler in handlers.items()
        }

    def start(self) -> None:
        """Continue with the jobs that a state folder has."""
        self._engine.resume()

    def stop(self) -> None:
        self._engine.close()

    def _start_job(self, parameters: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        _require_emulated(parameters)
        _require_good_tags(parameters.get("Tags", {}))
        self._require_role(parameters["ExecutionRoleArn"])
        new_job = self._new_job(parameters, context)
        job = self._store.add(new_job)
        if job is new_job:
            self._engine.start_job(job)
        elif request_of(job) != request_of(new_job):
            raise _token_used_before()
        return describe_start(job, self._now())

    def _get_job(self, parameters: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        return describe_job(self._store.get(parameters["Arn"]), self._now())

    def _list_jobs(self, parameters: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        return list_page(self._store.all(), parameters, self._now())

    def _stop_job(self, parameters: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        job = self._store.move(parameters["Arn"], Status.STOPPING)
        self._engine.stop_job(job.arn)
        return {}

    def _delete_job(self, parameters: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        self._store.delete(parameters["Arn"]).close()
        return {}

    def _export_job(self, parameters: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        self._require_role(parameters["ExecutionRoleArn"])
        export = Export(
            role_arn=parameters["ExecutionRoleArn"],
            output_config=parameters["OutputConfig"],
            created=self._now(),
            client_token=parameters.get("ClientToken"),
        )
        job, is_new = self._store.start_export(parameters["Arn"], export)
        if is_new:
            self._engine.start_export(job)
        elif job.export is None or job.export.output_config != export.output_config:
            raise _token_used_before()
        return describe_export(job)

    def _tag(self, parameters: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        arn, tags = parameters["ResourceArn"], parameters["Tags"]
        _require_good_tags({**self._store.get(arn).tags, **tags})
        self._store.tag(arn, tags)
        return {}

    def _untag(self, parameters: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        self._store.untag(parameters["ResourceArn"], parameters["TagKeys"])
        return {}

    def _list_tags(self, parameters: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        return {"Tags": dict(self._store.get(parameters["ResourceArn"]).tags)}

    def _require_role(self, role_arn: str) -> None:
        require_assumable(self._environment.client("iam"), role_arn)

    def _new_job(self, parameters: Mapping[str, Any], context: RequestContext) -> EnrichmentJob:
        return EnrichmentJob(
            arn=f"arn:{context.partition}:{self.name}:{context.region}:{context.account_id}"
            f":vector-enrichment-job/{random_id()}",
            name=parameters["Name"],
            role_arn=parameters["ExecutionRoleArn"],
            input_config=parameters["InputConfig"],
            job_config=parameters["JobConfig"],
            kms_key_id=parameters.get("KmsKeyId"),
            client_token=parameters.get("ClientToken"),
            tags=parameters.get("Tags", {}),
            created=self._now(),
        )


def _open_to_caller(handler: Handler, refusal: str) -> Handler:
    """Refuse accounts and regions that the service is closed to, and name what the store refuses.

    `refusal` is the error code for an account that is not enrolled; "none" for one that is.
    """

    def respond(parameters: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        if refusal != "none":
            raise ServiceError(refusal, "Only existing SageMaker geospatial customers can access the service.", 403)
        if context.region != REGION:
            raise ServiceError(
                "AccessDeniedException",
                f"SageMaker geospatial exists in {REGION} only; this request is for {context.region}.",
                403,
            )
        try:
            return handler(parameters, context)
        except UnknownJob as error:
            raise ServiceError("ResourceNotFoundException", f"There is no job {error}.", 404) from error
        except WrongState as error:
            raise ServiceError("ConflictException", str(error), 409) from error

    return respond


def _require_emulated(parameters: Mapping[str, Any]) -> None:
    if "MapMatchingConfig" in parameters["JobConfig"]:
        raise ServiceError("ValidationException", "Map matching is not emulated; use ReverseGeocodingConfig.")
    if "ReverseGeocodingConfig" not in parameters["JobConfig"]:
        raise ServiceError("ValidationException", "JobConfig must have ReverseGeocodingConfig.")
    if "S3Data" not in parameters["InputConfig"]["DataSourceConfig"]:
        raise ServiceError("ValidationException", "InputConfig.DataSourceConfig must have S3Data.")


def _require_good_tags(tags: Mapping[str, str]) -> None:
    reserved = sorted(key for key in tags if key.lower().startswith("aws:"))
    if reserved:
        raise ServiceError("ValidationException", f"Tag keys beginning with aws: are reserved: {', '.join(reserved)}.")
    if len(tags) > MAX_TAGS:
        raise ServiceError("ValidationException", f"A job has at most {MAX_TAGS} tags, not {len(tags)}.")


def _token_used_before() -> ServiceError:
    return ServiceError("ConflictException", "The ClientToken was used before with other parameters.", 409)
