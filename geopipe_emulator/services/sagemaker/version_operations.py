"""Versions of pipelines and their aliases: list and update. CreatePipeline and UpdatePipeline make them.

The rules are those of the API model of botocore 1.43. It does not say with which errors AWS enforces them. A taken
alias is a ConflictException here, a missing version or alias a ResourceNotFound, and the rest a ValidationException.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...protocol.errors import ServiceError
from ...service import Handler, RequestContext
from .execution import PipelineExecution
from .paging import created_between, descending, page
from .requests import is_pipeline_arn, pipeline_arn
from .store import Pipeline, PipelineVersion, Store

_MOST_ALIASES = 10


class VersionOperations:
    def __init__(self, store: Store) -> None:
        self._store = store

    def handlers(self) -> dict[str, Handler]:
        return {"ListPipelineVersions": self.list, "UpdatePipelineVersion": self.update}

    def list(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        pipeline = self._store.pipeline(pipeline_arn(request["PipelineName"], context))
        numbers = [
            number
            for number, version in enumerate(pipeline.versions, start=1)
            if created_between(version.created, request)
        ]
        if descending(request):
            numbers.reverse()
        last_runs = {e.request.version: e.request.arn for e in self._store.executions(pipeline.arn)}
        items, next_token = page(numbers, str, request)
        return {"PipelineVersionSummaries": [_summary(pipeline, n, last_runs.get(n)) for n in items], **next_token}

    def update(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        arn, number = request["PipelineArn"], request["PipelineVersionId"]
        if not is_pipeline_arn(arn):
            raise ServiceError("ValidationException", f"PipelineArn '{arn}' is not the ARN of a pipeline.")
        operations = request.get("PipelineVersionAliasOperations", {})

        def change(old: Pipeline) -> Pipeline:
            version = old.versions[version_number(old, request) - 1]
            removed = operations.get("Remove", ())
            if absent := [alias for alias in removed if alias not in version.aliases]:
                raise ServiceError("ResourceNotFound", f"Version {number} has no alias {', '.join(absent)}.")
            kept = replace(version, aliases=tuple(alias for alias in version.aliases if alias not in removed))
            others = (*old.versions[: number - 1], *old.versions[number:])
            changed = replace(
                kept,
                aliases=aliases_for((*kept.aliases, *operations.get("Add", ())), others),
                display_name=request.get("PipelineVersionDisplayName", version.display_name),
                description=request.get("PipelineVersionDescription", version.description),
            )
            return replace(old, versions=(*old.versions[: number - 1], changed, *old.versions[number:]))

        return {"PipelineArn": self._store.change_pipeline(arn, change).arn, "PipelineVersionId": number}


def version_number(pipeline: Pipeline, request: Mapping[str, Any]) -> int:
    """Return the version that a request names by its number or by an alias, else the newest; they count from 1."""
    number, alias = request.get("PipelineVersionId"), request.get("PipelineVersionAlias")
    if number is not None and alias is not None:
        raise ServiceError("ValidationException", "Give PipelineVersionId or PipelineVersionAlias, not both.")
    if alias is not None:
        number = next((n for n, v in enumerate(pipeline.versions, start=1) if alias in v.aliases), None)
        if number is None:
            raise ServiceError("ResourceNotFound", f"Pipeline '{pipeline.arn}' has no version with alias {alias}.")
    if number is not None and not 1 <= number <= len(pipeline.versions):
        raise ServiceError("ResourceNotFound", f"Pipeline '{pipeline.arn}' has no version {number}.")
    return len(pipeline.versions) if number is None else int(number)


def aliases_for(aliases: Sequence[str], others: Sequence[PipelineVersion]) -> tuple[str, ...]:
    """Return the aliases of one version, each once. Raises ServiceError for those that it cannot have."""
    wanted = tuple(dict.fromkeys(aliases))
    if numeric := [alias for alias in wanted if alias.isdecimal()]:
        raise ServiceError("ValidationException", f"Aliases cannot consist of numbers only: {', '.join(numeric)}")
    if len(wanted) > _MOST_ALIASES:
        raise ServiceError("ValidationException", f"A version can have at most {_MOST_ALIASES} aliases.")
    if taken := [alias for alias in wanted if any(alias in version.aliases for version in others)]:
        message = f"Another version of the pipeline has the alias {', '.join(taken)}. Remove it there first."
        raise ServiceError("ConflictException", message)
    return wanted


def aliases_of(pipeline: Pipeline, execution: PipelineExecution) -> tuple[str, ...]:
    """Return the aliases that the version of an execution has now."""
    return pipeline.versions[execution.request.version - 1].aliases


def described_version(version: PipelineVersion) -> dict[str, Any]:
    """Return the members that describe a version, in every response that has them."""
    described = {
        "PipelineVersionDisplayName": version.display_name,
        "PipelineVersionDescription": version.description,
        "PipelineVersionAliases": list(version.aliases) or None,
    }
    return {name: value for name, value in described.items() if value is not None}


def _summary(pipeline: Pipeline, number: int, last_run: str | None) -> dict[str, Any]:
    version = pipeline.versions[number - 1]
    return {
        "PipelineArn": pipeline.arn,
        "PipelineVersionId": number,
        "CreationTime": version.created,
        **described_version(version),
        **({"LastExecutionPipelineExecutionArn": last_run} if last_run else {}),
    }
