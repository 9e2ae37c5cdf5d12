"""The transcript: what each event prints, and how questions are asked."""

from __future__ import annotations

import io
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from geopipe_runner import events
from geopipe_runner.errors import AwsError, InterruptedByUser
from geopipe_runner.pipeline.execution import ExecutionView
from geopipe_runner.reconcile.apply import ChangeResult
from geopipe_runner.reconcile.blueprint import build_blueprint
from geopipe_runner.reconcile.model import Action, Plan, PlannedChange
from geopipe_runner.report.text.report import TextReport
from geopipe_runner.report.text.transcript import RULE
from geopipe_runner.results.read import Results
from tests.support.event_examples import EXAMPLES
from tests.support.runner_fakes import deployment, seen, shipped, thing


class Screen:
    """A report that prints into memory."""

    def __init__(self, answers: str | None = None) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        self.report = TextReport(self.out, self.err, None if answers is None else io.StringIO(answers))

    def emit(self, *emitted: Any) -> list[str]:
        """Returns the lines these events print, without rules."""
        start = len(self.out.getvalue())
        for event in emitted:
            self.report.emit(event)
        return [line for line in self.out.getvalue()[start:].splitlines() if line != RULE]


VIEW = ExecutionView("arn:e", "Executing", "run", datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("answers", "is_yes", "repetitions"),
    [
        ("y\n", True, 0),
        ("n\n", False, 0),
        (" YES \n", True, 0),
        ("No\n", False, 0),
        ("\n\nmaybe\nyy\ny\n", True, 4),
        ("y", True, 0),
    ],
)
def test_a_question_is_repeated_until_it_is_answered(answers: str, is_yes: bool, repetitions: int) -> None:
    screen = Screen(answers)
    assert screen.report.ask("Really? (y/n)") is is_yes
    lines = screen.out.getvalue().splitlines()
    assert lines == ["        Really? (y/n)"] + ["        Please answer y or n."] * repetitions


@pytest.mark.parametrize("answers", [None, "", "maybe\n", "\n"])
def test_the_end_of_the_input_interrupts_a_question(answers: str | None) -> None:
    with pytest.raises(InterruptedByUser, match="The input ended at a question") as caught:
        Screen(answers).report.ask("Really?")
    assert caught.value.exit_code == 130


def test_a_question_during_set_up_stands_below_its_heading() -> None:
    screen = Screen("n\n")
    resources = build_blueprint(deployment()).resources
    plan = Plan(tuple(PlannedChange(resource, Action.UPDATE) for resource in resources))
    screen.emit(events.SetupBegins(shipped(), plan))
    for key in ("lambda_role", "lambda_policy", "sagemaker_role", "sagemaker_policy", "log_group"):
        step = plan.step(key)
        assert step is not None
        screen.emit(events.StepDone(ChangeResult(step, "id")))
    screen.report.ask("Update it?", about=plan.step("function"))
    assert screen.out.getvalue().splitlines()[-2:] == [
        "Setting up the Lambda function for the pipeline.",
        "        Update it?",
    ]


def test_following_an_execution() -> None:
    screen = Screen()
    ended = ExecutionView("arn:e", "Succeeded", "run")
    assert screen.emit(
        events.ExecutionStarted("arn:e", "run", resumed=False),
        events.ExecutionSeen(VIEW),
        events.ExecutionSeen(ended),
        events.ExecutionEnded(ended),
    ) == [
        "Starting pipeline execution.",
        "        Execution started with ARN arn:e.",
        "Waiting for pipeline execution to finish.",
        "        Execution status is Executing.",
        "        Execution status is Succeeded.",
        "        Execution finished with status Succeeded.",
    ]
    assert screen.out.getvalue().splitlines()[-1] == RULE


def test_the_same_status_is_printed_again_only_after_some_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [100.0]
    monkeypatch.setattr("geopipe_runner.report.text.report.time.monotonic", lambda: seconds[0])
    screen = Screen()
    for moment in (100.0, 100.2, 105.0, 110.0, 110.2):
        seconds[0] = moment
        screen.emit(events.ExecutionSeen(VIEW))
    assert screen.out.getvalue().splitlines() == ["        Execution status is Executing."] * 2


def test_a_resumed_execution_is_called_so() -> None:
    lines = Screen().emit(events.ExecutionStarted("arn:e", "the-run", resumed=True))
    assert lines[:2] == ["Resuming pipeline execution.", "        Continuing with execution arn:e (run the-run)."]
    assert Screen().emit(events.ExecutionStarted("arn:e", "", resumed=True))[1].endswith("execution arn:e.")


def test_times_are_in_utc_and_to_the_second() -> None:
    assert Screen().emit(events.ExecutionShown(VIEW, ()))[1] == "Run run, Executing, started 2026-01-01 00:00:00 UTC"
    since = datetime(2026, 1, 1, 12, 0, 0, 500_000, tzinfo=UTC)
    waiting = Screen().emit(events.CallbackWaiting("arn", "step", since, "job IN_PROGRESS", None))
    assert "step has waited since 2026-01-01 12:00:00 UTC; job" in waiting[1]


def test_results() -> None:
    rows = (("1", "2", "USA"), ("3", "a, b", ""))
    saved = (Path("/tmp/results.csv"), Path("/tmp/results.geojson"))
    results = Results("bucket", ("o/results_0.csv",), ("x", "y", "z"), rows, 1234, 1200, saved[0], 99, saved)
    assert Screen().emit(events.ResultsRead(results)) == [
        "Getting output results bucket.",
        "        Output file: o/results_0.csv",
        "        Output file contents:",
        "",
        "        x,y,z",
        "        1,2,USA",
        '        3,"a, b",',
        "",
        "        1,234 rows, 1,200 of them Valid Data.",
        "        Saved as /tmp/results.csv, /tmp/results.geojson.",
    ]


@pytest.mark.parametrize(
    ("rows", "valid", "size", "text"),
    [
        (1234, 1200, 50_000, "1,234 rows, 1,200 of them Valid Data."),
        (1, 1, 50, "1 row, 1 of them Valid Data."),
        (1234, None, 50_000, "1,234 rows."),
        (None, None, 212_345_678, "The first 1 row of 212 MB; --output-dir DIR fetches, counts and saves them all."),
        (None, None, 999_600_000, "The first 1 row of 1000 MB; --output-dir DIR fetches, counts and saves them all."),
        (
            None,
            None,
            1_250_000_000,
            "The first 1 row of 1.25 GB; --output-dir DIR fetches, counts and saves them all.",
        ),
    ],
)
def test_a_result_says_how_much_there_is(rows: int | None, valid: int | None, size: int, text: str) -> None:
    results = Results("bucket", ("k",), ("x",), (("1",),), rows, valid, None, size)
    assert Screen().emit(events.ResultsRead(results))[-1] == f"        {text}"


def test_a_failure_goes_to_the_error_stream_after_what_was_done() -> None:
    screen = Screen()
    plan = Plan((PlannedChange(thing("a"), Action.CREATE),))
    screen.emit(events.SetupBegins(shipped(), plan))
    screen.emit(events.Failed(AwsError("it broke", "repair it")))
    assert screen.err.getvalue() == "Error: it broke\nrepair it\n"
    assert "broke" not in screen.out.getvalue()


def test_the_plan_says_where() -> None:
    plan = Plan((PlannedChange(thing("a"), Action.CREATE),))
    lines = Screen().emit(events.Planned(shipped(), deployment().account, plan))
    assert lines[0] == "Deployment local in account 123456789012, us-west-2 (from local.yaml)"
    assert lines[-1].startswith("Plan: 1 to create")


def test_cleaning_up() -> None:
    a, b, c = thing("a"), thing("b"), thing("c")
    deleted, kept = (
        PlannedChange(a, Action.DELETE, seen(a)),
        PlannedChange(b, Action.KEEP, seen(b), reason="thing c is kept and needs it"),
    )
    by_choice = PlannedChange(c, Action.KEEP, seen(c))
    screen = Screen()
    assert screen.emit(
        events.CleanupBegins(),
        events.CleanupPlanned(Plan((deleted, kept, by_choice))),
        events.Deleted(ChangeResult(deleted)),
        events.Deleted(ChangeResult(kept)),
        events.Deleted(ChangeResult(deleted, error=AwsError("no"))),
    ) == [
        "Finally, let's clean up our resources.",
        "Clean up resources.",
        "        Keeping thing b: thing c is kept and needs it.",
        "        Deleted thing a.",
        "        Failed to delete thing a.",
    ]
    lines = screen.emit(events.Complete((kept,)))
    assert lines[-1] == "SageMaker pipeline scenario is complete."
    assert any("thing b" in line for line in lines)


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.name)
def test_the_transcript_knows_every_event(event: events.Event) -> None:
    Screen().emit(event)


def test_an_event_that_the_transcript_does_not_know_is_an_error() -> None:
    with pytest.raises(TypeError, match="unheard"):
        Screen().emit(type("Unheard", (), {"name": "unheard"})())


def test_a_cleanup_after_a_failure_shares_its_rule() -> None:
    """The specification's sample shows two rules between blocks, but no failure."""
    screen = Screen()
    screen.emit(events.ExecutionStarted("arn:e", "run", resumed=False), events.Failed(AwsError("it broke")))
    screen.emit(events.CleanupBegins())
    lines = screen.out.getvalue().splitlines()
    assert lines[-6:] == [
        "Waiting for pipeline execution to finish.",
        RULE,
        "Finally, let's clean up our resources.",
        RULE,
        RULE,
        "Clean up resources.",
    ]


def test_lines_of_several_threads_stay_whole() -> None:
    screen = Screen()

    def emit(number: int) -> None:
        for _ in range(50):
            screen.report.emit(events.Note(str(number) * 40))

    threads = [threading.Thread(target=emit, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = screen.out.getvalue().splitlines()
    assert len(lines) == 200
    assert {len(set(line.strip())) for line in lines} == {1}


def test_closing_ends_the_block_of_a_followed_execution() -> None:
    screen = Screen()
    screen.emit(events.ExecutionStarted("arn:e", "run", resumed=False))
    screen.report.close()
    screen.report.close()
    assert screen.out.getvalue().splitlines()[-2:] == ["Waiting for pipeline execution to finish.", RULE]
