"""`logs`: what the function logged."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .. import options

if TYPE_CHECKING:
    from ...stages.session import Session

POSITION = 10
HELP = "show what the function logged during an execution"
DETAILS = ""
EXAMPLES = ("logs config/us-west-2.yaml",)
NEEDS = "config"


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_execution(parser)
    options.add_output(parser)


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Show what the function logged while an execution ran."""
    from ...stages import logs
    from ...stages.find import find_execution

    with session.connect() as context:
        logs.show(context, find_execution(context, arguments.execution))
    return 0
