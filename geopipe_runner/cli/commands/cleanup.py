"""`cleanup`: delete what belongs to the deployment."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .. import options

if TYPE_CHECKING:
    from ...stages.session import Session

POSITION = 5
HELP = "delete what belongs to this deployment"
DETAILS = "[Clean up](../how-to/clean-up.md) explains the policies."
EXAMPLES = ("cleanup config/local.yaml --dry-run", "cleanup config/local.yaml --cleanup=all")
NEEDS = "config"
SEVERAL = "write"
COLUMNS = ("changes",)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="show what would be deleted")
    options.add_prune(parser)
    options.add_cleanup(parser)
    options.add_output_dir(parser)
    options.add_confirm(parser)
    options.add_force_unlock(parser)
    options.add_output(parser)


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Delete what the policy or the user chooses; with --dry-run, only show it."""
    from ...events import Planned
    from ...stages import cleanup

    session.check_output_dir()
    if not arguments.dry_run:
        session.check_confirmation()
    with session.connect() as context:
        if arguments.dry_run:
            plan = cleanup.plan_all(context).shown
            context.report.emit(Planned(context.config, context.aws.account, plan))
        else:
            cleanup.clean_up(context)
    return 0
