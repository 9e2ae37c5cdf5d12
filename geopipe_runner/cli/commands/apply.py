"""`apply`: set everything up, and run nothing."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .. import options

if TYPE_CHECKING:
    from ...stages.session import Session

POSITION = 3
HELP = "create what is missing and change what differs, without an execution"
DETAILS = "Run the pipeline later with `run`, which then finds everything in place."
EXAMPLES = ("apply config/us-west-2.yaml --non-interactive",)
NEEDS = "files"


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_plan_options(parser)
    options.add_prune(parser)
    options.add_confirm(parser)
    options.add_force_unlock(parser)
    options.add_output(parser)


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Show the plan, and apply it. Raises RefusedError where a run would be in vain or touch what is not ours."""
    from ...stages import setup

    session.check_confirmation(cleans_up=False)
    with session.connect_for_run() as context:
        setup_plan = setup.plan(context)
        setup.refuse_job(setup_plan)
        setup.apply(setup_plan)
    return 0
