"""`status`: an execution as it is."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .. import options

if TYPE_CHECKING:
    from ...stages.session import Session

POSITION = 6
HELP = "show an execution: its steps, their times, and why it failed"
DETAILS = ""
EXAMPLES = ("status config/us-west-2.yaml",)
NEEDS = "config"
SEVERAL = "read"
COLUMNS = ("execution",)


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_execution(parser)
    options.add_output(parser)


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Show an execution's steps, and why it failed if it did."""
    from ...stages import diagnose
    from ...stages.find import find_execution

    with session.connect() as context:
        diagnose.show(context, find_execution(context, arguments.execution))
    return 0
