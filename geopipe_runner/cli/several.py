"""One command on several deployments, each on a thread of its own and with nothing that another one could break.

Every deployment has its own session, clock, report and files, as if its command ran alone. They share this process,
what botocore has read, and emulators. A failure stops no other deployment. Threads, because a process of its own would
cost each deployment half a second of CPU time before its first call.
"""

from __future__ import annotations

import argparse
import re
import resource
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, cast

from ..aws.clock import Interrupted, StoppableClock
from ..config import Config
from ..config.local_files import LocalFiles
from ..config.messages import shortened
from ..errors import ConfigError, GeopipeError, InterruptedByUser, OutputClosed, RefusedError, UsageError
from ..events import DeploymentResult, Failed, Finished, Report, SeveralFinished
from ..report.composite import CompositeReport, EventHandler
from ..report.outcome import OutcomeWatch
from ..report.text.board import Board, make_board
from ..report.text.stdio import complain
from ..stages.claims import Claimant, find_worlds
from ..stages.session import Session, check_writable
from ..stages.sharing import SharedWork
from .commands import SeveralCommand
from .interruption import call_on_signals
from .options import DEFAULTS, JOBS_THAT_READ, JOBS_THAT_WRITE
from .parser import BEST_TO_WORST
from .selection import SelectedDeployment

if TYPE_CHECKING:
    from ..context import Options

# Options that are about one deployment, or name one file.
_ABOUT_ONE = {"adopt": "--adopt", "plan_out": "--plan-out", "execution": "--execution"}
_TICK = 0.1
_OPEN_FILES = 8192

MakeHandlers = Callable[[argparse.Namespace, Report], list[EventHandler]]


def worst_exit_code(codes: Sequence[int]) -> int:
    """Returns the exit code of a command on several deployments with these exit codes."""
    return max(codes, key=BEST_TO_WORST.index, default=0)


@dataclass
class Job:
    """The work on one deployment."""

    selected: SelectedDeployment
    name: str
    config: Config | None
    error: GeopipeError | None
    watch: OutcomeWatch
    clock: StoppableClock = field(default_factory=StoppableClock)
    exit_code: int | None = None
    """None until it has ended."""

    @property
    def result(self) -> DeploymentResult:
        code = InterruptedByUser.exit_code if self.exit_code is None else self.exit_code
        return replace(self.watch.result, exit_code=code)


class SeveralDeployments:
    """The jobs of one command, and what they share."""

    def __init__(
        self,
        command: SeveralCommand,
        parsed: argparse.Namespace,
        report: Report,
        options: Options,
        make_handlers: MakeHandlers,
    ) -> None:
        """`report` is that of the whole command; `make_handlers` makes what writes the files of one deployment."""
        self._command = command
        self._parsed = parsed
        self._report = report
        self._options = options
        self._make_handlers = make_handlers
        self._is_json = parsed.output == "json"
        self._output_lock = threading.Lock()
        self._waiting: SimpleQueue[Job] = SimpleQueue()
        self._ended: SimpleQueue[Job] = SimpleQueue()
        self._stopped_by: tuple[str, bool] | None = None

    def run(self, deployments: Sequence[SelectedDeployment]) -> int:
        """Do the work, and return the exit code.

        Raises:
            ConfigError: a `--set` option is wrong for all of them.
            UsageError: the command line is ambiguous, `--output-dir` cannot be used, or two configurations claim the
                same resource. Nothing was done.
            RefusedError: `--confirm` names none of the deployments, or the answer to the question is no.
        """
        if len(deployments) > 1:
            self._refuse_options()
        jobs = _load(deployments)
        _refuse_settings(jobs)
        loaded = [(job, job.config) for job in jobs if job.config is not None]
        worlds = find_worlds([Claimant(job.selected.title, config) for job, config in loaded])
        self._refuse_unknown_confirmations({job.watch.result.deployment for job in jobs})
        self._refuse_questions([config for _, config in loaded])
        if self._parsed.output_dir:
            check_writable(self._parsed.output_dir)
        self._confirm([config for _, config in loaded])
        places = {(str(config.path), config.entry): world for (_, config), world in zip(loaded, worlds, strict=True)}
        _raise_open_files()
        call_on_signals(lambda reason, is_unattended: self._stop(jobs, reason, is_unattended))
        with SharedWork(places) as shared:
            code = self._run_all(jobs, shared)
        results = tuple(job.result for job in jobs)
        code = worst_exit_code([code, *(result.exit_code for result in results)])
        is_dry_run = getattr(self._parsed, "dry_run", False)
        columns = tuple(column for column in self._command.COLUMNS if column == "changes" or not is_dry_run)
        with suppress(OutputClosed):
            self._report.emit(SeveralFinished(results, code, columns))
        return code

    # Before anything is done

    def _refuse_options(self) -> None:
        for name, option in _ABOUT_ONE.items():
            if getattr(self._parsed, name, None) not in (DEFAULTS.get(name), None):
                raise UsageError(
                    f"{option} is about one deployment, and this command line names several.",
                    "Choose one with --only, or leave the option out.",
                )

    @property
    def _changes_something(self) -> bool:
        return self._command.SEVERAL == "write" and not getattr(self._parsed, "dry_run", False)

    def _refuse_unknown_confirmations(self, known: Set[str]) -> None:
        """Refuse a name that is no deployment's: then this is another set than the caller believes."""
        if unknown := sorted(self._options.confirm - known):
            raise RefusedError(
                f"Nothing was done, because --confirm names {', '.join(unknown)}, and these are the deployments "
                f"{shortened(sorted(known))}.",
                "Check which configurations you named.",
            )

    def _refuse_questions(self, configs: Sequence[Config]) -> None:
        if self._parsed.command != "cleanup" or not self._changes_something or not self._options.interactive:
            return
        asking = [config.argument for config in configs if self._options.cleanup_policy(config) == "ask"]
        if asking:
            raise UsageError(
                f"The clean-up policy of {shortened(asking)} is `ask`, and questions about each of several deployments "
                "are not asked.",
                "Pass --cleanup=all, --cleanup=none or a list. With --non-interactive, `ask` keeps everything.",
            )

    def _confirm(self, configs: Sequence[Config]) -> None:
        """Ask once for all deployments before anything is changed.

        Raises:
            UsageError: no one can answer.
            RefusedError: the answer is no.
        """
        if not self._changes_something or not self._options.interactive or not configs:
            return
        accounts, regions = {config.account_id for config in configs}, {config.region for config in configs}
        for config in configs:
            self._note(f"{config.deployment} in account {config.account_id}, {config.region} ({config.path.name})")
        self._note(
            "No other question is asked: as with --non-interactive, existing pipelines are updated, resources of "
            "others are refused, a clean-up policy of `ask` keeps everything, and what `protect: true` protects is "
            "deleted only with --confirm NAME."
        )
        question = (
            f"{self._parsed.command} {_count(len(configs), 'deployment')} in {_count(len(accounts), 'account')} and "
            f"{_count(len(regions), 'region')}? (y/n)"
        )
        try:
            is_confirmed = self._report.ask(question)
        except InterruptedByUser:
            what = f"`{self._parsed.command}` on several deployments asks once, and the input ended. Nothing was done."
            raise UsageError(what, "Pass --non-interactive.") from None
        if not is_confirmed:
            raise RefusedError("Nothing was done, because it was not confirmed.")

    def _note(self, text: str) -> None:
        from ..events import Note

        self._report.emit(Note(text))

    # The work

    def _run_all(self, jobs: Sequence[Job], shared: SharedWork) -> int:
        """Run every job, show each when it has ended, and return the exit code of the output itself."""
        default = JOBS_THAT_WRITE if self._command.SEVERAL == "write" else JOBS_THAT_READ
        board = make_board(self._parsed.command, [job.watch for job in jobs], is_json=self._is_json)
        for job in jobs:
            self._waiting.put(job)
        lost: OutputClosed | None = None
        is_announced = False
        with board:
            for _ in range(min(self._parsed.jobs or default, len(jobs))):
                threading.Thread(target=self._work, args=(shared, board), name="geopipe-job", daemon=True).start()
            left = len(jobs)
            while left:
                try:
                    job = self._ended.get(timeout=_TICK)
                except Empty:
                    if self._stopped_by is not None and lost is None and not is_announced:
                        is_announced = True
                        complain(f"{self._stopped_by[0]} Waiting for calls under way. Ctrl-C again ends immediately.")
                    board.refresh()
                    continue
                left -= 1
                try:
                    if lost is None:
                        board.show_ended(job.watch)
                except OutputClosed as error:
                    lost = error
                    self._stop(jobs, error.message, is_unattended=True)
        return lost.exit_code if lost else 0

    def _work(self, shared: SharedWork, board: Board) -> None:
        """Work on jobs until there are no more."""
        while True:
            try:
                job = self._waiting.get_nowait()
            except Empty:
                return
            try:
                job.exit_code = self._run_one(job, shared, board)
            except Exception as error:  # noqa: BLE001 - a bug of ours ends this deployment, with its traceback
                job.exit_code = 1
                sys.excepthook(type(error), error, error.__traceback__)
            finally:
                job.watch.end(job.exit_code if job.exit_code is not None else 1)
                self._ended.put(job)

    def _run_one(self, job: Job, shared: SharedWork, board: Board) -> int:
        report = self._report_of(job, board)
        code = 0
        try:
            if self._stopped_by is not None:
                raise InterruptedByUser(f"{self._stopped_by[0]} Nothing was done for this deployment.")
            if job.error is not None or job.config is None:
                raise job.error or AssertionError("without a configuration, there is an error")
            job.watch.begin()
            options = replace(
                self._options,
                interactive=False,
                output_dir=self._folder(job),
                confirm=self._options.confirm & {job.config.deployment},  # the other names are about other deployments
            )
            session = Session(job.config, options, report, job.clock, shared=shared)
            code = self._command.run(session, self._arguments(job))
        except GeopipeError as error:
            code = error.exit_code
            if not error.explained and type(error) is not OutputClosed:
                _emit(report, Failed(error))
        except Interrupted:  # before a connection that could say more
            code = InterruptedByUser.exit_code
            _emit(report, Failed(InterruptedByUser(job.clock.reason)))
        finally:
            report.close()
        return code or _emit(report, Finished(code))

    def _report_of(self, job: Job, board: Board) -> Report:
        from ..report.json_lines import JsonReport
        from ..report.text.report import TextReport

        transcript = job.watch.open_transcript(None if self._is_json else self._folder(job))
        if self._is_json:
            place = {key: getattr(job.watch.result, key) for key in ("deployment", "account_id", "region")}
            first: Report = JsonReport(sys.stdout, job.watch.errors, place, self._output_lock)
        else:
            first = TextReport(transcript, job.watch.errors, None, with_files=self._parsed.verbose)
        handlers = self._make_handlers(self._arguments(job), first)
        return CompositeReport(first, job.watch, *handlers)

    def _folder(self, job: Job) -> Path | None:
        folder: Path | None = self._parsed.output_dir
        return folder / job.name if folder else None

    def _arguments(self, job: Job) -> argparse.Namespace:
        """Returns the command line as it would be for this deployment alone."""
        values: Mapping[str, Any] = vars(self._parsed)
        return argparse.Namespace(
            **{**values, "configs": [str(job.selected.path)], "output_dir": self._folder(job), "all": []}
        )

    def _stop(self, jobs: Sequence[Job], reason: str, is_unattended: bool) -> None:
        """End every deployment as Ctrl-C or a signal ends one. Those that wait are not begun. Takes no lock."""
        self._stopped_by = reason, is_unattended
        for job in jobs:
            job.clock.stop(reason, is_unattended=is_unattended)


def _load(deployments: Sequence[SelectedDeployment]) -> list[Job]:
    """Read every configuration. What is wrong with one stays with its deployment."""
    read: list[tuple[SelectedDeployment, Config | None, GeopipeError | None]] = []
    files = LocalFiles()
    for selected in deployments:
        try:
            read.append((selected, selected.load(files), None))
        except ConfigError as error:
            read.append((selected, None, error))
    return [
        Job(selected, name, config, error, OutcomeWatch(_first_result(selected, name, config)))
        for (selected, config, error), name in zip(read, _names([(s, c) for s, c, _ in read]), strict=True)
    ]


def _refuse_settings(jobs: Sequence[Job]) -> None:
    """Raises ConfigError with the problems of `--set` options that all deployments have: the command line is wrong."""
    found = [
        {problem for problem in job.error.problems if problem.file.startswith("--set")}
        if isinstance(job.error, ConfigError)
        else set()
        for job in jobs
        if job.selected.file is not None
    ]
    if found and (shared := set.intersection(*found)):
        raise ConfigError(shared)


def _first_result(selected: SelectedDeployment, name: str, config: Config | None) -> DeploymentResult:
    if config is None:
        return DeploymentResult(name, selected.entry or name, None, None, selected.path.name)
    return DeploymentResult(name, config.deployment, config.account_id, config.region, config.path.name)


def _names(read: Sequence[tuple[SelectedDeployment, Config | None]]) -> Iterator[str]:
    """Yield a name for each, good for a folder: the deployment's, with more where that alone is not unique."""
    forms: list[Callable[[SelectedDeployment, Config | None], str]] = [
        lambda selected, config: config.deployment if config else selected.entry or selected.path.stem,
        lambda selected, config: f"{config.account_id}-{config.region}" if config else "",
        lambda selected, config: selected.path.stem,
    ]
    names = [forms[0](selected, config) for selected, config in read]
    for form in forms[1:]:
        names = [
            "-".join(filter(None, (name, form(*pair)))) if names.count(name) > 1 else name
            for name, pair in zip(names, read, strict=True)
        ]
    for number, name in enumerate(names):
        # A name that is no deployment's, because it is refused, may hold anything.
        safe = re.sub(r"[^A-Za-z0-9-]", "-", name)
        yield safe if name not in names[:number] else f"{safe}-{number + 1}"


def _raise_open_files() -> None:
    """Allow more open files: each deployment has connections, and the usual limit of 1024 is soon reached."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < limit:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _emit(report: Report, event: Failed | Finished) -> int:
    """Emit; returns the exit code of what could not be written, else 0."""
    try:
        report.emit(event)
    except GeopipeError as error:
        return error.exit_code
    return 0


def run_several(
    command: Any,
    parsed: argparse.Namespace,
    deployments: Sequence[SelectedDeployment],
    report: Report,
    options: Options,
    make_handlers: MakeHandlers,
) -> int:
    """Run `command` on several deployments, and return the worst exit code."""
    return SeveralDeployments(cast("SeveralCommand", command), parsed, report, options, make_handlers).run(deployments)
