"""One execution as a state machine: which steps run, which may start, how it ends.

It starts no thread and calls no service: every method takes the one lock briefly and returns what is to be done next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from ..errors import ServiceError
from .definition import FAIL, Definition, Step
from .steps.base import Activity, Outcome
from .values import Scope

FAILED_TEXT = "Step failure: One or multiple steps failed."
Clock = Callable[[], datetime]


@dataclass(frozen=True)
class ExecutionRequest:
    """What a start fixes for good. The definition is a snapshot: later updates of the pipeline do not reach it."""

    arn: str
    pipeline_arn: str
    pipeline_name: str
    region: str
    role_arn: str
    definition: Definition
    version: int
    parameters: Mapping[str, Any]

    @property
    def id(self) -> str:
        return self.arn.rsplit("/", 1)[-1]


@dataclass
class StepRun:
    """A step that has started. Only its execution changes it, under the execution's lock."""

    step: Step
    started: datetime
    number: int
    """Order of start: times can be equal."""
    attempt: int = 1
    status: str = "Starting"
    ended: datetime | None = None
    reason: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    timed_out: bool = False
    holds: bool | None = None
    """What a Condition step found."""
    activity: Activity | None = None

    @property
    def running(self) -> bool:
        return self.ended is None


class Execution:
    """`changed` is the lock; it is notified on every change, so that anyone can await a state."""

    def __init__(
        self,
        request: ExecutionRequest,
        open_step: Callable[[Execution, StepRun, Scope], Activity],
        clock: Clock,
        *,
        display_name: str = "",
        description: str | None = None,
        max_parallel: int | None = None,
    ) -> None:
        self.request = request
        self.changed = threading.Condition()
        self.created = self.modified = clock()
        self.display_name = display_name or f"execution-{int(self.created.timestamp() * 1000)}"
        self.description = description
        self.max_parallel = max_parallel
        self.status = "Executing"
        self.reason = ""
        self._runs: dict[str, StepRun] = {}
        self._attempts: list[str] = []
        """Names of steps in the order in which they were begun, once per attempt."""
        self._open_step = open_step
        self._clock = clock

    @property
    def finished(self) -> bool:
        return self.status not in ("Executing", "Stopping")

    def runs(self) -> list[StepRun]:
        """Copies of the steps that have started, oldest first."""
        with self.changed:
            return sorted((replace(run) for run in self._runs.values()), key=lambda run: run.number)

    def advance(self) -> list[StepRun]:
        """Starts what can start; the caller runs the activities of the steps returned."""
        with self.changed:
            return self._advance()

    def publish(self, run: StepRun, metadata: Mapping[str, Any]) -> None:
        with self.changed:
            run.metadata = {**run.metadata, **metadata}
            if run.status == "Starting":
                run.status = "Executing"
            self._touch()

    def finish(self, run: StepRun, outcome: Outcome) -> list[StepRun]:
        """Ends a step, once; returns the steps that start because of it.

        It takes the very run, not a name: an earlier attempt may be heard late, and must not end the present one.
        """
        with self.changed:
            if not run.running:
                return []
            ended = "Succeeded" if outcome.succeeded else "Failed"
            run.status = "Stopped" if run.status == "Stopping" else ended
            run.ended = self._clock()
            run.reason, run.outputs, run.timed_out = outcome.reason, dict(outcome.outputs), outcome.timed_out
            run.holds = outcome.holds
            return self._advance()

    def stop(self, stoppable: Callable[[Step], bool]) -> list[StepRun]:
        """Begins the stop; returns the running steps that have to be told. Again is harmless."""
        with self.changed:
            if self.status != "Executing":
                return []
            self.status = "Stopping"
            told = [run for run in self._runs.values() if run.running]
            for run in told:
                if stoppable(run.step):
                    run.status = "Stopping"
            self._advance()
            return told

    def retry(self, max_parallel: int | None) -> list[StepRun]:
        """Goes on where a failed or stopped run ended: what has succeeded is kept, all else is begun anew.

        Only that a Fail step is final is documented. Here an unfinished execution is a conflict (it passes), and a
        succeeded one invalid (there is nothing to retry). Without a limit of its own, a retry keeps the one in force.
        """
        with self.changed:
            if not self.finished:
                raise ServiceError("ConflictException", f"{self._named()} is {self.status}; it cannot be retried now.")
            if self.status == "Succeeded":
                raise ServiceError("ValidationException", f"{self._named()} has succeeded; it cannot be retried.")
            if final := [run.step.name for run in self._runs.values() if run.step.type == FAIL]:
                raise ServiceError(
                    "ValidationException", f"{self._named()} ended with Fail step {final[0]}; it cannot be retried."
                )
            self._runs = {name: run for name, run in self._runs.items() if run.status == "Succeeded"}
            self.status, self.reason = "Executing", ""
            self.max_parallel = max_parallel if max_parallel is not None else self.max_parallel
            return self._advance()

    def update(self, *, display_name: str | None, description: str | None, max_parallel: int | None) -> list[StepRun]:
        """Changes what may change while running; more parallel steps take effect at once."""
        with self.changed:
            self.display_name = display_name if display_name is not None else self.display_name
            self.description = description if description is not None else self.description
            self.max_parallel = max_parallel if max_parallel is not None else self.max_parallel
            return self._advance()

    def _advance(self) -> list[StepRun]:
        begun = [self._begin(step) for step in self._startable()] if not self.finished else []
        if not self.finished and not any(run.running for run in self._runs.values()):
            self.status, self.reason = self._verdict()
        self._touch()
        return begun

    def _startable(self) -> list[Step]:
        """After a failure, or while stopping, nothing new starts; what runs is waited for.

        A step of the branch not taken is never ready, nor is what needs it: neither keeps the execution from ending.
        """
        runs = self._runs.values()
        if self.status != "Executing" or any(run.status == "Failed" for run in runs):
            return []
        succeeded = {run.step.name for run in runs if run.status == "Succeeded"}
        waiting = [step for step in self.request.definition.steps if step.name not in self._runs]
        ready = [step for step in waiting if step.needs <= succeeded and self._chosen(step)]
        if self.max_parallel is None:
            return ready
        return ready[: max(0, self.max_parallel - sum(run.running for run in runs))]

    def _chosen(self, step: Step) -> bool:
        return step.branch is None or self._runs[step.branch.condition].holds == step.branch.outcome

    def _begin(self, step: Step) -> StepRun:
        number = len(self._attempts)
        self._attempts.append(step.name)
        run = StepRun(step, self._clock(), number, self._attempts.count(step.name))
        self._runs[step.name] = run
        run.activity = self._open_step(self, run, self._scope(run.started))
        return run

    def _verdict(self) -> tuple[str, str]:
        runs = self._runs.values()
        if self.status == "Stopping":
            return ("Failed", FAILED_TEXT) if any(run.timed_out for run in runs) else ("Stopped", "")
        if any(run.status == "Failed" for run in runs):
            return "Failed", FAILED_TEXT
        return "Succeeded", ""

    def _scope(self, now: datetime) -> Scope:
        request = self.request
        return Scope(
            parameters=request.parameters,
            execution={
                "StartDateTime": iso(self.created),
                "CurrentDateTime": iso(now),
                "PipelineName": request.pipeline_name,
                "PipelineArn": request.pipeline_arn,
                "PipelineExecutionId": request.id,
                "PipelineExecutionArn": request.arn,
            },
            outputs={n: run.outputs for n, run in self._runs.items() if run.status == "Succeeded"},
            output_types={step.name: step.outputs for step in request.definition.steps},
            outcomes={name: run.holds for name, run in self._runs.items() if run.holds is not None},
        )

    def _named(self) -> str:
        return f"Pipeline execution {self.request.arn}"

    def _touch(self) -> None:
        self.modified = self._clock()
        self.changed.notify_all()


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
