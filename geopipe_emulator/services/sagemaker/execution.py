"""One execution as a state machine: which steps run, which may start, how it ends.

It starts no thread and calls no service: every method holds the one lock briefly and returns the steps to run next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from ...cold_storage import ColdMapping, ColdValue
from ...protocol.errors import ServiceError
from ...service import CallerIdentity
from .definition import Definition, StepDefinition
from .steps.base import Activity, StepResult
from .values import ResolutionScope

LOST_TEXT = (
    "Internal Error: The emulator ended while this step ran, so its result is unknown. Retry the execution to run the "
    "step again."
)
FAILED_TEXT = "Step failure: One or multiple steps failed."
Now = Callable[[], datetime]
# The attributes of an execution that survive the process, apart from its steps.
_RECORDED = (
    "request",
    "created",
    "modified",
    "modified_by",
    "display_name",
    "description",
    "max_parallel",
    "status",
    "reason",
    "_attempts",
    "_selected",
)


@dataclass(frozen=True)
class ExecutionRequest:
    """What a start fixes. The definition is a snapshot: later updates of the pipeline do not change it."""

    arn: str
    pipeline_arn: str
    pipeline_name: str
    region: str
    role_arn: str
    definition: Definition
    version: int
    caller: CallerIdentity
    parameters: Mapping[str, Any]
    selection: Mapping[str, Any] | None = None

    @property
    def id(self) -> str:
        return self.arn.rsplit("/", 1)[-1]


@dataclass
class StepRun:
    """A step that has started. Only its execution changes it, under the execution's lock.

    `number` is the order of the start, since times can be equal.
    """

    step: StepDefinition
    started: datetime
    number: int
    attempt: int = 1
    status: str = "Starting"
    ended: datetime | None = None
    reason: str = ""
    outputs: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
    timed_out: bool = False
    outcome: bool | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    property_files: Mapping[str, str] = field(default_factory=dict)
    cache_key: str = ""
    # The execution whose run of the step stands in for this one: by the cache, or because the step was not selected.
    cache_source: str = ""
    selected_from: str = ""
    # The id of the invocation of a Lambda step that has ended.
    request_id: str = ""
    activity: Activity | None = None

    @property
    def is_running(self) -> bool:
        return self.ended is None


class PipelineExecution:
    """`lock` is held during each change.

    The runs and parameters of an execution that has ended are in cold storage.
    """

    def __init__(
        self,
        request: ExecutionRequest,
        open_step: Callable[[PipelineExecution, StepRun, ResolutionScope], Activity],
        now: Now,
        *,
        display_name: str = "",
        description: str | None = None,
        max_parallel: int | None = None,
        selected: frozenset[str] | None = None,
        reused: Iterable[StepRun] = (),
        report: Callable[[PipelineExecution, list[StepRun]], None] = lambda execution, runs: None,
    ) -> None:
        self.request = request
        self.lock = threading.RLock()
        self.created = self.modified = now()
        self.modified_by = request.caller
        self.display_name = display_name or f"execution-{int(self.created.timestamp() * 1000)}"
        self.description = description
        self.max_parallel = max_parallel
        self.status = "Executing"
        self.reason = ""
        self._runs: dict[str, StepRun] = {}
        self._cold_runs: ColdValue | None = None
        # Names of steps in the order of their start, once per attempt.
        self._attempts: list[str] = []
        self._selected = selected
        for number, run in enumerate(reused):
            self._runs[run.step.name] = replace(run, number=number)
            self._attempts.append(run.step.name)
        self._open_step = open_step
        self._now = now
        # The two are called after each change, under the lock, and what they write is written together.
        self.report = report
        self.on_change: Callable[[], object] = lambda: None
        self.together: Callable[[], AbstractContextManager[None]] = nullcontext

    def record(self) -> dict[str, Any]:
        """Return all that must survive the process."""
        with self.lock:
            return {name: getattr(self, name) for name in _RECORDED} | {"runs": self._run_records()}

    def _run_records(self) -> list[dict[str, Any]]:
        if self._cold_runs is not None:
            records: list[dict[str, Any]] = self._cold_runs.read()
            return records
        return [
            {name: value for name, value in vars(run).items() if name not in ("step", "activity")}
            | {"step": run.step.name}
            for run in self._runs.values()
        ]

    def _runs_of(self, records: Iterable[Mapping[str, Any]]) -> dict[str, StepRun]:
        steps = {step.name: step for step in self.request.definition.steps}
        return {record["step"]: StepRun(**{**record, "step": steps[record["step"]]}) for record in records}

    def _known_runs(self) -> dict[str, StepRun]:
        """Return the runs by the name of their step; copies if they are in cold storage."""
        return self._runs if self._cold_runs is None else self._runs_of(self._cold_runs.read())

    @classmethod
    def from_record(
        cls,
        record: Mapping[str, Any],
        open_step: Callable[[PipelineExecution, StepRun, ResolutionScope], Activity],
        now: Now,
    ) -> PipelineExecution:
        execution = cls(record["request"], open_step, now)
        for name in _RECORDED:
            setattr(execution, name, record.get(name, getattr(execution, name)))
        execution._runs = execution._runs_of(record["runs"])
        execution._store_if_ended()
        return execution

    def _store_if_ended(self) -> None:
        if self.finished and self._cold_runs is None:
            self._cold_runs, self._runs = ColdValue(self._run_records()), {}
            self.request = replace(self.request, parameters=ColdMapping(self.request.parameters))

    def reopen(self) -> list[StepRun]:
        """Return the steps that ran when an earlier process ended, with new activities."""
        with self.lock:
            running = [run for run in self._runs.values() if run.is_running]
            for run in running:
                run.activity = self._open_step(self, run, self._scope(run.started))
            return running

    @property
    def finished(self) -> bool:
        return self.status not in ("Executing", "Stopping")

    def runs(self) -> list[StepRun]:
        """Return copies of the steps that have started, oldest first."""
        with self.lock:
            return sorted((replace(run) for run in self._known_runs().values()), key=lambda run: run.number)

    def scope_of(self, run: StepRun) -> ResolutionScope:
        """Return what the arguments of a step that has started refer to."""
        with self.lock:
            return self._scope(run.started)

    def advance(self) -> list[StepRun]:
        """Start what can start. The caller runs the activities of the returned steps."""
        with self.lock:
            return self._advance()

    def publish(self, run: StepRun, metadata: Mapping[str, Any]) -> None:
        with self.lock:
            if not run.is_running:
                return
            run.metadata = {**run.metadata, **metadata}
            if run.status == "Starting":
                run.status = "Executing"
            self._touch()

    def begin_attempt(self, run: StepRun) -> bool:
        """Count another attempt of a running step; return False if the execution is stopping."""
        with self.lock:
            if not run.is_running or self.status != "Executing":
                return False
            run.attempt += 1
            run.metadata = {}
            self._touch()
            return True

    def finish(self, run: StepRun, result: StepResult) -> list[StepRun]:
        """End a step, once; return the steps that start because of it.

        It takes the run, not a name: the late result of an earlier attempt must not end the present one.
        """
        with self.lock:
            if not run.is_running:
                return []
            final_status = "Succeeded" if result.succeeded else "Failed"
            run.status = "Stopped" if run.status == "Stopping" else final_status
            run.ended = self._now()
            run.reason, run.outputs, run.timed_out = result.reason, dict(result.outputs), result.timed_out
            run.outcome = result.outcome
            run.properties, run.property_files = result.properties, result.property_files
            run.cache_source, run.request_id = result.cache_source, result.request_id
            # It is larger than all that is kept of the step.
            run.activity = None
            return self._advance()

    def stop(self) -> list[StepRun]:
        """Begin the stop; return the running steps, whose activities must be stopped. A second call does nothing."""
        with self.lock:
            if self.status != "Executing":
                return []
            self.status = "Stopping"
            running = [run for run in self._runs.values() if run.is_running]
            for run in running:
                if run.step.type.is_stoppable:
                    run.status = "Stopping"
            self._advance()
            return running

    def retry(self, max_parallel: int | None) -> list[StepRun]:
        """Continue where a failed or stopped run ended: keep the steps that succeeded, start the others again.

        AWS documents only that a Fail step is final. Here an unfinished execution is a conflict, since waiting helps;
        a succeeded one is invalid, since there is nothing to retry. Without its own limit, a retry keeps the old one.
        """
        with self.lock:
            if not self.finished:
                raise ServiceError("ConflictException", f"{self._label()} is {self.status}; it cannot be retried now.")
            if self.status == "Succeeded":
                raise ServiceError("ValidationException", f"{self._label()} has succeeded; it cannot be retried.")
            runs = self._known_runs()
            if final := [run.step for run in runs.values() if run.step.type.is_final]:
                step = f"{final[0].type.name} step {final[0].name}"
                raise ServiceError("ValidationException", f"{self._label()} ended with {step}; it cannot be retried.")
            self._runs = {name: run for name, run in runs.items() if run.status == "Succeeded"}
            self._cold_runs = None
            self.status, self.reason = "Executing", ""
            self.max_parallel = max_parallel if max_parallel is not None else self.max_parallel
            return self._advance()

    def update(self, *, display_name: str | None, description: str | None, max_parallel: int | None) -> list[StepRun]:
        """Change what may change during a run. A higher limit of parallel steps takes effect immediately."""
        with self.lock:
            self.display_name = display_name if display_name is not None else self.display_name
            self.description = description if description is not None else self.description
            self.max_parallel = max_parallel if max_parallel is not None else self.max_parallel
            return self._advance()

    def note_modifier(self, caller: CallerIdentity) -> None:
        """Keep who made the last change that a person or a program asked for."""
        with self.lock:
            self.modified_by = caller
            self.on_change()

    def _advance(self) -> list[StepRun]:
        started = [self._begin(step) for step in self._startable_steps()] if not self.finished else []
        if not self.finished and not any(run.is_running for run in self._runs.values()):
            self.status, self.reason = self._final_status()
        self._touch()
        return started

    def _startable_steps(self) -> list[StepDefinition]:
        """Return the steps that can start now: none after a failure or during a stop.

        A step of a branch that is not taken is never ready, nor is a step that depends on it. Neither keeps the
        execution from ending.
        """
        runs = self._runs.values()
        if self.status != "Executing" or any(run.status == "Failed" for run in runs):
            return []
        succeeded = {run.step.name for run in runs if run.status == "Succeeded"}
        steps = self.request.definition.steps
        selected = [step for step in steps if self._selected is None or step.name in self._selected]
        waiting = [step for step in selected if step.name not in self._runs]
        ready = [step for step in waiting if step.dependencies <= succeeded and self._is_on_taken_branch(step)]
        if self.max_parallel is None:
            return ready
        return ready[: max(0, self.max_parallel - sum(run.is_running for run in runs))]

    def _is_on_taken_branch(self, step: StepDefinition) -> bool:
        return step.branch is None or self._runs[step.branch.step].outcome == step.branch.outcome

    def _begin(self, step: StepDefinition) -> StepRun:
        number = len(self._attempts)
        self._attempts.append(step.name)
        run = StepRun(step, self._now(), number, self._attempts.count(step.name))
        self._runs[step.name] = run
        run.activity = self._open_step(self, run, self._scope(run.started))
        return run

    def _final_status(self) -> tuple[str, str]:
        runs = self._runs.values()
        if self.status == "Stopping":
            return ("Failed", FAILED_TEXT) if any(run.timed_out for run in runs) else ("Stopped", "")
        if any(run.status == "Failed" for run in runs):
            return "Failed", FAILED_TEXT
        return "Succeeded", ""

    def _scope(self, current: datetime) -> ResolutionScope:
        request = self.request
        runs = self._known_runs()
        succeeded = {name: run for name, run in runs.items() if run.status == "Succeeded"}
        return ResolutionScope(
            parameters=dict(request.parameters.items()),
            execution={
                "StartDateTime": iso(self.created),
                "CurrentDateTime": iso(current),
                "PipelineName": request.pipeline_name,
                "PipelineArn": request.pipeline_arn,
                "PipelineExecutionId": request.id,
                "PipelineExecutionArn": request.arn,
            },
            outputs={name: run.outputs for name, run in succeeded.items()},
            output_types={step.name: step.outputs for step in request.definition.steps},
            outcomes={name: run.outcome for name, run in runs.items() if run.outcome is not None},
            properties={name: run.properties for name, run in succeeded.items()},
            property_files={name: run.property_files for name, run in succeeded.items()},
        )

    def _label(self) -> str:
        return f"Pipeline execution {self.request.arn}"

    def _touch(self) -> None:
        self.modified = self._now()
        with self.together():
            self.report(self, list(self._known_runs().values()))
            self.on_change()
        self._store_if_ended()


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
