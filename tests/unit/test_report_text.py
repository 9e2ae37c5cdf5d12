"""The transcript: what each event prints, and how questions are asked."""

from __future__ import annotations

import io
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from runner_fakes import deployment, seen, shipped, thing

from geopipe_runner.errors import AwsError, InterruptedByUser
from geopipe_runner.pipeline.execution import ExecutionView
from geopipe_runner.pipeline.results import Results
from geopipe_runner.reconcile.applier import Outcome
from geopipe_runner.reconcile.blueprint import draw
from geopipe_runner.reconcile.model import Action, Plan, Step
from geopipe_runner.report import events
from geopipe_runner.report.sections import RULE
from geopipe_runner.report.text import TextReport


class Screen:
    """A report that prints into memory."""

    def __init__(self, answers: str | None = None) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        self.report = TextReport(self.out, self.err, None if answers is None else io.StringIO(answers))

    def tell(self, *told: Any) -> list[str]:
        """The lines these events print, rules left out."""
        start = self.out.tell()
        for event in told:
            self.report.tell(event)
        return [line for line in self.out.getvalue()[start:].splitlines() if line != RULE]


VIEW = ExecutionView("arn:e", "Executing", "run", datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("answers", "given", "asked"),
    [
        ("y\n", True, 0),
        ("n\n", False, 0),
        (" YES \n", True, 0),
        ("No\n", False, 0),
        ("\n\nmaybe\nyy\ny\n", True, 4),
        ("y", True, 0),
    ],
)
def test_asking_until_there_is_an_answer(answers: str, given: bool, asked: int) -> None:
    screen = Screen(answers)
    assert screen.report.ask("Really? (y/n)") is given
    lines = screen.out.getvalue().splitlines()
    assert lines == ["        Really? (y/n)"] + ["        Please answer y or n."] * asked


@pytest.mark.parametrize("answers", [None, "", "maybe\n", "\n"])
def test_the_end_of_the_input_is_no_answer(answers: str | None) -> None:
    with pytest.raises(InterruptedByUser, match="The input ended at a question") as caught:
        Screen(answers).report.ask("Really?")
    assert caught.value.exit_code == 130


def test_a_question_during_set_up_stands_below_its_heading() -> None:
    screen = Screen("n\n")
    resources = draw(deployment()).resources
    plan = Plan(tuple(Step(resource, Action.UPDATE) for resource in resources))
    screen.tell(events.SetupBegins(shipped(), plan))
    for key in ("lambda_role", "lambda_policy", "sagemaker_role", "sagemaker_policy", "log_group"):
        step = plan.step(key)
        assert step is not None
        screen.tell(events.StepDone(Outcome(step, "id")))
    screen.report.ask("Update it?", about=plan.step("function"))
    assert screen.out.getvalue().splitlines()[-2:] == [
        "Setting up the Lambda function for the pipeline.",
        "        Update it?",
    ]


def test_following_an_execution() -> None:
    screen = Screen()
    ended = ExecutionView("arn:e", "Succeeded", "run")
    assert screen.tell(
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


def test_a_resumed_execution_is_no_new_one() -> None:
    lines = Screen().tell(events.ExecutionStarted("arn:e", "the-run", resumed=True))
    assert lines[:2] == ["Resuming pipeline execution.", "        Going on with execution arn:e (run the-run)."]
    assert Screen().tell(events.ExecutionStarted("arn:e", "", resumed=True))[1].endswith("execution arn:e.")


def test_times_are_told_in_utc_and_to_the_second() -> None:
    assert Screen().tell(events.ExecutionShown(VIEW, ()))[1] == "Run run, Executing, started 2026-01-01 00:00:00 UTC"
    since = datetime(2026, 1, 1, 12, 0, 0, 500_000, tzinfo=UTC)
    waiting = Screen().tell(events.CallbackWaiting("arn", "step", since, "job IN_PROGRESS", None))
    assert "step has waited since 2026-01-01 12:00:00 UTC; job" in waiting[1]


def test_results() -> None:
    rows = (("1", "2", "USA"), ("3", "a, b", ""))
    saved = (Path("/tmp/results.csv"), Path("/tmp/results.geojson"))
    results = Results("bucket", ("o/results_0.csv",), ("x", "y", "z"), rows, 1234, 1200, saved[0], 99, saved)
    assert Screen().tell(events.ResultsRead(results)) == [
        "Getting output results bucket.",
        "        Output file: o/results_0.csv",
        "        Output file contents:",
        "",
        "        1,2,USA",
        '        3,"a, b",',
        "",
        "        1,234 rows, 1,200 of them Valid Data.",
        "        Saved as /tmp/results.csv, /tmp/results.geojson.",
    ]


@pytest.mark.parametrize(
    ("rows", "valid", "size", "said"),
    [
        (1234, 1200, 50_000, "1,234 rows, 1,200 of them Valid Data."),
        (1234, None, 50_000, "1,234 rows."),
        (None, None, 212_345_678, "The first 1 rows of 212 MB; --output-dir DIR fetches, counts and saves them all."),
        (None, None, 999_600_000, "The first 1 rows of 1000 MB; --output-dir DIR fetches, counts and saves them all."),
        (
            None,
            None,
            1_250_000_000,
            "The first 1 rows of 1.25 GB; --output-dir DIR fetches, counts and saves them all.",
        ),
    ],
)
def test_a_result_says_how_much_there_is(rows: int | None, valid: int | None, size: int, said: str) -> None:
    results = Results("bucket", ("k",), ("x",), (("1",),), rows, valid, None, size)
    assert Screen().tell(events.ResultsRead(results))[-1] == f"        {said}"


def test_a_failure_goes_to_the_error_stream_after_what_was_done() -> None:
    screen = Screen()
    plan = Plan((Step(thing("a"), Action.CREATE),))
    screen.tell(events.SetupBegins(shipped(), plan))
    screen.tell(events.Failed(AwsError("it broke", "mend it")))
    assert screen.err.getvalue() == "Error: it broke\nmend it\n"
    assert "broke" not in screen.out.getvalue()


def test_the_plan_says_where() -> None:
    plan = Plan((Step(thing("a"), Action.CREATE),))
    lines = Screen().tell(events.Planned(shipped(), deployment().account, plan))
    assert lines[0] == "Deployment local in account 123456789012, us-west-2 (from local.yaml)"
    assert lines[-1].startswith("Plan: 1 to create")


def test_cleaning_up() -> None:
    a, b, c = thing("a"), thing("b"), thing("c")
    gone, kept = Step(a, Action.DELETE, seen(a)), Step(b, Action.KEEP, seen(b), reason="thing c is kept and needs it")
    by_choice = Step(c, Action.KEEP, seen(c))
    screen = Screen()
    assert screen.tell(
        events.CleanupBegins(),
        events.CleanupPlanned(Plan((gone, kept, by_choice))),
        events.Deleted(Outcome(gone)),
        events.Deleted(Outcome(kept)),
        events.Deleted(Outcome(gone, error=AwsError("no"))),
    ) == [
        "Finally, let's clean up our resources.",
        "Clean up resources.",
        "        Keeping thing b: thing c is kept and needs it.",
        "        Deleted thing a.",
        "        Failed to delete thing a.",
    ]
    lines = screen.tell(events.Complete((kept,)))
    assert lines[-1] == "SageMaker pipeline scenario is complete."
    assert any("thing b" in line for line in lines)


def test_every_event_can_be_told() -> None:
    plan, outcome = Plan((Step(thing("a"), Action.CREATE),)), Outcome(Step(thing("a"), Action.CREATE), "id")
    told = [
        events.Welcome(),
        events.Planned(shipped(), deployment().account, plan),
        events.SetupBegins(shipped(), plan),
        events.StepDone(outcome),
        events.Note("note"),
        events.ExecutionStarted("arn", "run", resumed=False),
        events.ExecutionSeen(VIEW),
        events.ExecutionEnded(VIEW),
        events.ExecutionShown(VIEW, ("why",)),
        events.CallbackWaiting("arn", "step", None, "job IN_PROGRESS", None),
        events.LogRead("arn", ("a line",)),
        events.ResultsRead(Results("b", (), (), (), 0, 0, None)),
        events.Transferred("Uploading x", 1, 2),
        events.Connected(shipped(), deployment().account),
        events.StudioInstructions("p", "r"),
        events.Failed(AwsError("x")),
        events.CleanupBegins(),
        events.CleanupPlanned(plan),
        events.Deleted(outcome),
        events.Complete(),
        events.Valid("c.yaml"),
        events.Finished(0),
    ]
    assert {type(event) for event in told} == set(get_args(events.Event))
    Screen().tell(*told)


def test_threads_do_not_tear_lines_apart() -> None:
    screen = Screen()

    def tell(number: int) -> None:
        for _ in range(50):
            screen.report.tell(events.Note(str(number) * 40))

    threads = [threading.Thread(target=tell, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = screen.out.getvalue().splitlines()
    assert len(lines) == 200
    assert {len(set(line.strip())) for line in lines} == {1}


def test_closing_ends_the_block_of_a_followed_execution() -> None:
    screen = Screen()
    screen.tell(events.ExecutionStarted("arn:e", "run", resumed=False))
    screen.report.close()
    screen.report.close()
    assert screen.out.getvalue().splitlines()[-2:] == ["Waiting for pipeline execution to finish.", RULE]
