"""Runs executions: starts threads for the steps that are next, and hands their results to the state machine.

Nothing here polls: the thread that ends a step starts the next ones. What an attempt of a step does is in `attempts`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from ...service import Environment
from .attempts import Attempts
from .execution import Now, PipelineExecution, StepRun
from .steps.base import Activity, StepResult, StepType
from .values import ResolutionScope

STOP_WAIT_SECONDS = 0.3
_LOG = logging.getLogger(__name__)


class Engine:
    """`executions` returns those of a pipeline by its ARN, among which the cache of steps searches."""

    def __init__(
        self,
        environment: Environment,
        step_types: Iterable[StepType],
        executions: Callable[[str], list[PipelineExecution]],
        now: Now,
    ) -> None:
        self._environment = environment
        self._step_types = tuple(step_types)
        self._executions = executions
        self._now = now
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._closed = False

    def resume(self, execution: PipelineExecution) -> None:
        """Continue with an execution that ran when an earlier process ended."""

        def resume() -> None:
            runs = execution.reopen()
            for run in runs:
                if isinstance(run.activity, Attempts):
                    self._guard(execution, run, run.activity.resume)
            if not runs:
                self.begin(execution)

        self._spawn(resume)

    def begin(self, execution: PipelineExecution) -> None:
        self._launch(execution, execution.advance())

    def stop_execution(self, execution: PipelineExecution) -> None:
        """Stop the running steps. Returns immediately; the execution may stay Stopping for long."""
        for run in execution.stop():
            # A step that has ended since has none.
            if activity := run.activity:
                self._spawn_for(execution, run, activity.stop)

    def update(self, execution: PipelineExecution, **changes: Any) -> None:
        self._launch(execution, execution.update(**changes))

    def retry(self, execution: PipelineExecution, max_parallel: int | None) -> None:
        self._launch(execution, execution.retry(max_parallel))

    def forget(self, executions: Iterable[PipelineExecution]) -> None:
        arns = frozenset(execution.request.arn for execution in executions)
        for step_type in self._step_types:
            step_type.forget(arns)

    def open_step(self, execution: PipelineExecution, run: StepRun, scope: ResolutionScope) -> Activity:
        """Return the activity of a step that is about to start."""
        return Attempts(
            self._environment,
            execution,
            run,
            scope,
            finish=partial(self._finish, execution, run),
            spawn=partial(self._spawn_for, execution, run),
            siblings=partial(self._executions, execution.request.pipeline_arn),
            now=self._now,
        )

    def close(self) -> None:
        """Start nothing more and wait briefly. A step that hangs in a call ends with the process."""
        with self._lock:
            self._closed = True
            threads = list(self._threads)
        deadline = time.monotonic() + STOP_WAIT_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _finish(self, execution: PipelineExecution, run: StepRun, result: StepResult) -> None:
        self._launch(execution, execution.finish(run, result))

    def _launch(self, execution: PipelineExecution, runs: Iterable[StepRun]) -> None:
        for run in runs:
            if activity := run.activity:
                self._spawn_for(execution, run, activity.run)

    def _spawn_for(self, execution: PipelineExecution, run: StepRun, work: Callable[[], None]) -> bool:
        return self._spawn(partial(self._guard, execution, run, work))

    def _guard(self, execution: PipelineExecution, run: StepRun, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:  # noqa: BLE001 - nothing else would end the step, so our own bug must end it visibly
            _LOG.exception("step %s of %s failed with a bug", run.step.name, execution.request.arn)
            self._finish(execution, run, StepResult.failure("Internal error while running the step"))

    def _spawn(self, work: Callable[[], None]) -> bool:
        def body() -> None:
            try:
                work()
            finally:
                with self._lock:
                    self._threads.discard(thread)

        thread = threading.Thread(target=body, name="pipeline-step", daemon=True)
        with self._lock:
            if not self._closed:
                self._threads.add(thread)
                thread.start()
            return not self._closed
