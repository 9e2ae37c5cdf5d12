"""`run`: the whole scenario."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .. import options

if TYPE_CHECKING:
    from ...stages.session import Session

POSITION = 1
HELP = "plan, set up, execute, show the results, clean up (the default command)"
DETAILS = ""
EXAMPLES = (
    "config/local.yaml",
    "config/us-west-2.yaml --non-interactive --cleanup=all",
    "config/local.yaml --output-dir out",
)
NEEDS = "files"
SEVERAL = "write"
COLUMNS = ("changes", "execution", "rows")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="show the plan and change nothing")
    options.add_output_dir(parser)
    parser.add_argument("--new", action="store_true", help="start another execution even if one has not ended")
    parser.add_argument(
        "--yes-cost", action="store_true", help="run without a question about the cost (job.confirm_above_requests)"
    )
    options.add_detailed_exitcode(parser)
    options.add_plan_options(parser)
    options.add_prune(parser)
    options.add_cleanup(parser)
    options.add_confirm(parser)
    options.add_force_unlock(parser)
    options.add_output(parser)


# snippet-start:[python.example_code.sagemaker.Scenario_Pipelines]
def run(session: Session, arguments: argparse.Namespace) -> int:
    """Set up everything that the pipeline needs, execute it, show its results, and clean up."""
    session.check_output_dir()
    if arguments.dry_run:
        from . import plan as dry_run

        return dry_run.run(session, arguments)
    session.check_confirmation()
    with session.open_endpoint() as endpoint:
        # Imported only now: an emulator of our own starts meanwhile.
        from ...events import Welcome
        from ...stages import cleanup, setup
        from ...stages import run as executing
        from ...stages.connection import cleaned_up_after_failure, connect_for_run

        with connect_for_run(session, endpoint) as context:
            context.report.emit(Welcome(session.welcome))
            with cleaned_up_after_failure(context):
                setup_plan = setup.plan(context)
                setup.refuse_job(setup_plan)
                setup.hold_lock(setup_plan)
                setup.confirm_cost(setup_plan.context)
                unfinished = executing.find_resumable(setup_plan.context, setup_plan.plan)
                executing.run_pipeline(setup.apply(setup_plan), unfinished)
            cleanup.clean_up(context)
    return 0


# snippet-end:[python.example_code.sagemaker.Scenario_Pipelines]
