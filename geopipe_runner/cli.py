"""The command line: arguments in, exit code out. The only place that prints errors and picks exit codes."""

from __future__ import annotations

import argparse
import contextlib
import errno
import gc
import io
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, cast, get_args

from . import __version__
from .config.model import CleanupItem, CleanupPolicy
from .errors import GeopipeError, InterruptedByUser, OutputClosed, Terminated
from .report.streams import complain, flushed, open_closed_streams

if TYPE_CHECKING:
    from .aws.retry import Patience
    from .report.events import Event, Report
    from .stages.work import Options

COMMANDS = ("run", "plan", "validate", "cleanup", "hello")
CHANGES_PENDING = 4

_TAKE_A_VALUE = ("--adopt", "--cleanup", "--output", "--output-dir", "--plan-out")
_CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE)
"""What is wrong with the disk or the reader, never with us."""

_EPILOG = """\
exit codes:
  0    done
  1    AWS, the emulator or this machine failed
  2    usage, configuration or template
  3    the pipeline execution failed, stopped or timed out
  4    changes are pending (--dry-run --detailed-exitcode)
  5    refused: not ours, or the wrong account
  130  interrupted: Ctrl-C, SIGTERM, or the input or the output ended
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and answer its exit code."""
    open_closed_streams()
    try:
        code = _answered(list(sys.argv[1:] if arguments is None else arguments))
    except SystemExit:  # help, version or wrong usage
        if flushed(tell=True):
            raise
        return 1
    return code if flushed(tell=code == 0) else code or 1


def entry() -> int:
    """`main` as a process: what is left in memory need not be looked through once more before the exit."""
    code = main()
    gc.freeze()
    return code


def _answered(arguments: list[str]) -> int:
    try:
        parsed = _parsed(arguments)
        return _reported(parsed, _make_report(parsed))
    except KeyboardInterrupt:
        complain("Interrupted.")
        return InterruptedByUser.exit_code
    except OSError as error:
        if error.errno not in _CANNOT_WRITE:
            raise
        complain(f"Cannot write: {error.strerror}.")
        return 1


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = _parser()
    parsed = parser.parse_args(_with_command(arguments))
    if parsed.command == "run" and parsed.detailed_exitcode and not parsed.dry_run:
        parser.error("--detailed-exitcode is about a plan: use it with --dry-run, or with the command plan")
    return parsed


def _with_command(arguments: list[str]) -> list[str]:
    """The command first, wherever it stands; `run.py CONFIG` means `run.py run CONFIG`."""
    if not arguments or arguments[0] in ("-h", "--help", "--version"):
        return arguments
    at = _first_word(arguments)
    if at is None or arguments[at] not in COMMANDS:
        return ["run", *arguments]
    return [arguments[at], *arguments[:at], *arguments[at + 1 :]]


def _first_word(arguments: list[str]) -> int | None:
    """Where the first argument is that is neither an option nor an option's value."""
    for at, argument in enumerate(arguments):
        if argument == "--":
            return None
        if not argument.startswith("-") and (at == 0 or arguments[at - 1] not in _TAKE_A_VALUE):
            return at
    return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="geopipe",
        description="Reconcile, run and clean up a SageMaker pipeline with Lambda and Callback steps, "
        "on AWS or offline. `run.py CONFIG` is short for `run.py run CONFIG`. Options may stand before the command.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"geopipe {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = _command(commands, "run", "plan, set up, execute, show the results, clean up (the default command)")
    run.add_argument("--dry-run", action="store_true", help="show the plan and change nothing")
    run.add_argument("--output-dir", type=Path, metavar="DIR", help="save the results there")
    run.add_argument("--new", action="store_true", help="start another execution beside an unfinished one")
    plan = _command(commands, "plan", "show the plan and change nothing (like run --dry-run)")
    for command in (run, plan):
        command.add_argument(
            "--detailed-exitcode", action="store_true", help=f"with a plan: exit {CHANGES_PENDING} when it has changes"
        )
        command.add_argument(
            "--adopt",
            action="extend",
            type=lambda text: text.split(","),
            default=[],
            metavar="KEY",
            help="take over a resource of that name which is not ours (queue, bucket, ...); clean-up leaves it",
        )
        command.add_argument("--plan-out", type=Path, metavar="FILE", help="save the plan there as JSON")
    validate = _command(commands, "validate", "check the configuration and the template; no calls at all")
    cleanup = _command(commands, "cleanup", "delete what is this deployment's")
    cleanup.add_argument("--dry-run", action="store_true", help="show what would be deleted")
    for command in (run, plan, cleanup):
        command.add_argument("--prune", action="store_true", help="delete what earlier configurations left behind")
    for command in (run, cleanup):
        command.add_argument(
            "--cleanup",
            type=_policy,
            metavar="POLICY",
            help="ask, all, none, or a list such as pipeline,queue; overrides the configuration",
        )
    for command in (run, plan, validate, cleanup):
        command.add_argument(
            "--output", choices=("text", "json"), default="text", help="json: one object per event, no questions"
        )
    _command(commands, "hello", "Hello SageMaker: list up to five notebook instances")
    return parser


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,  # what a script abbreviates means something else once there are more options
    )
    command.add_argument("config", metavar="CONFIG", help="the YAML file that says everything, e.g. config/local.yaml")
    command.add_argument("--non-interactive", action="store_true", help="never ask, never read standard input")
    command.add_argument("--verbose", action="store_true", help="show each AWS call on standard error")
    return command


def _policy(text: str) -> CleanupPolicy:
    if text in ("ask", "all", "none"):
        return cast("CleanupPolicy", text)
    known = get_args(CleanupItem)
    items = tuple(item.strip() for item in text.split(","))
    unknown = [item for item in items if item not in known]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"unknown {', '.join(map(repr, unknown))}; valid are ask, all, none, or a list of {', '.join(known)}"
        )
    return cast("tuple[CleanupItem, ...]", items)


def _make_report(parsed: argparse.Namespace) -> Report:
    """Text or JSON on standard output, and those that listen in. Characters an encoding lacks are replaced."""
    from .report.json_lines import JsonReport
    from .report.several import Listener, PlanFile, Several
    from .report.summary import JobSummary
    from .report.text import TextReport

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    answers = sys.stdin if _interactive(parsed) else None
    first: Report = JsonReport(sys.stdout, sys.stderr) if _json(parsed) else TextReport(sys.stdout, sys.stderr, answers)
    listeners: list[Listener] = []
    if getattr(parsed, "plan_out", None):
        listeners.append(PlanFile(parsed.plan_out))
    if os.environ.get("GITHUB_STEP_SUMMARY"):
        listeners.append(JobSummary(Path(os.environ["GITHUB_STEP_SUMMARY"])))
    return Several(first, *listeners) if listeners else first


def _reported(parsed: argparse.Namespace, report: Report) -> int:
    from .report.events import Failed, Finished

    try:
        code = _run_command(parsed, report)
    except GeopipeError as error:
        if not error.explained:
            _tell_failure(report, Failed(error))
        code = error.exit_code
    finally:
        report.close()
    report.tell(Finished(code))
    return code


def _tell_failure(report: Report, failed: Event) -> None:
    with contextlib.suppress(OSError):  # standard error does not work: the exit code is all there is
        try:
            report.tell(failed)
        except OutputClosed:
            report.tell(failed)  # it lets go of standard output, and standard error has not been told yet


def _run_command(parsed: argparse.Namespace, report: Report) -> int:
    from .config import load

    # What deletes or looks needs nothing of what the files it names would be made into.
    config = load(parsed.config, files=parsed.command not in ("cleanup", "hello"))
    from . import scenario  # after the configuration: a wrong one is told without loading more
    from .aws.retry import Patience

    time = Patience()
    _catch_signals(time)
    options = _options(parsed)
    if parsed.verbose:
        _log_calls()
    if parsed.command == "validate":
        scenario.validate(config, report)
    elif parsed.command == "plan" or (parsed.command == "run" and parsed.dry_run):
        made = scenario.dry_run(config, options, report, time)
        return CHANGES_PENDING if parsed.detailed_exitcode and made.writes else 0
    elif parsed.command == "run":
        scenario.run(config, options, report, time)
    elif parsed.command == "cleanup":
        scenario.cleanup(config, options, report, time, only_plan=parsed.dry_run)
    else:
        scenario.hello(config, options, report, time)
    return 0


def _options(parsed: argparse.Namespace) -> Options:
    from .report.paint import is_terminal
    from .stages.work import Options

    return Options(
        interactive=_interactive(parsed),
        cleanup=getattr(parsed, "cleanup", None),
        output_dir=getattr(parsed, "output_dir", None),
        start_new=getattr(parsed, "new", False),
        adopt=frozenset(getattr(parsed, "adopt", [])),
        prune=getattr(parsed, "prune", False),
        with_steps=_json(parsed) or is_terminal(sys.stdout),
    )


def _json(parsed: argparse.Namespace) -> bool:
    return getattr(parsed, "output", "text") == "json"


def _interactive(parsed: argparse.Namespace) -> bool:
    """A program that reads JSON cannot answer, and a closed standard input neither."""
    return not parsed.non_interactive and not _json(parsed) and sys.stdin is not None


def _catch_signals(time: Patience) -> None:
    """Both signals end every wait on any thread, then raise on this one."""

    def stop(error: type[BaseException]) -> Callable[[int, FrameType | None], None]:
        def handler(_number: int, _frame: FrameType | None) -> None:
            time.interrupt()
            raise error

        return handler

    signal.signal(signal.SIGINT, stop(KeyboardInterrupt))
    signal.signal(signal.SIGTERM, stop(Terminated))


def _log_calls() -> None:
    import logging

    logging.basicConfig(format="%(asctime)s %(name)s %(message)s", stream=sys.stderr)
    logging.getLogger("geopipe").setLevel(logging.DEBUG)
