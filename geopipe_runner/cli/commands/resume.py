"""`resume`: follow an execution to its end, as if the command that started it had never left."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .. import options

if TYPE_CHECKING:
    from ...stages.session import Session

POSITION = 7
HELP = "follow an execution to its end, show its results, clean up"
DETAILS = ""
EXAMPLES = ("resume config/us-west-2.yaml",)
NEEDS = "config"


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_execution(parser)
    options.add_output_dir(parser)
    options.add_cleanup(parser)
    options.add_confirm(parser)
    options.add_force_unlock(parser)
    options.add_output(parser)


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Follow an execution to its end, show its results, and clean up."""
    from ...stages import cleanup
    from ...stages import run as executing
    from ...stages.connection import cleaned_up_after_failure
    from ...stages.find import find_execution

    session.check_output_dir()
    session.check_confirmation()
    with session.connect() as context:
        with cleaned_up_after_failure(context):
            executing.follow_to_end(context, find_execution(context, arguments.execution))
        cleanup.clean_up(context)
    return 0
