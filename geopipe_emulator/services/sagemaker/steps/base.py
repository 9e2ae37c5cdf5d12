"""What the engine and a step type know of each other.

A new step type is one module with a subclass of `StepType`, and a line in `steps/__init__.py`. How the step behaves
when its execution ends, is retried or lists it is said by the attributes of that class; no other module asks for a
step type by name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from ....service import Environment, Handler, RequestContext

if TYPE_CHECKING:
    from ..definition import StepDefinition

FAILURE_REASON_LIMIT = 1024
OUTPUT_VALUE_LIMIT = 1024
OUTPUT_COUNT_LIMIT = 50
# SageMaker gives its sessions of a pipeline's role this name.
SESSION = "SageMaker"


@dataclass(frozen=True, slots=True)
class StepResult:
    """How a step ended.

    - `outputs` are text, as the service lists them.
    - `timed_out` makes a stop that waits for this step end in Failed instead of Stopped.
    - `outcome` is the decision of a step that has branches.
    - `properties` describe the job that the step has run, and `property_files` are the S3 URIs of its JSON files.
    - `cache_source` is the execution whose earlier run of the step stands in for this one.
    - `exception` is the type of a failure that retry policies may name; "*" is any type that they name, and "" none.
    - `request_id` is the id of the function's invocation, by which its log lines are found.
    """

    succeeded: bool
    outputs: Mapping[str, str] = field(default_factory=dict)
    reason: str = ""
    timed_out: bool = False
    outcome: bool | None = None
    properties: Mapping[str, Any] = field(default_factory=dict)
    property_files: Mapping[str, str] = field(default_factory=dict)
    cache_source: str = ""
    exception: str = ""
    request_id: str = ""

    @classmethod
    def failure(cls, reason: str, *, timed_out: bool = False, exception: str = "") -> StepResult:
        return cls(False, reason=reason[:FAILURE_REASON_LIMIT], timed_out=timed_out, exception=exception)


@dataclass(frozen=True)
class Task:
    """One step of one execution, ready to run, with the functions that its activity may call.

    - `body` is the step as written, with its references resolved.
    - `job_name` is the name of the job that this attempt runs, if it runs one.
    - `account_id` is the account of the pipeline.
    - `role_arn` is the pipeline's role; the step acts with it.
    - `publish` shows the step's metadata in listings. Its first call turns Starting into Executing.
    - `finish` ends the step. The first result counts; later ones are ignored.
    - `spawn` runs a function on another thread. It returns False when the service is stopping and starts nothing.
    """

    step: StepDefinition
    body: Mapping[str, Any]
    execution_arn: str
    job_name: str
    role_arn: str
    account_id: str
    region: str
    publish: Callable[[Mapping[str, Any]], None]
    finish: Callable[[StepResult], None]
    spawn: Callable[[Callable[[], None]], bool]


class Activity(Protocol):
    """A step that runs."""

    def run(self) -> None:
        """Do the work. Called once, on its own thread; may return before the step is finished."""

    def stop(self) -> None:
        """React to the stop of the execution. Called at most once, from any thread, possibly during `run`."""


class StepType(ABC):
    """A type of step: its rules for a definition, its behavior in an execution, and how it runs."""

    name: ClassVar[str]

    # A stopping execution shows such a step as Stopping and then as Stopped.
    is_stoppable: ClassVar[bool] = False
    # An execution that has run such a step cannot be retried, and no step can depend on it.
    is_final: ClassVar[bool] = False
    # Other steps can refer to Steps.<name>.OutputParameters, and listings show them.
    has_outputs: ClassVar[bool] = True
    # Other steps can refer to Steps.<name>.<property>, which describes the job that the step has run.
    has_properties: ClassVar[bool] = False
    # The execution variable that has the name of the step's own job.
    job_variable: ClassVar[str] = ""
    # The arguments that hold steps, with the outcome for which those steps run. The step has an Outcome to refer to.
    branches: ClassVar[Mapping[str, bool]] = {}

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    @abstractmethod
    def check(self, body: Mapping[str, Any], region: str) -> Iterator[str]:
        """Yield what is wrong with the fields of this type. References are not resolved yet."""

    @abstractmethod
    def open(self, task: Task) -> Activity:
        """Return the activity for `task`. This must not call another service yet."""

    def resume(self, task: Task, metadata: Mapping[str, Any]) -> Activity | None:
        """Return the activity of a step that an earlier process has begun; None if its result is lost.

        `metadata` is what the step had published. The activity's `run` does only what was not done before.
        """
        return None

    def refusal(self, step: StepDefinition) -> str:
        """Return why no execution can run `step` here, although the service could; "" if one can."""
        return ""

    def cache_key(self, body: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return the values, resolved, that decide whether an earlier run can stand in for this one; None if none can.

        Steps are compared by these values, and only if their CacheConfig asks for it.
        """
        return None

    def forget(self, execution_arns: Collection[str]) -> None:  # noqa: B027 - most types keep nothing
        """Drop what is kept for executions whose history is deleted."""

    def close(self) -> None:  # noqa: B027 - most types leave nothing behind
        """End what still runs: the service stops."""

    def handlers(self) -> Mapping[str, Handler]:
        """Return the API operations that only this step type answers."""
        return {}

    def resource_of(self, operation: str, parameters: Mapping[str, Any], context: RequestContext) -> str | None:
        """Return the ARN that one of `handlers` is about; "" for nothing that exists, None if it is not ours."""
        return None
