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
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from .arguments import CHANGES_PENDING, EXECUTION_COMMANDS, parse
from .errors import GeopipeError, InterruptedByUser, OutputClosed, Terminated
from .report.streams import complain, flushed, open_closed_streams

if TYPE_CHECKING:
    from .aws.retry import Patience
    from .report.events import Event, Report
    from .report.several import Listener
    from .stages.work import Options, Work

_CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE)
"""What is wrong with the disk or the reader, never with us."""


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
        parsed = parse(arguments)
        return _reported(parsed, _make_report(parsed))
    except KeyboardInterrupt:
        complain("Interrupted.")
        return InterruptedByUser.exit_code
    except OSError as error:
        if error.errno not in _CANNOT_WRITE:
            raise
        complain(f"Cannot write: {error.strerror}.")
        return 1


def _make_report(parsed: argparse.Namespace) -> Report:
    """Text or JSON on standard output, and those that listen in. Characters an encoding lacks are replaced."""
    from .report.json_lines import JsonReport
    from .report.several import Several
    from .report.text import TextReport

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    answers = sys.stdin if _interactive(parsed) else None
    first: Report = JsonReport(sys.stdout, sys.stderr) if _json(parsed) else TextReport(sys.stdout, sys.stderr, answers)
    listeners = _make_listeners(parsed, first)
    return Several(first, *listeners) if listeners else first


def _make_listeners(parsed: argparse.Namespace, first: Report) -> list[Listener]:
    """Those that write files; each is loaded only where it is asked for."""
    listeners: list[Listener] = []
    if getattr(parsed, "plan_out", None):
        from .report.several import PlanFile

        listeners.append(PlanFile(parsed.plan_out))
    if getattr(parsed, "output_dir", None):
        from .report.events import Note
        from .report.files import RunFiles
        from .report.record import RunRecord

        record = RunRecord(Path(parsed.config))
        listeners.append(RunFiles(parsed.output_dir, record, lambda text: first.tell(Note(text))))
    if os.environ.get("GITHUB_STEP_SUMMARY"):
        from .report.summary import JobSummary

        listeners.append(JobSummary(Path(os.environ["GITHUB_STEP_SUMMARY"])))
    return listeners


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
    try:
        report.tell(Finished(code))
    except GeopipeError as error:  # a listener could not write what it has collected, which has been told
        return code or error.exit_code
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
    config = load(parsed.config, files=parsed.command in ("run", "plan", "validate"))
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
    elif parsed.command in EXECUTION_COMMANDS:
        again = parsed.command in ("resume", "retry")
        scenario.on_executions(config, options, report, time, verb=_verb(parsed), then_clean_up=again)
    else:
        scenario.hello(config, options, report, time)
    return 0


def _verb(parsed: argparse.Namespace) -> Callable[[Work], None]:
    from .stages import executions

    if parsed.command == "rescue":
        wanted = executions.Rescue(parsed.older_than, parsed.fail, parsed.succeed)
        return partial(executions.rescue, wanted=wanted)
    verbs = {
        "status": executions.show,
        "resume": executions.resume,
        "stop": executions.stop,
        "retry": executions.retry,
        "logs": executions.log,
        "results": executions.results,
    }
    return partial(verbs[parsed.command], wanted=parsed.execution)


def _options(parsed: argparse.Namespace) -> Options:
    from .report.paint import is_terminal
    from .stages.work import Options

    watched = is_terminal(sys.stdout) and not _json(parsed)
    return Options(
        program="python run.py" if Path(sys.argv[0]).name == "run.py" else "geopipe",
        interactive=_interactive(parsed),
        cleanup=getattr(parsed, "cleanup", None),
        output_dir=getattr(parsed, "output_dir", None),
        start_new=getattr(parsed, "new", False),
        adopt=frozenset(getattr(parsed, "adopt", [])),
        prune=getattr(parsed, "prune", False),
        with_steps=watched or _json(parsed) or getattr(parsed, "output_dir", None) is not None,
        with_job=watched,
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
