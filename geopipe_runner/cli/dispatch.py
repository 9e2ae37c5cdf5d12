"""From arguments to one command and its exit code. The only place that prints errors and picks exit codes."""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ..errors import GeopipeError, InterruptedByUser, OutputClosed, OutputFailed
from ..report.text.stdio import complain, flush_output, open_closed_streams
from .commands import Command, CommandModule, StandaloneCommand, takes_several
from .interruption import raise_on_signals
from .parser import parse, program_name

if TYPE_CHECKING:
    from ..context import Options
    from ..events import Event, Report
    from ..report.composite import EventHandler
    from .selection import DeploymentSelection, SelectedDeployment

# What is wrong with the disk or the reader, never with us.
_CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE)


def run_arguments(arguments: list[str]) -> int:
    """Run one command and return its exit code. Raises SystemExit after help, version or wrong usage."""
    open_closed_streams()
    try:
        code = _run(arguments)
    except SystemExit as stop:
        lost = flush_output()
        if lost is None or stop.code:
            raise
        return _exit_code_of(lost)
    lost = flush_output()
    return _exit_code_of(lost) if lost and not code else code


def _exit_code_of(lost: OutputClosed) -> int:
    """Say that output was lost, unless its reader left on purpose, and return the exit code."""
    if isinstance(lost, OutputFailed):
        complain(lost.message)
    return lost.exit_code


def _run(arguments: list[str]) -> int:
    try:
        command, parsed = parse(arguments)
        if command.NEEDS == "nothing":
            report = _make_report(parsed)
            return _report_outcome(report, lambda: cast("StandaloneCommand", command).run(report, parsed))
        return _run_on_deployments(command, parsed)
    except KeyboardInterrupt as error:
        complain(str(error) or "Interrupted.")
        return InterruptedByUser.exit_code
    except OSError as error:
        if error.errno not in _CANNOT_WRITE:
            raise
        complain(f"Cannot write: {error.strerror}.")
        return 1


def _run_on_deployments(command: CommandModule, parsed: argparse.Namespace) -> int:
    from .plan_argument import protect_from_plan, read_plan_argument
    from .selection import choose_one, select

    try:
        read_plan_argument(parsed)
        protect_from_plan(parsed)
        selection = select(parsed, files=command.NEEDS == "files", several=takes_several(command))
        is_set = selection.is_set and takes_several(command)
        selected = selection.deployments[0] if is_set else choose_one(selection, parsed.command)
    except GeopipeError as error:
        return _report_error(error, _make_report(parsed))
    if is_set:
        first = _make_first_report(parsed)
        return _report_outcome(first, lambda: _run_several(command, parsed, selection, first))
    report = _make_report(parsed)
    return _report_outcome(report, lambda: _run_command(command, parsed, selected, report))


def _make_report(parsed: argparse.Namespace) -> Report:
    """Return the report on standard output, with its handlers."""
    first = _make_first_report(parsed)
    handlers = _make_handlers(parsed, first)
    if not handlers:
        return first
    from ..report.composite import CompositeReport

    return CompositeReport(first, *handlers)


def _make_first_report(parsed: argparse.Namespace) -> Report:
    """Return the report on standard output. Characters that an encoding lacks are replaced."""
    from ..report.json_lines import JsonReport
    from ..report.text.report import TextReport

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    answers = sys.stdin if _is_interactive(parsed) else None
    is_json = parsed.output == "json"
    if is_json:
        return JsonReport(sys.stdout, sys.stderr)
    return TextReport(sys.stdout, sys.stderr, answers, with_files=parsed.verbose)


def _make_handlers(parsed: argparse.Namespace, first: Report) -> list[EventHandler]:
    """Return the handlers that write files. Each is loaded only where an option asks for it."""
    handlers: list[EventHandler] = []
    if parsed.plan_out:
        from ..report.composite import PlanFile

        handlers.append(PlanFile(parsed.plan_out))
    if parsed.output_dir:
        from ..events import Note
        from ..report.run_files import RunFiles
        from ..report.run_record import RunRecord

        record = RunRecord(Path(parsed.configs[0]))
        handlers.append(RunFiles(parsed.output_dir, record, lambda text: first.emit(Note(text))))
    if os.environ.get("GITHUB_STEP_SUMMARY"):
        from ..events import Note
        from ..report.job_summary import JobSummary

        path = Path(os.environ["GITHUB_STEP_SUMMARY"])
        handlers.append(JobSummary(path, lambda text: first.emit(Note(text))))
    return handlers


def _report_error(error: GeopipeError, report: Report) -> int:
    def fail() -> int:
        raise error

    return _report_outcome(report, fail)


def _report_outcome(report: Report, action: Callable[[], int]) -> int:
    """Return the exit code of `action`, after reporting it and why it ended."""
    from ..events import Failed, Finished

    try:
        code = action()
    except GeopipeError as error:
        is_silent = error.explained or type(error) is OutputClosed
        if not is_silent:
            _report_failure(report, Failed(error))
        code = error.exit_code
    except KeyboardInterrupt as error:  # after the start, and before a command can say more
        _report_failure(report, Failed(InterruptedByUser(str(error) or "Interrupted.")))
        code = InterruptedByUser.exit_code
    finally:
        report.close()
    try:
        report.emit(Finished(code))
    except GeopipeError as error:  # a handler could not write what it has collected, and has reported that
        return code or error.exit_code
    return code


def _report_failure(report: Report, failed: Event) -> None:
    with contextlib.suppress(OSError):  # standard error does not work: the exit code is all there is
        try:
            report.emit(failed)
        except OutputClosed:
            report.emit(failed)  # it has dropped standard output by now; the second time reaches standard error


def _run_command(
    command: CommandModule, parsed: argparse.Namespace, selected: SelectedDeployment, report: Report
) -> int:
    config = selected.load()
    # Only now: a wrong configuration is reported without loading what follows.
    from ..aws.clock import Clock
    from ..stages.session import Session

    clock = Clock()
    if parsed.verbose:
        _log_calls()
    session = Session(config, _options(parsed), report, clock, on_start=lambda: raise_on_signals(clock))
    return cast("Command", command).run(session, parsed)


def _run_several(
    command: CommandModule, parsed: argparse.Namespace, selection: DeploymentSelection, report: Report
) -> int:
    from .several import run_several

    if parsed.verbose:
        _log_calls()
    return run_several(command, parsed, selection.deployments, report, _options(parsed), _make_handlers)


def _options(parsed: argparse.Namespace) -> Options:
    from ..context import Options
    from ..report.text.style import is_terminal

    is_json = parsed.output == "json"
    is_watched = is_terminal(sys.stdout) and not is_json
    return Options(
        program=program_name(),
        command=parsed.command,
        interactive=_is_interactive(parsed),
        cleanup=parsed.cleanup,
        output_dir=parsed.output_dir,
        start_new=parsed.new,
        adopt=frozenset(parsed.adopt),
        prune=parsed.prune,
        confirm=frozenset(parsed.confirm),
        force_unlock=parsed.force_unlock,
        settings=tuple(parsed.settings),
        reviewed=parsed.saved_plan is not None,
        yes_cost=parsed.yes_cost,
        with_steps=is_watched or is_json or parsed.output_dir is not None,
        with_job=is_watched,
    )


def _is_interactive(parsed: argparse.Namespace) -> bool:
    """Whether questions can be asked: a program that reads JSON cannot answer, nor can a closed standard input."""
    return not parsed.non_interactive and parsed.output != "json" and sys.stdin is not None


def _log_calls() -> None:
    import logging

    from ..report.text.log import LogFormatter

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogFormatter("%(asctime)s %(name)s %(message)s"))
    logging.basicConfig(handlers=[handler])
    logging.getLogger("geopipe").setLevel(logging.DEBUG)
