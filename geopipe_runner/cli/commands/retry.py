"""`retry`: run an execution's failed steps again."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .. import options

if TYPE_CHECKING:
    from ...stages.session import Session

POSITION = 9
HELP = "run the failed steps again, then continue like resume"
DETAILS = "Only an execution that failed or was stopped can be retried, and only if its job did not fail itself."
EXAMPLES = ("retry config/us-west-2.yaml",)
NEEDS = "config"


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_execution(parser)
    options.add_output_dir(parser)
    options.add_cleanup(parser)
    options.add_confirm(parser)
    options.add_force_unlock(parser)
    options.add_output(parser)


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Run the failed steps again, follow the execution to its end, show its results, and clean up."""
    from ...stages import cleanup
    from ...stages import run as executing
    from ...stages.connection import cleaned_up_after_failure
    from ...stages.find import find_execution
    from ...stages.retry import retry_failed_steps

    session.check_output_dir()
    session.check_confirmation()
    with session.connect() as context:
        with cleaned_up_after_failure(context):
            view = find_execution(context, arguments.execution)
            executing.follow_to_end(context, retry_failed_steps(context, view))
        cleanup.clean_up(context)
    return 0
