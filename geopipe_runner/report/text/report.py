"""The transcript: the specification's sample output, line by line; on a terminal with a live view of the steps."""

from __future__ import annotations

import io
import shutil
import textwrap
import threading
import time
from collections.abc import Iterable
from typing import Any, TextIO

from ... import events
from ...errors import InterruptedByUser
from ...reconcile.model import PlannedChange
from ..escape import printable
from .checks import check_lines
from .cleanup import deletion_lines, kept_lines, remaining_lines
from .error import print_error
from .execution import callback_lines, execution_lines
from .function_log import log_lines
from .graph import graph_lines, mermaid_lines
from .links import link_lines
from .plan import plan_lines
from .results import result_lines
from .stdio import lost_output
from .style import Colored, Line, is_terminal, style_for
from .transcript import SetupTranscript, rule
from .values import config_lines

_WELCOME = "Welcome to the Amazon SageMaker pipeline example scenario."

_STUDIO = (
    "The pipeline has completed. To view the pipeline and executions in SageMaker Studio, follow these instructions:",
    "https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-studio.html",
)

# The same status again is a line only so often: with a short poll_interval the log would be full of it.
_STATUS_SECONDS = 9.0
_INDENT = " " * 8


class TextReport:
    """Prints events as they come, and asks questions. With `answers` None there is no one to ask."""

    def __init__(self, out: TextIO, err: TextIO, answers: TextIO | None, *, with_files: bool = False) -> None:
        """`with_files`: a plan lists each file of the code that differs."""
        self._out = out
        self._err = err
        self._answers = answers
        self._with_files = with_files
        self._style = style_for(out)
        self._lock = threading.RLock()
        self._setup: SetupTranscript | None = None
        self._is_following = False
        self._status = ""  # the execution's, as printed last
        self._status_at = 0.0
        self._steps: Any = None  # the live view of the steps
        self._bars: Any = None  # the live view of transfers
        self._last_is_rule = False
        self._shares_rule = False

    @property
    def live(self) -> bool:
        """Returns whether a person watches a terminal."""
        return is_terminal(self._out)

    def emit(self, event: events.Event) -> None:
        """Print one event. A transfer does not wait for its turn, unless it has ended."""
        waits = not isinstance(event, events.Transferred) or event.done >= event.total
        if self._lock.acquire(blocking=waits):
            try:
                self._print_event(event)
            finally:
                self._lock.release()

    def _print_event(self, event: events.Event) -> None:
        match event:
            case events.Welcome():
                self._print_block(*"\n\n".join(filter(None, (_WELCOME, event.text))).split("\n"))

            case events.Valid():
                self._print(f"{event.path} is valid.")

            case events.Planned():
                account, config = event.account, event.config
                endpoint = f", endpoint {account.endpoint_url}" if account.endpoint_url else ""
                self._print(
                    f"Deployment {config.deployment} in account {account.account_id}, {account.region}{endpoint}"
                    f" (from {config.path.name})"
                )
                if config.target == "aws":
                    self._print(f"as {account.caller_arn}")
                self._print_all(plan_lines(event.plan, with_files=self._with_files))

            case events.SetupBegins():
                self._print_block(
                    "First, we will set up the roles, functions, and queue needed by the SageMaker pipeline."
                )
                self._setup = SetupTranscript(event.config, event.plan, self._print, self._rule)

            case events.StepDone():
                if self._setup:
                    self._setup.add(event.outcome)

            case events.Note():
                self._print_all(part for line in event.text.split("\n") for part in self._indented(line))

            case events.ExecutionStarted():
                self._close_setup()
                if event.resumed:
                    run = f" (run {event.run_id})" if event.run_id else ""
                    self._print_block(
                        "Resuming pipeline execution.", f"{_INDENT}Continuing with execution {event.arn}{run}."
                    )
                else:
                    self._print_block(
                        "Starting pipeline execution.", f"{_INDENT}Execution started with ARN {event.arn}."
                    )
                self._print(self._rule)
                self._print("Waiting for pipeline execution to finish.")
                self._is_following, self._status = True, ""
                if self.live:
                    from .live import LiveSteps  # imports rich, which only a terminal needs

                    self._steps = LiveSteps(self._out)

            case events.ExecutionSeen():
                # The live view shows the status at every poll; the lines above it only when it changes.
                is_due = self._steps is None and time.monotonic() - self._status_at >= _STATUS_SECONDS
                if is_due or event.view.status != self._status:
                    self._print(f"{_INDENT}Execution status is {event.view.status}.")
                    self._status, self._status_at = event.view.status, time.monotonic()
                if self._steps is not None:
                    self._steps.show(event.view, event.job)

            case events.ExecutionEnded():
                if self._steps is not None:
                    steps, self._steps = self._steps, None
                    steps.close(event.view)
                self._print(f"{_INDENT}Execution finished with status {event.view.status}.")
                self._stop_following()

            case events.ExecutionShown():
                self._print_all(execution_lines(event))

            case events.CallbackWaiting():
                self._print_all(callback_lines(event))

            case events.GraphShown():
                if event.form == "mermaid":
                    self._print_all(mermaid_lines(event.steps))
                else:
                    width = shutil.get_terminal_size().columns if self.live else None
                    self._print_all(graph_lines(event.pipeline, event.steps, width))

            case events.ConfigShown():
                self._print_all(config_lines(event.values))

            case events.CheckDone():
                self._print_all(check_lines(event))

            case events.TextPrinted():
                self._print_all(event.text.rstrip("\n").split("\n"))

            case events.LinksShown():
                self._print_all(link_lines(event))

            case events.LogRead():
                lines = (line for text in event.lines for line in text.split("\n"))
                self._print_all(lines if event.lines else ["Nothing was logged."])

            case events.LogLineRead():
                self._print_all(log_lines(event))

            case events.ResultsRead():
                width = shutil.get_terminal_size().columns if self.live else None
                self._print_block(*result_lines(event.results, width))

            case events.Transferred():
                # Bars are for a person at a terminal. Bars and the view of the steps do not share the screen.
                if self.live and self._steps is None:
                    if self._bars is None:
                        from .progress import LiveTransfers  # imports rich, which only a terminal needs

                        self._bars = LiveTransfers(self._out)
                    self._bars.show(event)
                    if self._bars.is_done:
                        self._close_bars()

            case events.StudioInstructions():
                self._print_block(*_STUDIO)

            case events.Failed():
                self._close_bars()
                self._close_setup()
                self._stop_following()
                self._shares_rule = self._last_is_rule  # a cleanup that follows begins below the same rule
                print_error(event.error, self._err)

            case events.CleanupBegins():
                self._print_block("Finally, let's clean up our resources.")
                self._print(self._rule)
                self._print("Clean up resources.")

            case events.CleanupPlanned():
                self._print_all(kept_lines(event.plan))

            case events.Deleted():
                self._print_all(deletion_lines(event.outcome))

            case events.Complete():
                self._print_all(remaining_lines(event.remaining))
                self._print(self._rule)
                self._print_block("SageMaker pipeline scenario is complete.")

            case events.SeveralFinished():
                from .several import several_lines  # only a command on several deployments needs it

                self._print_all(several_lines(event.deployments, event.columns))

            case events.Connected() | events.Finished():
                pass  # for programs; on a terminal, the exit code says enough

            case _:
                raise TypeError(f"the transcript does not know the event {event.name}")

    def ask(self, question: str, about: PlannedChange | None = None) -> bool:
        """Ask until the answer is a yes or a no.

        Raises:
            InterruptedByUser: The input ended.
        """
        with self._lock:
            self._close_bars()
            if self._setup and about:
                self._setup.open_for(about)
            self._print(f"{_INDENT}{question}")
            while True:
                answer = self._read_answer().lower()
                if answer in ("y", "yes"):
                    return True
                if answer in ("n", "no"):
                    return False
                self._print(f"{_INDENT}Please answer y or n.")

    def confirm(self, question: str, name: str) -> bool:
        """Ask for a name, and return whether it is this one.

        Raises:
            InterruptedByUser: The input ended.
        """
        with self._lock:
            self._close_bars()
            self._print(f"{_INDENT}{question}")
            return self._read_answer() == name

    def _read_answer(self) -> str:
        line = self._answers.readline() if self._answers else ""
        if not line:
            raise InterruptedByUser("The input ended at a question, so nothing more was done.")
        return line.strip()

    def close(self) -> None:
        """Leave the terminal as it was."""
        with self._lock:
            self._close_bars()
            self._stop_following()

    @property
    def _rule(self) -> str:
        return rule(shutil.get_terminal_size().columns if self.live else None)

    def _indented(self, line: str) -> Iterable[str]:
        """Returns a line of a note; on a terminal, as many as it takes without a break inside of a word."""
        width = shutil.get_terminal_size().columns
        if not self.live or len(_INDENT) + len(line) <= width:
            return [_INDENT + line]
        parts = textwrap.wrap(line, max(1, width - len(_INDENT)), break_long_words=False, break_on_hyphens=False)
        return [_INDENT + part for part in parts]

    def _print_block(self, *lines: Line) -> None:
        """Print lines between two rules."""
        if not self._shares_rule:
            self._print(self._rule)
        self._print_all((*lines, self._rule))

    def _print_all(self, lines: Iterable[Line]) -> None:
        for line in lines:
            self._print(line)

    def _print(self, line: Line) -> None:
        """Print one line, above a live view if there is one. This is where everything is escaped and colored."""
        parts = (line,) if isinstance(line, str) else line
        text = "".join(
            self._style.apply(printable(part.text), part.color) if isinstance(part, Colored) else printable(part)
            for part in parts
        )
        self._last_is_rule = line == self._rule
        self._shares_rule = False
        view = self._steps or self._bars
        if view is not None:
            view.print_above(text)
            return
        try:
            print(text, file=self._out, flush=True)
        except OSError as error:
            self._out = io.StringIO()  # there is no reader any more for what follows
            raise lost_output(error) from None

    def _close_setup(self) -> None:
        if self._setup:
            self._setup.close()
            self._setup = None

    def _close_bars(self) -> None:
        if self._bars is not None:
            bars, self._bars = self._bars, None
            bars.close()

    def _stop_following(self) -> None:
        if self._steps is not None:
            steps, self._steps = self._steps, None
            steps.close(None)
        if self._is_following:
            self._is_following = False
            self._print(self._rule)
