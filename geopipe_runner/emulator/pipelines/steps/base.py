"""What the engine and a step type know of each other. A new step type is one module that keeps to this."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..definition import Step

FAILURE_REASON_LIMIT = 1024
OUTPUT_VALUE_LIMIT = 1024
OUTPUT_COUNT_LIMIT = 50
SESSION = "SageMaker"
"""What the service calls its sessions of a pipeline's role."""


@dataclass(frozen=True)
class Outcome:
    """How a step ended; outputs are text, as the service lists them."""

    succeeded: bool
    outputs: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    timed_out: bool = False
    """A stop that waits for a step which then times out ends in Failed instead of Stopped."""
    holds: bool | None = None
    """What a Condition step found; it decides which branch runs."""

    @classmethod
    def failure(cls, reason: str, *, timed_out: bool = False) -> Outcome:
        return cls(False, reason=reason[:FAILURE_REASON_LIMIT], timed_out=timed_out)


@dataclass(frozen=True)
class Task:
    """One step of one execution, ready to run, and the two things its activity may tell the engine."""

    step: Step
    body: Mapping[str, Any]
    """The step as written, references resolved."""
    execution_arn: str
    role_arn: str
    """The pipeline's, in whose name the step acts."""
    region: str
    publish: Callable[[Mapping[str, Any]], None]
    """Shows the step's metadata in listings; the first call turns Starting into Executing."""
    finish: Callable[[Outcome], None]
    """Ends the step. The first outcome counts, later ones are ignored."""
    spawn: Callable[[Callable[[], None]], bool]
    """Runs something beside this step's thread; false when the service is ending and nothing new starts."""


class Activity(Protocol):
    """A step that runs."""

    def run(self) -> None:
        """Called once, on a thread of its own; may return before the step is finished."""

    def stop(self) -> None:
        """The execution is stopping. Called at most once, from any thread, possibly while `run` is under way."""


class StepType(Protocol):
    """A kind of step: what it demands of its definition, and how it runs."""

    @property
    def name(self) -> str: ...

    @property
    def stoppable(self) -> bool:
        """Whether a stopping execution shows such a step as Stopping and then Stopped."""

    def check(self, body: Mapping[str, Any], region: str) -> Iterator[str]:
        """What is wrong with the fields of this type; references are not resolved yet."""

    def open(self, task: Task) -> Activity:
        """The activity for `task`; must not call another service yet."""

    def forget(self, execution_arn: str) -> None:
        """The execution's history is deleted: drop what is kept for it."""
