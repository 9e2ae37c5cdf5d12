"""Every event that a command reports, defined once: its data, its name, and the document that programs read.

What an event looks like on a terminal is the business of `report/text`. The published schema `events.schema.json` is
generated from here (`make reference`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import TYPE_CHECKING, ClassVar, Literal, Protocol

from .aws.account import Account
from .config.model import Config
from .config.origins import ValueWithOrigin
from .documents import (
    CHANGE_RESULT,
    CONFIG_VALUE,
    CONSOLE_LINK,
    DEPLOYMENT_RESULT,
    ERROR,
    EXECUTION,
    EXECUTION_INPUT,
    FAILURE,
    PLACE,
    PLAN,
    PLANNED_CHANGE,
    RESOURCE,
    RESULTS,
    STEP_NODE,
)
from .errors import Failure, GeopipeError
from .json_shape import Field, Included, JsonDocument, JsonShape, choice, flag, many, moment, one, text, texts, whole
from .reconcile.model import Plan, PlannedChange

if TYPE_CHECKING:  # they bring botocore along, which `validate` does not need
    from .pipeline.execution import ExecutionInput, ExecutionView
    from .pipeline.step_graph import StepNode
    from .reconcile.apply import ChangeResult
    from .results.read import Results


class Event:
    """Something that happened.

    A subclass names itself and lists the fields that programs may read. Its docstring is its description in the schema.
    """

    name: ClassVar[str]
    shape: ClassVar[JsonShape]

    def __init_subclass__(cls, *, name: str, fields: tuple[Field | Included, ...] = ()) -> None:
        cls.name = name
        about = " ".join((cls.__doc__ or "").split("\n\n")[0].split())
        cls.shape = JsonShape(*fields, name=f"event_{name}", about=about)

    def document(self) -> JsonDocument:
        """Returns the event as programs read it."""
        return {"event": self.name, **self.shape.build(self)}


def _no_input() -> ExecutionInput:
    from .pipeline.execution import ExecutionInput

    return ExecutionInput()


@dataclass(frozen=True)
class Welcome(Event, name="welcome"):
    """A run begins."""

    text: str = ""
    """What the job kind says about it."""


@dataclass(frozen=True)
class Valid(Event, name="valid", fields=(text("path"),)):
    """The configuration and the template are valid."""

    path: str


@dataclass(frozen=True)
class Connected(Event, name="connected", fields=(Included(PLACE, lambda event: (event.config, event.account)),)):
    """The deployment and its account are known. Commands that save something and make no plan report it."""

    config: Config
    account: Account


@dataclass(frozen=True)
class Planned(
    Event,
    name="planned",
    fields=(one("plan", PLAN, lambda event: (event.config, event.account.region, event.plan)),),
):
    """The plan: what would be done. Nothing has been done yet.

    `saved` returns the document of a plan file; None for a plan that cannot be saved, such as that of a clean-up.
    """

    config: Config
    account: Account
    plan: Plan
    saved: Callable[[], JsonDocument] | None = None


@dataclass(frozen=True)
class SetupBegins(Event, name="setup_started"):
    """The plan is now applied.

    One StepDone follows for each planned change, in any order.
    """

    config: Config
    plan: Plan


@dataclass(frozen=True)
class StepDone(Event, name="resource", fields=(Included(CHANGE_RESULT, attrgetter("outcome")),)):
    """One resource is as configured, or (with error) could not be changed."""

    outcome: ChangeResult


@dataclass(frozen=True)
class Note(Event, name="note", fields=(text("text"),)):
    """Something to know now: why the command waits, or what was decided."""

    text: str


@dataclass(frozen=True)
class ExecutionStarted(
    Event,
    name="execution_started",
    fields=(text("arn"), text("run_id"), flag("resumed"), Included(EXECUTION_INPUT, attrgetter("execution_input"))),
):
    """An execution runs; resumed says that an earlier command started it."""

    arn: str
    run_id: str
    resumed: bool
    execution_input: ExecutionInput = field(default_factory=_no_input)


@dataclass(frozen=True)
class ExecutionSeen(Event, name="execution_status", fields=(Included(EXECUTION, attrgetter("view")),)):
    """The state of the running execution, at each poll.

    `job` describes the state of its job; it is empty unless a person watches.
    """

    view: ExecutionView
    job: str = ""


@dataclass(frozen=True)
class ExecutionEnded(Event, name="execution_ended", fields=(Included(EXECUTION, attrgetter("view")),)):
    """The execution has reached a terminal state."""

    view: ExecutionView


@dataclass(frozen=True)
class ExecutionShown(
    Event,
    name="execution",
    fields=(
        Included(EXECUTION, attrgetter("view")),
        one("explanation", FAILURE, attrgetter("failure"), nullable=True),
    ),
):
    """An execution as it is, and why it failed.

    `explanation` holds the lines that explain the failure to a person; `failure` is the same as data.
    `execution_input` is what the execution was started with, where the command read that.
    """

    view: ExecutionView
    explanation: tuple[str, ...]
    failure: Failure | None = None
    execution_input: ExecutionInput | None = None


@dataclass(frozen=True)
class CallbackWaiting(
    Event,
    name="callback_waiting",
    fields=(
        text("execution_arn"),
        text("step"),
        moment("since"),
        text("job_state"),
        choice("answered", ["failure", "success", None]),
    ),
):
    """A callback that waits; answered says with what the command answered it, null that it did not."""

    execution_arn: str
    step: str
    since: datetime | None
    job_state: str
    answered: str | None


@dataclass(frozen=True)
class GraphShown(Event, name="graph", fields=(text("pipeline"), many("steps", STEP_NODE))):
    """The steps of the pipeline's definition, and what each waits for."""

    pipeline: str
    steps: tuple[StepNode, ...]
    form: str
    """How it is shown on a terminal: text or mermaid."""


@dataclass(frozen=True)
class ConfigShown(Event, name="config", fields=(many("values", CONFIG_VALUE),)):
    """Every value of the configuration that applies, and where it comes from."""

    values: tuple[ValueWithOrigin, ...]


@dataclass(frozen=True)
class CheckDone(
    Event,
    name="check",
    fields=(
        text("topic", "such as credentials or clock"),
        choice("status", ["ok", "warning", "problem", "skipped"]),
        text("finding"),
        text("advice", "what to do; empty for nothing"),
    ),
):
    """Doctor has checked one thing. Only a problem keeps a run from working."""

    topic: str
    status: Literal["ok", "warning", "problem", "skipped"]
    finding: str
    advice: str = ""


@dataclass(frozen=True)
class TextPrinted(Event, name="text", fields=(text("text"),)):
    """A text that the command exists to print, such as a script or a schema."""

    text: str


@dataclass(frozen=True)
class ConsoleLink:
    """The address of one resource in a console."""

    key: str
    kind: str
    name: str
    url: str


@dataclass(frozen=True)
class LinksShown(
    Event,
    name="links",
    fields=(
        Included(PLACE, lambda event: (event.config, event.account)),
        text("overview", "where to begin"),
        many("links", CONSOLE_LINK),
    ),
):
    """Where the resources are in AWS's console, or in the emulator's."""

    config: Config
    account: Account
    overview: str
    links: tuple[ConsoleLink, ...]


@dataclass(frozen=True)
class LogRead(Event, name="log", fields=(text("execution_arn"), texts("lines"))):
    """What the function logged while an execution ran."""

    execution_arn: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class LogLineRead(Event, name="log_line", fields=(moment("logged_at"), text("function"), text("text"))):
    """One line that a function has logged, of any execution.

    `with_function`: on a terminal, the line begins with the function's name.
    """

    logged_at: datetime
    function: str
    text: str
    with_function: bool = False


@dataclass(frozen=True)
class ResultsRead(
    Event,
    name="results",
    fields=(
        Included(RESULTS, attrgetter("results")),
        Field(
            "first_rows",
            {"type": "array", "items": {"type": "array", "items": {"type": "string"}}},
            lambda event: [list(row) for row in event.results.first],
        ),
    ),
):
    """The results of this run."""

    results: Results


@dataclass(frozen=True)
class Transferred(
    Event,
    name="transfer",
    fields=(text("what", "such as Uploading points.csv"), whole("done", "bytes"), whole("total", "bytes")),
):
    """The progress of a large upload or download, from its beginning to its end."""

    what: str
    done: int
    total: int


@dataclass(frozen=True)
class StudioInstructions(Event, name="studio", fields=(text("pipeline"), text("region"))):
    """Which pipeline to look at in SageMaker Studio."""

    pipeline: str
    region: str


@dataclass(frozen=True)
class Failed(Event, name="failed", fields=(Included(ERROR, attrgetter("error")),)):
    """The command cannot continue.

    It is reported immediately, because a cleanup may follow.
    """

    error: GeopipeError


@dataclass(frozen=True)
class CleanupBegins(Event, name="cleanup_started"):
    """The last part of a run begins."""


@dataclass(frozen=True)
class CleanupPlanned(Event, name="cleanup_planned", fields=(many("steps", PLANNED_CHANGE, attrgetter("plan")),)):
    """What is going to be deleted, and what is kept and why."""

    plan: Plan


@dataclass(frozen=True)
class Deleted(Event, name="deleted", fields=(Included(CHANGE_RESULT, attrgetter("outcome")),)):
    """One resource was deleted, was kept, or (with error) could not be deleted."""

    outcome: ChangeResult


@dataclass(frozen=True)
class Complete(Event, name="complete", fields=(many("remaining", RESOURCE),)):
    """The end of a run, with the resources that still exist."""

    remaining: tuple[PlannedChange, ...] = ()


@dataclass(frozen=True)
class DeploymentResult:
    """What became of one of several deployments."""

    name: str
    """Its name among the others of this command, which is also that of its folder."""
    deployment: str
    account_id: str | None
    """None if the configuration could not be read."""
    region: str | None
    config: str
    """The file name of the configuration."""
    changes: Mapping[str, int] | None = None
    """How many resources have each action, done or planned. None if there was no plan."""
    execution: str | None = None
    """The state of the execution; None if there was none."""
    rows: int | None = None
    seconds: float = 0.0
    exit_code: int = 0


ResultColumn = Literal["changes", "execution", "rows"]
"""What some commands fill of a `DeploymentResult`, and others cannot."""


@dataclass(frozen=True)
class SeveralFinished(
    Event, name="summary", fields=(many("deployments", DEPLOYMENT_RESULT), whole("exit_code", "the worst of all"))
):
    """What became of each of several deployments.

    It follows the events of all of them. Those carry `deployment`, `account_id` and `region`; this one does not.
    """

    deployments: tuple[DeploymentResult, ...]
    exit_code: int
    columns: tuple[ResultColumn, ...] = ("changes", "execution", "rows")
    """Those that the command can fill. The others are left out of tables for people."""


@dataclass(frozen=True)
class Finished(Event, name="finished", fields=(whole("exit_code"),)):
    """The last event of every command, and of each deployment of a command on several."""

    exit_code: int


EVENTS: tuple[type[Event], ...] = tuple(Event.__subclasses__())
"""Every event, in the order of this page."""


class Report(Protocol):
    """Shows the user what happens, and asks them. Called from any thread."""

    def emit(self, event: Event) -> None: ...

    def ask(self, question: str, about: PlannedChange | None = None) -> bool:
        """Returns the user's yes or no, during set-up `about` a planned change.

        Raises:
            InterruptedByUser: The input ended.
        """

    def confirm(self, question: str, name: str) -> bool:
        """Returns whether the user types exactly `name`.

        Raises:
            InterruptedByUser: The input ended.
        """

    def close(self) -> None:
        """Nothing more is emitted; leave the terminal as it was."""
