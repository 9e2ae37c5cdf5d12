"""SageMaker Pipelines as a service of this endpoint: the one place where its parts are put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ...service import Environment, Handler, RequestContext
from .engine import Engine
from .execution import Now
from .execution_operations import ExecutionOperations
from .pipeline_operations import PipelineOperations
from .status_events import StatusEvents
from .steps import STEP_TYPES
from .steps.base import StepType
from .store import Store
from .tag_operations import TagOperations
from .version_operations import VersionOperations


def utc_now() -> datetime:
    return datetime.now(UTC)


class PipelinesService:
    name = "sagemaker"
    model_name = "sagemaker"

    def __init__(
        self,
        environment: Environment,
        now: Now = utc_now,
        step_types: Sequence[Callable[[Environment], StepType]] = STEP_TYPES,
    ) -> None:
        self._environment = environment
        self._step_types = {step_type.name: step_type for step_type in (create(environment) for create in step_types)}
        self.store = Store(environment.tables, self._step_types, lambda *step: self._engine.open_step(*step), now)
        self._engine = Engine(environment, self._step_types.values(), self.store.executions, now)
        self._handlers: dict[str, Handler] = {
            **PipelineOperations(environment, self.store, self._engine, self._step_types, now).handlers(),
            **ExecutionOperations(environment, self.store, self._engine, now).handlers(),
            **TagOperations(self.store).handlers(),
            **VersionOperations(self.store).handlers(),
        }
        for step_type in self._step_types.values():
            self._handlers.update(step_type.handlers())

    @property
    def operations(self) -> Mapping[str, Handler]:
        return self._handlers

    def resource_of(self, operation: str, parameters: Mapping[str, Any], context: RequestContext) -> str | None:
        """Return the ARN that a call is about if only a step type knows it."""
        arns = (step_type.resource_of(operation, parameters, context) for step_type in self._step_types.values())
        return next((arn for arn in arns if arn is not None), None)

    def start(self) -> None:
        """Continue with the executions that a state folder has."""
        for execution in self.store.all_executions():
            events = StatusEvents(self._environment.emit)
            events.skip(execution)
            # One that has ended can be retried.
            execution.report = events.note
            if not execution.finished:
                self._engine.resume(execution)

    def stop(self) -> None:
        for step_type in self._step_types.values():
            step_type.close()
        self._engine.close()
