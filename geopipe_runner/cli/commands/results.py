"""`results`: the results of an earlier run."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .. import options

if TYPE_CHECKING:
    from ...stages.session import Session

POSITION = 11
HELP = "show the results of the latest run that succeeded, or of another run"
DETAILS = ""
EXAMPLES = ("results config/us-west-2.yaml",)
NEEDS = "config"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--run",
        metavar="ID",
        help="the run: its run id, or the ARN of its execution (default: the latest that succeeded)",
    )
    options.add_output_dir(parser)
    options.add_output(parser)


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Show the results of a run, and save them where that is asked for."""
    from ...stages import run as executing
    from ...stages.find import find_execution, find_latest_with_results

    session.check_output_dir()
    with session.connect() as context:
        if arguments.run:
            executing.show_results_of(context, find_execution(context, arguments.run))
        else:
            executing.show_results_of(context, find_latest_with_results(context))
    return 0
