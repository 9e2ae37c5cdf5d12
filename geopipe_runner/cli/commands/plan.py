"""`plan`: what a run would change."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .. import options

if TYPE_CHECKING:
    from ...stages.session import Session

POSITION = 2
HELP = "show the plan and change nothing (like run --dry-run)"
DETAILS = "`--out` saves the plan for a review; [`apply`](#apply) takes the file."
EXAMPLES = ("plan config/local.yaml", "plan config/us-west-2.yaml --out plan.json")
NEEDS = "files"
SEVERAL = "read"
COLUMNS = ("changes",)


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_detailed_exitcode(parser)
    options.add_plan_options(parser, "--out")
    options.add_prune(parser)
    options.add_output_dir(parser)
    options.add_output(parser)


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Show the plan. Raises RefusedError, after showing it, where a run would be in vain or touch what is not ours."""
    session.check_output_dir()
    with session.open_endpoint() as endpoint:
        # Imported only now: an emulator of our own starts meanwhile.
        from ...stages import plan_file, setup
        from ...stages.connection import connect_for_run

        with connect_for_run(session, endpoint) as context:
            setup_plan = setup.plan(context)
            if arguments.plan_out:
                plan_file.warn_embedded(session, arguments.plan_out)
            setup.refuse_job(setup_plan)
            setup.refuse_foreign(setup_plan.plan)
    return options.CHANGES_PENDING if arguments.detailed_exitcode and setup_plan.shown.writes else 0
