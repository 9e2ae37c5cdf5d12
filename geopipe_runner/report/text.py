"""The transcript: the specification's sample output, line by line; on a terminal with a live view of the steps."""

from __future__ import annotations

import io
import shutil
import threading
from collections.abc import Callable, Iterable
from typing import Any, TextIO

from ..errors import InterruptedByUser
from ..pipeline.execution import ExecutionView
from ..reconcile.model import Step
from . import cleanup_text, error_text, events, execution_text, plan_text, results_text
from .paint import for_stream, is_terminal
from .sections import Sections, rule
from .streams import lost_output

_WELCOME = """Welcome to the Amazon SageMaker pipeline example scenario.

This example workflow will guide you through setting up and executing a
Amazon SageMaker pipeline. The pipeline uses an AWS Lambda function and an
Amazon SQS queue, and runs a vector enrichment reverse geocode job to
reverse geocode addresses in an input file and store the results in an export file."""

_WELCOME_CUSTOM = """Welcome to the Amazon SageMaker pipeline example scenario.

This workflow will guide you through setting up and executing an Amazon SageMaker
pipeline with steps of your own. The pipeline uses an AWS Lambda function and an
Amazon SQS queue."""

_STUDIO = "https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-studio.html"


class TextReport:
    """Prints events as they come. Answers are read from `answers`; None means that nobody is there to ask."""

    def __init__(self, out: TextIO, err: TextIO, answers: TextIO | None) -> None:
        self._out = out
        self._err = err
        self._answers = answers
        self._paint = for_stream(out)
        self._lock = threading.RLock()
        self._sections: Sections | None = None
        self._following = False
        self._status = ""
        """The execution's, as last seen: the live view shows it at every look, lines above it tell its changes."""
        self._live: Any = None
        self._bars: Any = None
        self._renderers: dict[type, Callable[[Any], None]] = {
            events.Welcome: self._welcome,
            events.Connected: self._nothing,
            events.Planned: self._planned,
            events.SetupBegins: self._setup_begins,
            events.StepDone: self._step_done,
            events.Note: self._note,
            events.ExecutionStarted: self._execution_started,
            events.ExecutionSeen: self._execution_seen,
            events.ExecutionEnded: self._execution_ended,
            events.ExecutionShown: lambda event: self._lines(execution_text.shown(event)),
            events.CallbackWaiting: lambda event: self._lines(execution_text.waiting(event)),
            events.LogRead: lambda event: self._say("\n".join(event.lines) or "Nothing was logged."),
            events.ResultsRead: self._results,
            events.StudioInstructions: self._studio,
            events.Failed: self._failed,
            events.CleanupBegins: self._cleanup_begins,
            events.CleanupPlanned: lambda event: self._lines(cleanup_text.planned(event)),
            events.Deleted: lambda event: self._lines(cleanup_text.deleted(event)),
            events.Complete: self._complete,
            events.Valid: self._valid,
            events.Transferred: self._transferred,
            events.Finished: self._nothing,
        }

    @property
    def live(self) -> bool:
        """Whether someone watches a terminal."""
        return is_terminal(self._out)

    @property
    def _rule(self) -> str:
        return rule(shutil.get_terminal_size().columns if self.live else None)

    def tell(self, event: events.Event) -> None:
        """Print one event. A transfer does not wait to be shown, but its end is."""
        wait = not isinstance(event, events.Transferred) or event.done >= event.total
        if self._lock.acquire(blocking=wait):
            try:
                self._renderers[type(event)](event)
            finally:
                self._lock.release()

    def ask(self, question: str, about: Step | None = None) -> bool:
        """Ask until the answer is a yes or a no. Raises InterruptedByUser when the input ends."""
        with self._lock:
            self._leave_bars()
            if self._sections and about:
                self._sections.open_for(about)
            self._say(f"        {question}")
            while True:
                line = self._answers.readline() if self._answers else ""
                if not line:
                    raise InterruptedByUser("The input ended at a question, so nothing more was done.")
                answer = line.strip().lower()
                if answer in ("y", "yes"):
                    return True
                if answer in ("n", "no"):
                    return False
                self._say("        Please answer y or n.")

    def close(self) -> None:
        """Leave the terminal as it was."""
        with self._lock:
            self._leave_bars()
            self._stop_following()

    def _say(self, text: str = "") -> None:
        above = self._live or self._bars
        if above is not None:
            above.print_above(text)
        else:
            self._print(text)

    def _print(self, text: str) -> None:
        try:
            print(text, file=self._out, flush=True)
        except OSError as error:
            self._out = io.StringIO()  # what follows is said to nobody
            raise lost_output(error) from None

    def _lines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._say(line)

    def _block(self, *lines: str) -> None:
        self._lines((self._rule, *lines, self._rule))

    def _welcome(self, event: events.Welcome) -> None:
        self._block(_WELCOME_CUSTOM if event.custom else _WELCOME)

    def _planned(self, event: events.Planned) -> None:
        account = event.account
        endpoint = f", endpoint {account.endpoint_url}" if account.endpoint_url else ""
        self._say(
            f"Deployment {event.config.deployment} in account {account.account_id}, {account.region}{endpoint}"
            f" (from {event.config.path.name})"
        )
        if event.config.target == "aws":
            self._say(f"as {account.caller_arn}")
        self._lines(plan_text.lines(event.plan, self._paint))

    def _setup_begins(self, event: events.SetupBegins) -> None:
        self._block("First, we will set up the roles, functions, and queue needed by the SageMaker pipeline.")
        self._sections = Sections(event.config, event.plan, self._say, self._rule)

    def _step_done(self, event: events.StepDone) -> None:
        if self._sections:
            self._sections.add(event.outcome)

    def _note(self, event: events.Note) -> None:
        self._say(f"        {event.text}")

    def _execution_started(self, event: events.ExecutionStarted) -> None:
        self._close_sections()
        if event.resumed:
            run = f" (run {event.run_id})" if event.run_id else ""
            self._block("Resuming pipeline execution.", f"        Going on with execution {event.arn}{run}.")
        else:
            self._block("Starting pipeline execution.", f"        Execution started with ARN {event.arn}.")
        self._say(self._rule)
        self._say("Waiting for pipeline execution to finish.")
        self._following, self._status = True, ""
        if self.live:
            from .live import LiveSteps  # brings rich along, which only a terminal needs

            self._live = LiveSteps(self._out)

    def _execution_seen(self, event: events.ExecutionSeen) -> None:
        if self._live is None or event.view.status != self._status:
            self._say(f"        Execution status is {event.view.status}.")
        self._status = event.view.status
        if self._live is not None:
            self._live.show(event.view, event.job)

    def _execution_ended(self, event: events.ExecutionEnded) -> None:
        self._leave_live(event.view)
        self._say(f"        Execution finished with status {event.view.status}.")
        self._stop_following()

    def _leave_live(self, view: ExecutionView | None) -> None:
        if self._live is not None:
            live, self._live = self._live, None
            live.close(view)

    def _stop_following(self) -> None:
        self._leave_live(None)
        if self._following:
            self._following = False
            self._say(self._rule)

    def _results(self, event: events.ResultsRead) -> None:
        width = shutil.get_terminal_size().columns if self.live else None
        self._block(*results_text.shown(event.results, width))

    def _studio(self, _event: events.StudioInstructions) -> None:
        self._block(
            "The pipeline has completed. To view the pipeline and executions in SageMaker Studio, "
            "follow these instructions:",
            _STUDIO,
        )

    def _transferred(self, event: events.Transferred) -> None:
        """Bars for who watches a terminal; a transcript tells what has come about."""
        if not self.live or self._live is not None:
            return
        if self._bars is None:
            from .progress import LiveTransfers  # brings rich along, which only a terminal needs

            self._bars = LiveTransfers(self._out)
        self._bars.show(event)
        if self._bars.over:
            self._leave_bars()

    def _leave_bars(self) -> None:
        if self._bars is not None:
            bars, self._bars = self._bars, None
            bars.close()

    def _failed(self, event: events.Failed) -> None:
        self._leave_bars()
        self._close_sections()
        self._stop_following()
        error_text.show(event.error, self._err)

    def _close_sections(self) -> None:
        if self._sections:
            self._sections.close()
            self._sections = None

    def _cleanup_begins(self, _event: events.CleanupBegins) -> None:
        self._block("Finally, let's clean up our resources.")
        self._say(self._rule)
        self._say("Clean up resources.")

    def _complete(self, event: events.Complete) -> None:
        self._lines(cleanup_text.remaining(event))
        self._say(self._rule)
        self._block("SageMaker pipeline scenario is complete.")

    def _valid(self, event: events.Valid) -> None:
        self._say(f"{event.path} is valid.")

    def _nothing(self, _event: events.Event) -> None:
        """What is for programs only, and the end: an exit code says enough."""
