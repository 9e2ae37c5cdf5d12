"""The commands, one module each: a new module here is a new command.

A module's name is the command's name. It needs the attributes of `Command` or `StandaloneCommand`. What a command works
with is imported inside its `run`, because every command's options are read before one of them is chosen.
"""

from __future__ import annotations

import argparse
import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Literal, Protocol, cast

if TYPE_CHECKING:
    from ...events import Report, ResultColumn
    from ...stages.session import Session


class CommandModule(Protocol):
    """What the module of every command holds."""

    POSITION: int
    """Where it stands in lists: those with the lowest numbers come first."""
    HELP: str
    """What it does, in one line without a period."""
    DETAILS: str
    """More for the reference, as Markdown; may be empty."""
    EXAMPLES: tuple[str, ...]
    """Arguments that show its use."""
    NEEDS: Literal["nothing", "config", "files"]
    """What is read before it runs: nothing, a configuration, or also the files that the configuration names (the
    template, the function's code, the input)."""

    def add_options(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's options."""


class Command(CommandModule, Protocol):
    """A command about a deployment: it needs a configuration."""

    def run(self, session: Session, arguments: argparse.Namespace) -> int:
        """Do it, and return the exit code."""


class SeveralCommand(Command, Protocol):
    """A command that also takes several deployments in one command line. It runs once for each."""

    SEVERAL: Literal["read", "write"]
    """Whether it only reads, or may change something."""
    COLUMNS: tuple[ResultColumn, ...]
    """Which columns of the table at its end it can fill, besides those that every command fills. With --dry-run, only
    `changes` is left of them."""


class StandaloneCommand(CommandModule, Protocol):
    """A command that needs nothing (`NEEDS`), and takes no CONFIG."""

    def run(self, report: Report, arguments: argparse.Namespace) -> int:
        """Do it, and return the exit code."""


def takes_several(command: CommandModule) -> bool:
    """Whether a command line may name several deployments for it."""
    return hasattr(command, "SEVERAL")


@cache
def load_commands() -> Mapping[str, CommandModule]:
    """Return all commands by name, in the order of lists."""
    modules = {module.name: import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)}
    commands = {name: cast("CommandModule", module) for name, module in modules.items()}
    return dict(sorted(commands.items(), key=lambda item: (item[1].POSITION, item[0])))
