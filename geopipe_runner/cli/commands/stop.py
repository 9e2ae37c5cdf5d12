"""`stop`: end an execution."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .. import options

if TYPE_CHECKING:
    from ...stages.session import Session

POSITION = 8
HELP = "stop an execution and wait until its callbacks are answered"
DETAILS = "An execution that has ended is refused (exit code 5)."
EXAMPLES = ("stop config/us-west-2.yaml",)
NEEDS = "config"


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_execution(parser)
    options.add_output(parser)


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Stop an execution. Raises RefusedError when it has ended already."""
    from ...stages import diagnose
    from ...stages.find import find_execution
    from ...stages.stop import stop_unfinished

    with session.connect() as context:
        view = find_execution(context, arguments.execution)
        stop_unfinished(context, view)
        diagnose.show(context, view, stopped_on_purpose=True)
    return 0
