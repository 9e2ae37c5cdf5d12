"""What the stages of one command share."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .aws.clock import Clock
from .config.model import CleanupPolicy, Config
from .events import Report, Transferred

if TYPE_CHECKING:
    from .aws.clients import Aws
    from .aws.deployment_lock import DeploymentLock
    from .reconcile.apply import Progress
    from .reconcile.blueprint import Blueprint


def _no_progress() -> Progress:
    from .reconcile.apply import Progress  # brings botocore along, which `validate` does not need

    return Progress()


@dataclass(frozen=True)
class Options:
    """What the command line adds to the configuration."""

    program: str = "geopipe"
    """How the user calls the program, for the commands that messages suggest."""
    command: str = "run"
    """The command that the user gave."""
    interactive: bool = True
    cleanup: CleanupPolicy | None = None
    """Overrides the configuration's policy."""
    output_dir: Path | None = None
    start_new: bool = False
    """Start another execution even though an unfinished one could be resumed."""
    adopt: frozenset[str] = frozenset()
    """Keys of foreign resources that may be adopted."""
    prune: bool = False
    """Delete what earlier configurations left behind, without asking."""
    confirm: frozenset[str] = frozenset()
    """The names of deployments of which something may be deleted although they are protected."""
    force_unlock: bool = False
    """Take the lock of the deployment from the command that holds it."""
    settings: tuple[str, ...] = ()
    """The `--set` options."""
    reviewed: bool = False
    """Whether the changes were reviewed as a plan file, and need no question."""
    yes_cost: bool = False
    """Run without a question about the cost."""
    with_steps: bool = False
    """Read the steps at each poll, because something shows them."""
    with_job: bool = False
    """Read the job at each poll too."""

    def cleanup_policy(self, config: Config) -> CleanupPolicy:
        """Returns the policy that applies."""
        return config.cleanup if self.cleanup is None else self.cleanup


@dataclass
class State:
    """What this command has seen and done so far. It can be read after an interruption."""

    progress: Progress = field(default_factory=_no_progress)
    looked: bool = False
    """Whether `progress` has everything that exists. Commands on executions never read it."""
    has_acted: bool = False
    """Whether this command has begun to change something."""
    running: str = ""
    """The ARN of the execution that runs, as far as this command knows."""
    deletion_confirmed: bool = False
    """Whether the user has typed the name of the protected deployment."""
    input_size: str | None = None
    """The size of the input in words; None before it was read."""


@dataclass(frozen=True)
class Context:
    """One command on one deployment: its collaborators and its state."""

    config: Config
    options: Options
    report: Report
    time: Clock
    aws: Aws
    blueprint: Blueprint
    state: State
    lock: DeploymentLock | None = None
    """None where nothing can hold one: without a bucket, and with an emulator that ends with the command."""

    def watch(self, what: str, done: int, total: int) -> None:
        """Report how far a large transfer is."""
        self.report.emit(Transferred(what, done, total))
