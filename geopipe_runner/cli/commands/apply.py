"""`apply`: set everything up, and run nothing."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .. import options

if TYPE_CHECKING:
    from ...stages.session import Session

POSITION = 3
HELP = "create what is missing and change what differs, without an execution"
DETAILS = """\
Run the pipeline later with `run`, which then finds everything in place.

In the place of CONFIG, the command takes a file that `plan --out` has written. It asks nothing about these changes, and
refuses (exit code 5) with the differences if the configuration, the code, the template or a resource has changed since.
[Change a deployment](../how-to/change-a-deployment.md#apply-a-reviewed-plan) shows how to use it."""
EXAMPLES = ("apply config/us-west-2.yaml --non-interactive", "apply plan.json")
NEEDS = "files"
SEVERAL = "write"
COLUMNS = ("changes",)


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_plan_options(parser)
    options.add_prune(parser)
    options.add_output_dir(parser)
    options.add_confirm(parser)
    options.add_force_unlock(parser)
    options.add_output(parser)


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Show the plan, and apply it. Raises RefusedError where a run would be in vain or touch what is not ours."""
    from ...stages import plan_file, setup

    session.check_output_dir()
    session.check_confirmation(cleans_up=False)
    if arguments.saved_plan is not None:
        plan_file.refuse_embedded(session.config)
    with session.connect_for_run() as context:
        setup_plan = setup.plan(context)
        if arguments.saved_plan is not None:
            plan_file.refuse_changed(arguments.saved_plan, setup_plan)
        setup.refuse_job(setup_plan)
        setup.apply(setup_plan)
    return 0
