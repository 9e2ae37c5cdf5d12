"""Runs executions: turns what the state machine says is next into threads, and what activities report into states.

Nothing here polls: a step starts on the thread that ended the one before it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from .execution import Execution, StepRun
from .steps.base import Activity, Outcome, StepType, Task
from .values import ExpressionError, Scope, resolve

STOP_PATIENCE_SECONDS = 0.3
_LOG = logging.getLogger(__name__)


class Engine:
    def __init__(self, step_types: Mapping[str, StepType]) -> None:
        self._step_types = step_types
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._closed = False

    def begin(self, execution: Execution) -> None:
        self._launch(execution, execution.advance())

    def stop_execution(self, execution: Execution) -> None:
        """Tells running steps; returns at once, the execution may stay Stopping for long."""
        for run in execution.stop(lambda step: self._step_types[step.type].stoppable):
            if run.activity is not None:
                self._spawn_for(execution, run, run.activity.stop)

    def update(self, execution: Execution, **changes: Any) -> None:
        self._launch(execution, execution.update(**changes))

    def retry(self, execution: Execution, max_parallel: int | None) -> None:
        self._launch(execution, execution.retry(max_parallel))

    def forget(self, execution: Execution) -> None:
        for step_type in self._step_types.values():
            step_type.forget(execution.request.arn)

    def open_step(self, execution: Execution, run: StepRun, scope: Scope) -> Activity:
        """The activity of a step about to start; one whose values do not resolve fails as soon as it runs."""
        step = run.step
        finish = partial(self._finish, execution, run)
        try:
            body = resolve(step.body, scope)
        except ExpressionError as error:
            return _Unresolved(finish, f"Client Error: {error}")
        request = execution.request
        publish = partial(execution.publish, run)
        spawn = partial(self._spawn_for, execution, run)
        task = Task(step, body, request.arn, request.role_arn, request.region, publish, finish, spawn)
        return self._step_types[step.type].open(task)

    def close(self) -> None:
        """Starts nothing any more and waits briefly: a step that hangs in a call is left to die with the process."""
        with self._lock:
            self._closed = True
            threads = list(self._threads)
        deadline = time.monotonic() + STOP_PATIENCE_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def _finish(self, execution: Execution, run: StepRun, outcome: Outcome) -> None:
        self._launch(execution, execution.finish(run, outcome))

    def _launch(self, execution: Execution, runs: Iterable[StepRun]) -> None:
        for run in runs:
            if run.activity is not None:
                self._spawn_for(execution, run, run.activity.run)

    def _spawn_for(self, execution: Execution, run: StepRun, work: Callable[[], None]) -> bool:
        return self._spawn(partial(self._guard, execution, run, work))

    def _guard(self, execution: Execution, run: StepRun, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception:  # noqa: BLE001 - a bug of ours must end the step visibly: nobody else would ever finish it
            _LOG.exception("step %s of %s broke", run.step.name, execution.request.arn)
            self._finish(execution, run, Outcome.failure("Internal error while running the step"))

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


class _Unresolved:
    """Stands in for a step that refers to a value which is not there."""

    def __init__(self, finish: Callable[[Outcome], None], reason: str) -> None:
        self._finish = finish
        self._reason = reason

    def run(self) -> None:
        self._finish(Outcome.failure(self._reason))

    def stop(self) -> None:
        """It ends by itself at once."""
