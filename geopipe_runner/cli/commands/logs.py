"""`logs`: what the functions logged, and what they log now."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import TYPE_CHECKING

from .. import options

if TYPE_CHECKING:
    from ...stages.session import Session

POSITION = 10
HELP = "show what the function logged during an execution, or follow what it logs now"
DETAILS = """\
With `--since` or `--follow`, the command shows the lines of all functions for all executions, each with its time in
UTC. Ctrl-C ends `--follow` with exit code 0. Lines that CloudWatch shows up to two minutes late are not lost, and no
line comes twice."""
EXAMPLES = (
    "logs config/us-west-2.yaml",
    "logs config/us-west-2.yaml --since 10m",
    "logs config/us-west-2.yaml --follow",
)
NEEDS = "config"


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_execution(parser)
    parser.add_argument(
        "--since",
        type=options.duration,
        metavar="TIME",
        help="show what all functions have logged in this time, for all executions: 90s, 10m, 2h",
    )
    parser.add_argument("--follow", action="store_true", help="show what all functions log from now on, until Ctrl-C")
    options.add_output(parser)


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Show what the function logged while an execution ran, or what all of them log. Raises UsageError."""
    from ...errors import UsageError
    from ...stages import logs
    from ...stages.find import KEEP_AN_EMULATOR, find_execution

    is_recent = arguments.follow or arguments.since is not None
    if is_recent and arguments.execution:
        raise UsageError("--since and --follow show the lines of all executions.", "Leave out --execution.")
    if is_recent and session.config.forgets:
        raise UsageError("No function can have logged anything.", KEEP_AN_EMULATOR)
    with session.connect() as context:
        if is_recent:
            logs.show_recent(context, arguments.since or timedelta(), follow=arguments.follow)
        else:
            logs.show(context, find_execution(context, arguments.execution))
    return 0
