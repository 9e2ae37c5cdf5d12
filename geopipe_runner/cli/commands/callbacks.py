"""`callbacks`: what waits too long, and answering it by hand."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import TYPE_CHECKING

from .. import options

if TYPE_CHECKING:
    from ...stages.session import Session

POSITION = 12
HELP = "list callbacks that wait too long, with the state of their job, or answer them"
DETAILS = """\
Without `--fail` or `--succeed`, the command changes nothing. With one of them, it shows what it would answer and the
state of the job, and asks. It refuses to answer more than one callback without `--all` (exit code 5).
[Answer stuck callbacks](../how-to/stuck-callbacks.md) shows how to use it."""
EXAMPLES = (
    "callbacks config/us-west-2.yaml --older-than 30m",
    "callbacks config/us-west-2.yaml --execution 0123456789ab --step vej-callback-step --fail=gone",
)
NEEDS = "config"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--older-than",
        type=options.duration,
        default=timedelta(minutes=10),
        metavar="TIME",
        help="select callbacks that have waited longer than this: 90s, 10m (the default), 2h",
    )
    parser.add_argument(
        "--execution", metavar="ID", help="only callbacks of this execution: its ARN, the end of its ARN, or its run id"
    )
    parser.add_argument("--step", metavar="NAME", help="only callbacks of the step with this name")
    answer = parser.add_mutually_exclusive_group()
    answer.add_argument(
        "--fail", type=options.reason, metavar="REASON", help="answer with a failure and this reason, after asking"
    )
    answer.add_argument("--succeed", action="store_true", help="answer with a success without outputs, after asking")
    parser.add_argument("--yes", action="store_true", help="answer without asking")
    parser.add_argument(
        "--all", dest="answer_all", action="store_true", help="answer even if more than one callback is selected"
    )
    options.add_output(parser)


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Show the callbacks that wait too long; answer them when asked to."""
    from ...stages.callbacks import CallbackAnswer, Selection, answer_callbacks, list_callbacks

    selection = Selection(arguments.older_than, arguments.execution, arguments.step)
    with session.connect() as context:
        if arguments.fail is None and not arguments.succeed:
            list_callbacks(context, selection)
        else:
            answer = CallbackAnswer(arguments.fail)
            answer_callbacks(context, selection, answer, confirmed=arguments.yes, several=arguments.answer_all)
    return 0
