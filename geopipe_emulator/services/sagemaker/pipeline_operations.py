"""The operations on pipelines themselves. Executions and tags have their own modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError

from ...protocol.errors import ServiceError
from ...service import Environment, Handler, RequestContext
from .definition import Definition, DefinitionError
from .engine import Engine
from .execution import Now
from .paging import created_between, descending, page
from .parsing import parse
from .requests import described_caller, pipeline_arn
from .roles import require_assumable
from .steps.base import StepType
from .store import ClientToken, Pipeline, PipelineVersion, Store
from .version_operations import aliases_for, described_version, version_number


class PipelineOperations:
    def __init__(
        self, environment: Environment, store: Store, engine: Engine, step_types: Mapping[str, StepType], now: Now
    ) -> None:
        self._environment = environment
        self._store = store
        self._engine = engine
        self._step_types = step_types
        self._now = now

    def handlers(self) -> dict[str, Handler]:
        return {
            "CreatePipeline": self.create,
            "UpdatePipeline": self.update,
            "DescribePipeline": self.describe,
            "DeletePipeline": self.delete,
            "ListPipelines": self.list,
        }

    def create(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        definition = self._definition(request, context)
        if definition is None:
            raise _exactly_one_definition()
        require_assumable(self._environment, request["RoleArn"], context)
        created, caller = self._now(), self._environment.identify(context)
        aliases = aliases_for(request.get("PipelineVersionAliases", ()), ())
        pipeline = Pipeline(
            arn=pipeline_arn(request["PipelineName"], context),
            name=request["PipelineName"],
            region=context.region,
            role_arn=request["RoleArn"],
            versions=(PipelineVersion(definition, created, aliases),),
            created=created,
            modified=created,
            created_by=caller,
            modified_by=caller,
            display_name=request.get("PipelineDisplayName", ""),
            description=request.get("PipelineDescription"),
            max_parallel=_max_parallel(request),
            tags={tag["Key"]: tag["Value"] for tag in request.get("Tags", [])},
        )
        token = ClientToken.of("CreatePipeline", context.region, request)
        return {"PipelineArn": self._store.add_pipeline(pipeline, token)}

    def update(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        arn = self._store.pipeline(pipeline_arn(request["PipelineName"], context)).arn
        definition = self._definition(request, context)
        if "RoleArn" in request:
            require_assumable(self._environment, request["RoleArn"], context)

        def change(old: Pipeline) -> Pipeline:
            now = self._now()
            return replace(
                old,
                modified=now,
                modified_by=self._environment.identify(context),
                versions=_with_version(old.versions, definition, now, request.get("PipelineVersionAliases", ())),
                role_arn=request.get("RoleArn", old.role_arn),
                display_name=request.get("PipelineDisplayName", old.display_name),
                description=request.get("PipelineDescription", old.description),
                max_parallel=_max_parallel(request) or old.max_parallel,
            )

        changed = self._store.change_pipeline(arn, change)
        return {"PipelineArn": arn, "PipelineVersionId": len(changed.versions)}

    def describe(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        pipeline = self._store.pipeline(pipeline_arn(request["PipelineName"], context))
        version = pipeline.versions[version_number(pipeline, request) - 1]
        last_run = [execution.created for execution in self._store.executions(pipeline.arn)][-1:]
        return {
            "PipelineArn": pipeline.arn,
            "PipelineName": pipeline.name,
            "PipelineDisplayName": pipeline.display_name or pipeline.name,
            "PipelineDefinition": version.definition.text,
            "RoleArn": pipeline.role_arn,
            "PipelineStatus": "Active",
            "CreationTime": pipeline.created,
            "LastModifiedTime": pipeline.modified,
            "CreatedBy": described_caller(pipeline.created_by),
            "LastModifiedBy": described_caller(pipeline.modified_by),
            **described_version(version),
            **_optional_fields(pipeline),
            **({"LastRunTime": last_run[0]} if last_run else {}),
        }

    def delete(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        arn = pipeline_arn(request["PipelineName"], context)
        token = ClientToken.of("DeletePipeline", context.region, request)
        self._engine.forget(self._store.delete_pipeline(arn, token))
        return {"PipelineArn": arn}

    def list(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        prefix = request.get("PipelineNamePrefix", "").lower()
        pipelines = [
            pipeline
            for pipeline in self._store.pipelines(context.region)
            if pipeline.name.lower().startswith(prefix) and created_between(pipeline.created, request)
        ]
        if request.get("ManagedBy") == "AWS":
            pipelines = []
        by_name = request.get("SortBy") == "Name"
        pipelines.sort(key=lambda p: (p.name.lower() if by_name else p.created, p.arn), reverse=descending(request))
        items, next_token = page(pipelines, lambda pipeline: pipeline.arn, request)
        return {"PipelineSummaries": [self._summary(pipeline) for pipeline in items], **next_token}

    def _summary(self, pipeline: Pipeline) -> dict[str, Any]:
        last_run = [execution.created for execution in self._store.executions(pipeline.arn)][-1:]
        description = {} if pipeline.description is None else {"PipelineDescription": pipeline.description}
        return {
            "PipelineArn": pipeline.arn,
            "PipelineName": pipeline.name,
            "PipelineDisplayName": pipeline.display_name or pipeline.name,
            "RoleArn": pipeline.role_arn,
            "CreationTime": pipeline.created,
            "LastModifiedTime": pipeline.modified,
            **description,
            **({"LastExecutionTime": last_run[0]} if last_run else {}),
        }

    def _definition(self, request: Mapping[str, Any], context: RequestContext) -> Definition | None:
        """Return the definition in the request, inline or in S3; None when it has neither."""
        inline, location = request.get("PipelineDefinition"), request.get("PipelineDefinitionS3Location")
        if inline is not None and location is not None:
            raise _exactly_one_definition()
        text = inline if location is None else self._fetch(location, context)
        if text is None:
            return None
        try:
            return parse(text, self._step_types, context.region)
        except DefinitionError as error:
            raise ServiceError("ValidationException", str(error)) from None

    def _fetch(self, location: Mapping[str, Any], context: RequestContext) -> str:
        version = {"VersionId": location["VersionId"]} if "VersionId" in location else {}
        s3 = self._environment.client("s3", context.region)
        try:
            body: bytes = s3.get_object(Bucket=location["Bucket"], Key=location["ObjectKey"], **version)["Body"].read()
            return body.decode()
        except ClientError as error:
            reason = str(error)
        except UnicodeDecodeError:
            reason = "the object is not UTF-8 text"
        uri = f"s3://{location['Bucket']}/{location['ObjectKey']}"
        raise ServiceError("ValidationException", f"Unable to read pipeline definition from {uri}: {reason}")


def _with_version(
    versions: tuple[PipelineVersion, ...], definition: Definition | None, created: datetime, aliases: Sequence[str]
) -> tuple[PipelineVersion, ...]:
    """Return the versions after an update. Only another definition makes a new one."""
    if definition is not None and definition.text != versions[-1].definition.text:
        return (*versions, PipelineVersion(definition, created, aliases_for(aliases, versions)))
    if aliases:
        message = "PipelineVersionAliases can be given only when the update changes the pipeline definition."
        raise ServiceError("ValidationException", message)
    return versions


def _max_parallel(request: Mapping[str, Any]) -> int | None:
    limit = request.get("ParallelismConfiguration", {}).get("MaxParallelExecutionSteps")
    return None if limit is None else int(limit)


def _optional_fields(pipeline: Pipeline) -> dict[str, Any]:
    """Return the fields of a response that only some pipelines have."""
    fields: dict[str, Any] = {}
    if pipeline.description is not None:
        fields["PipelineDescription"] = pipeline.description
    if pipeline.max_parallel is not None:
        fields["ParallelismConfiguration"] = {"MaxParallelExecutionSteps": pipeline.max_parallel}
    return fields


def _exactly_one_definition() -> ServiceError:
    return ServiceError(
        "ValidationException", "Give exactly one of PipelineDefinition and PipelineDefinitionS3Location."
    )
