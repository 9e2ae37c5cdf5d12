"""SageMaker Pipelines as a service of this endpoint: the one place where its parts are put together.

To add a step type, write its module in `steps/` and name it here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ..service import Environment, Handler, RequestContext
from .engine import Engine
from .execution import Clock
from .execution_operations import ExecutionOperations
from .pipeline_operations import PipelineOperations
from .steps.base import StepType
from .steps.callback import CallbackStep
from .steps.condition import ConditionStep
from .steps.fail import FailStep
from .steps.function import STEP_LIMIT_SECONDS, LambdaStep
from .store import Store
from .tag_operations import TagOperations


def utc_now() -> datetime:
    return datetime.now(UTC)


class PipelinesService:
    name = "sagemaker"
    model_name = "sagemaker"

    def __init__(
        self, environment: Environment, clock: Clock = utc_now, lambda_limit_seconds: float = STEP_LIMIT_SECONDS
    ) -> None:
        self._callbacks = callbacks = CallbackStep(environment)
        functions = LambdaStep(environment, lambda_limit_seconds)
        step_types: list[StepType] = [functions, callbacks, ConditionStep(), FailStep()]
        self.store = Store()
        self._engine = Engine({step_type.name: step_type for step_type in step_types})
        checks = {step_type.name: step_type.check for step_type in step_types}
        self._handlers: dict[str, Handler] = {
            **PipelineOperations(environment, self.store, self._engine, checks, clock).handlers(),
            **ExecutionOperations(environment, self.store, self._engine, callbacks.answer, clock).handlers(),
            **TagOperations(self.store).handlers(),
        }

    @property
    def operations(self) -> Mapping[str, Handler]:
        return self._handlers

    def resource_of(self, operation: str, parameters: Mapping[str, Any], context: RequestContext) -> str | None:
        """Whose callback is answered shows only in its token."""
        if not operation.startswith("SendPipelineExecutionStep"):
            return None
        return self._callbacks.execution_of(context.region, parameters["CallbackToken"])

    def start(self) -> None:
        """Nothing runs until an execution does."""

    def stop(self) -> None:
        self._engine.close()
