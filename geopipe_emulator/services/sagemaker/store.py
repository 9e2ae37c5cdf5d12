"""Stores all pipelines and executions, and the client tokens that make repeated calls harmless.

It has one lock, which it never holds during a call to another service.
"""

from __future__ import annotations

import functools
import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from ...protocol.errors import ServiceError
from ...service import CallerIdentity
from ...state.errors import StateError
from ...state.records import KeptForm, RecordTable, RecordTables
from .definition import Definition, DefinitionError
from .execution import ExecutionRequest, Now, PipelineExecution, StepRun
from .parsing import parse
from .steps.base import Activity, StepType
from .values import ResolutionScope


@dataclass(frozen=True)
class PipelineVersion:
    """One version of a pipeline. Its definition never changes; its names and aliases can."""

    definition: Definition
    created: datetime
    aliases: tuple[str, ...] = ()
    display_name: str | None = None
    description: str | None = None


@dataclass(frozen=True)
class Pipeline:
    """The current state of a pipeline; an update replaces the whole object. Versions count from 1."""

    arn: str
    name: str
    region: str
    role_arn: str
    versions: tuple[PipelineVersion, ...]
    created: datetime
    modified: datetime
    created_by: CallerIdentity
    modified_by: CallerIdentity
    display_name: str = ""
    description: str | None = None
    max_parallel: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ClientToken:
    """The ClientRequestToken of one request, and a digest of the request itself."""

    operation: str
    region: str
    token: str
    request: str

    @classmethod
    def of(cls, operation: str, region: str, request: Mapping[str, Any]) -> ClientToken:
        parameters = {key: value for key, value in request.items() if key != "ClientRequestToken"}
        text = json.dumps(parameters, sort_keys=True, default=str)
        return cls(operation, region, request.get("ClientRequestToken", ""), _digest(text))


class Store:
    """`open_step` and `now` are for the executions that a state folder has."""

    def __init__(
        self,
        tables: RecordTables,
        step_types: Mapping[str, StepType],
        open_step: Callable[[PipelineExecution, StepRun, ResolutionScope], Activity],
        now: Now,
    ) -> None:
        self._tables = tables
        definitions = _definition_form(step_types)
        self._pipelines: RecordTable[str, Pipeline] = tables.open(
            "pipeline", Pipeline, PipelineVersion, CallerIdentity, forms=(definitions,)
        )
        self._executions: RecordTable[str, PipelineExecution] = tables.open(
            "pipeline execution",
            ExecutionRequest,
            CallerIdentity,
            forms=(definitions,),
            simplify=PipelineExecution.record,
            restore=lambda record: PipelineExecution.from_record(record, open_step, now),
        )
        for execution in self._executions.values():
            self._follow(execution)
        self._responses: RecordTable[tuple[str, str, str], tuple[str, str]] = tables.open(
            "pipeline client token", restore=_restored_response
        )
        self._lock = threading.RLock()

    def _follow(self, execution: PipelineExecution) -> None:
        """Write the execution after each of its changes, with the events that report them."""
        execution.on_change = partial(self._executions.save, execution.request.arn)
        execution.together = self._tables.together

    def all_executions(self) -> list[PipelineExecution]:
        with self._lock:
            return list(self._executions.values())

    def add_pipeline(self, pipeline: Pipeline, token: ClientToken) -> str:
        """Return the ARN of the new pipeline, or of the one that the same request has created before."""
        with self._lock:
            if (arn := self._recall(token)) and arn in self._pipelines:
                return arn
            if pipeline.arn in self._pipelines:
                raise ServiceError(
                    "ValidationException",
                    "Pipeline names must be unique within an AWS account and region. "
                    f"Pipeline with name ({pipeline.name}) already exists.",
                )
            with self._tables.together():
                self._pipelines[pipeline.arn] = pipeline
                self._remember(token, pipeline.arn)
            return pipeline.arn

    def pipeline(self, arn: str) -> Pipeline:
        with self._lock:
            if arn.lower() not in self._pipelines:
                raise ServiceError("ResourceNotFound", f"Pipeline '{arn}' does not exist.")
            return self._pipelines[arn.lower()]

    def change_pipeline(self, arn: str, change: Callable[[Pipeline], Pipeline]) -> Pipeline:
        with self._lock:
            self._pipelines[arn.lower()] = changed = change(self.pipeline(arn))
            return changed

    def pipelines(self, region: str) -> list[Pipeline]:
        with self._lock:
            return [pipeline for pipeline in self._pipelines.values() if pipeline.region == region]

    def delete_pipeline(self, arn: str, token: ClientToken) -> list[PipelineExecution]:
        """Remove the pipeline and return its history; refuse while an execution runs."""
        with self._lock:
            if self._recall(token) and arn not in self._pipelines:
                return []
            pipeline = self.pipeline(arn)
            executions = self.executions(pipeline.arn)
            if running := [execution for execution in executions if not execution.finished]:
                raise ServiceError(
                    "ConflictException",
                    f"Pipeline {pipeline.name} cannot be deleted while it has running executions: "
                    + ", ".join(execution.request.arn for execution in running),
                )
            with self._tables.together():
                del self._pipelines[pipeline.arn]
                for execution in executions:
                    del self._executions[execution.request.arn]
                self._remember(token, pipeline.arn)
            return executions

    def add_execution(self, execution: PipelineExecution, token: ClientToken) -> PipelineExecution:
        """Store the execution and return it, or return the one that the same request has started before."""
        with self._lock:
            if (arn := self._recall(token)) and arn in self._executions:
                return self._executions[arn]
            self.pipeline(execution.request.pipeline_arn)
            with self._tables.together():
                self._executions[execution.request.arn] = execution
                self._remember(token, execution.request.arn)
            self._follow(execution)
            return execution

    def execution(self, arn: str) -> PipelineExecution:
        with self._lock:
            if arn.lower() not in self._executions:
                raise ServiceError("ResourceNotFound", f"Pipeline execution '{arn}' does not exist.")
            return self._executions[arn.lower()]

    def once(self, execution: PipelineExecution, token: ClientToken, work: Callable[[], None]) -> None:
        """Do `work` on a known execution, unless the same request has done so before."""
        with self._lock:
            self.execution(execution.request.arn)
            if self._recall(token) is None:
                with execution.lock, self._tables.together():
                    work()
                    self._remember(token, execution.request.arn)

    def executions(self, pipeline_arn: str) -> list[PipelineExecution]:
        """Return a pipeline's executions in the order of their start."""
        with self._lock:
            return [e for e in self._executions.values() if e.request.pipeline_arn == pipeline_arn]

    def _recall(self, token: ClientToken) -> str | None:
        known = self._responses.get((token.operation, token.region, token.token)) if token.token else None
        if known is None:
            return None
        request, arn = known
        if request != token.request:
            raise ServiceError("ConflictException", "ClientRequestToken was used before with different parameters.")
        return arn

    def _remember(self, token: ClientToken, arn: str) -> None:
        if token.token:
            self._responses[token.operation, token.region, token.token] = (token.request, arn)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _restored_response(kept: tuple[str, str]) -> tuple[str, str]:
    """Return the digest of a request and the ARN. An older state folder has the JSON of the request instead."""
    request, arn = kept
    return _digest(request) if request.startswith("{") else request, arn


def _definition_form(step_types: Mapping[str, StepType]) -> KeptForm:
    """Return how definitions are kept: as their text, once each."""

    @functools.lru_cache(maxsize=256)
    def parsed(text: bytes, region: str) -> Definition:
        try:
            return parse(text.decode(), step_types, region)
        except DefinitionError as error:
            raise StateError(f"a pipeline definition is not accepted any more: {error}") from error

    return KeptForm(
        "Definition",
        Definition,
        lambda definition: (definition.text.encode(), definition.region),
        lambda kept: parsed(*kept),
    )
