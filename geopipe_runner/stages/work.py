"""What every stage of one command works with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..aws.retry import Patience
from ..config.model import CleanupPolicy, Config
from ..reconcile.applier import Progress
from ..reconcile.blueprint import Blueprint
from ..report.events import Report, Transferred

if TYPE_CHECKING:
    from ..aws.clients import Aws


@dataclass(frozen=True)
class Options:
    """What the command line adds to the configuration."""

    program: str = "geopipe"
    """How the user calls us, for the commands we suggest."""
    interactive: bool = True
    cleanup: CleanupPolicy | None = None
    """Overrides the configuration's policy."""
    output_dir: Path | None = None
    start_new: bool = False
    """Start another execution even though an unfinished one could be resumed."""
    adopt: frozenset[str] = frozenset()
    """Keys of resources that may be taken over although they are not ours."""
    prune: bool = False
    """Delete what earlier configurations left behind, without asking."""
    with_steps: bool = False
    """Someone watches the steps, so they are read at each poll."""
    with_job: bool = False
    """Someone watches the job too."""

    def cleanup_policy(self, config: Config) -> CleanupPolicy:
        """The policy that holds."""
        return config.cleanup if self.cleanup is None else self.cleanup


@dataclass
class State:
    """What has come about so far; readable after an interruption."""

    progress: Progress = field(default_factory=Progress)
    looked: bool = False
    """Whether `progress` tells all that is there; most verbs on executions never look."""
    running: str = ""
    """The ARN of the execution that goes on, as far as we know."""
    input_size: str | None = None
    """What is told of the input's size; None before it was looked at."""


@dataclass(frozen=True)
class Work:
    """One command on one deployment: its collaborators, and what has come about."""

    config: Config
    options: Options
    report: Report
    time: Patience
    aws: Aws
    blueprint: Blueprint
    state: State

    def watch(self, what: str, done: int, total: int) -> None:
        """Tells how far a large transfer is."""
        self.report.tell(Transferred(what, done, total))
