"""Everything a command may tell, as data; how it looks is the renderers' business."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from ..aws.account import Account
from ..config.model import Config
from ..errors import GeopipeError
from ..failure_codes import Failure
from ..pipeline.execution import Asked, ExecutionView
from ..pipeline.results import Results
from ..reconcile.applier import Outcome
from ..reconcile.model import Plan, Step


@dataclass(frozen=True)
class Welcome:
    """A run begins, of geopipe's own job or of the user's (`custom`)."""

    custom: bool = False


@dataclass(frozen=True)
class Valid:
    """The configuration and the template are in order."""

    path: str


@dataclass(frozen=True)
class Connected:
    """The account was asked who we are; told by commands that make no plan and save something."""

    config: Config
    account: Account


@dataclass(frozen=True)
class Planned:
    """What would be done; nothing has been yet."""

    config: Config
    account: Account
    plan: Plan


@dataclass(frozen=True)
class SetupBegins:
    """The plan is now carried out; one StepDone follows for each of its steps, in any order."""

    config: Config
    plan: Plan


@dataclass(frozen=True)
class StepDone:
    """One resource is as it should be, or failed to become so."""

    outcome: Outcome


@dataclass(frozen=True)
class Note:
    """Something the user should know now: why we wait, what was decided for them."""

    text: str


@dataclass(frozen=True)
class ExecutionStarted:
    """An execution of ours runs. `resumed`: it had been started by an earlier command."""

    arn: str
    run_id: str
    resumed: bool
    asked: Asked = field(default_factory=Asked)


@dataclass(frozen=True)
class ExecutionSeen:
    """The execution was looked at. `job` is the state of its job in words, where someone watches."""

    view: ExecutionView
    job: str = ""


@dataclass(frozen=True)
class ExecutionEnded:
    """The execution was seen in a terminal state."""

    view: ExecutionView


@dataclass(frozen=True)
class ExecutionShown:
    """An execution as it is; `explanation` are lines on why it failed, `failure` says it as data."""

    view: ExecutionView
    explanation: tuple[str, ...]
    failure: Failure | None = None
    asked: Asked | None = None
    """What it was started with, where that was looked for."""


@dataclass(frozen=True)
class CallbackWaiting:
    """A callback that has waited too long; `answered` says with what we ended it, None that we did not."""

    execution_arn: str
    step: str
    since: datetime | None
    job_state: str
    answered: str | None


@dataclass(frozen=True)
class LogRead:
    """What the function logged while an execution ran."""

    execution_arn: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class ResultsRead:
    """This run's results."""

    results: Results


@dataclass(frozen=True)
class Transferred:
    """`done` of `total` bytes of something large have come or gone: told at its begin, its end, and between."""

    what: str
    done: int
    total: int


@dataclass(frozen=True)
class StudioInstructions:
    """Where to look at the pipeline."""

    pipeline: str
    region: str


@dataclass(frozen=True)
class Failed:
    """The command cannot go on; shown at once, because a clean-up may follow."""

    error: GeopipeError


@dataclass(frozen=True)
class CleanupBegins:
    """The last part of a run."""


@dataclass(frozen=True)
class CleanupPlanned:
    """What is going to be deleted, and what is kept for which reason."""

    plan: Plan


@dataclass(frozen=True)
class Deleted:
    """One resource is gone, was kept, or could not be deleted."""

    outcome: Outcome


@dataclass(frozen=True)
class Complete:
    """The end of a run. `remaining` are resources that still exist."""

    remaining: tuple[Step, ...] = ()


@dataclass(frozen=True)
class Finished:
    """The command is over."""

    exit_code: int


Event = (
    Welcome
    | Valid
    | Connected
    | Planned
    | SetupBegins
    | StepDone
    | Note
    | ExecutionStarted
    | ExecutionSeen
    | ExecutionEnded
    | ExecutionShown
    | CallbackWaiting
    | LogRead
    | ResultsRead
    | Transferred
    | StudioInstructions
    | Failed
    | CleanupBegins
    | CleanupPlanned
    | Deleted
    | Complete
    | Finished
)


class Report(Protocol):
    """Tells the user what happens, and asks them. Called from any thread."""

    def tell(self, event: Event) -> None: ...

    def ask(self, question: str, about: Step | None = None) -> bool:
        """The user's yes or no, during set-up `about` a step. Raises InterruptedByUser when the input ends."""

    def close(self) -> None:
        """Nothing more comes; leave the terminal as it was."""
