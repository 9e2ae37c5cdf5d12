"""`run.json`: what it holds of each event, and that it is written whole, however the command ended."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from geopipe_runner import events
from geopipe_runner.errors import AwsError, ExecutionFailed, Failure
from geopipe_runner.pipeline.definition import StepOutline
from geopipe_runner.pipeline.execution import ExecutionInput, ExecutionView, StepView
from geopipe_runner.reconcile.apply import ChangeResult
from geopipe_runner.reconcile.model import Action, Plan, PlannedChange
from geopipe_runner.report.run_files import RunFiles
from geopipe_runner.report.run_record import RunRecord
from geopipe_runner.results.read import Results
from tests.support.runner_fakes import deployment, shipped, thing

START = datetime(2026, 1, 1, tzinfo=UTC)
PLAN = Plan((PlannedChange(thing("a"), Action.CREATE),))
STEP = StepView("one", "Lambda", "Succeeded", START, START, outputs={"x": "y"}, token="a-callback-token")
ASKED = ExecutionInput(
    {"plain": "1", "db_password": "hush", "API_KEY": "hush", "oauth.auth": "hush", "author": "me"},
    (StepOutline("one", "Lambda", ()), StepOutline("two", "Callback", ("one",))),
)


def record_of(folder: Path, *emitted: events.Event) -> Any:
    """Returns what the file holds after these events and the end of the command."""
    moments = iter(START + timedelta(seconds=number) for number in range(9))
    record, notes = RunRecord(Path("config/x.yaml"), lambda: next(moments)), list[str]()
    files = RunFiles(folder, record, notes.append)
    for event in (*emitted, events.Finished(0)):
        files.handle(event)
    names = {path.name for path in folder.iterdir()}
    assert names - {"report.html"} == {"run.json", "report.md"}
    assert str(folder / "run.json") in notes[0] and ("report.html" in names) == (notes[1:] == [])
    document = json.loads((folder / "run.json").read_text("utf-8"))
    assert document == record.document
    return document


def started(arn: str = "arn:e") -> events.ExecutionStarted:
    return events.ExecutionStarted(arn, "the-run", resumed=False, execution_input=ASKED)


def test_a_command_that_failed_early(tmp_path: Path) -> None:
    document = record_of(tmp_path)
    assert (document["version"], document["config"]) == (1, "x.yaml")
    assert (document["began"], document["ended"]) == ("2026-01-01T00:00:00+00:00", "2026-01-01T00:00:01+00:00")
    nothing = ("deployment", "account_id", "region", "endpoint", "run_id", "execution_arn", "status", "plan")
    assert {document[name] for name in (*nothing, "results", "failure", "remaining")} == {None}
    assert [document[name] for name in ("applied", "definition", "steps", "parameters", "notes")] == [
        [],
        [],
        [],
        {},
        [],
    ]


def test_the_plan_and_its_results(tmp_path: Path) -> None:
    planned = events.Planned(shipped(), deployment().account, PLAN)
    done = events.StepDone(ChangeResult(PLAN.steps[0], "id-a"))
    document = record_of(tmp_path, planned, events.Note("wait"), done, events.Complete(PLAN.steps))
    assert (document["deployment"], document["account_id"], document["region"]) == (
        "local",
        "123456789012",
        "us-west-2",
    )
    assert document["plan"]["summary"]["create"] == 1
    assert document["applied"] == [
        {"key": "a", "kind": "thing", "name": "a", "group": "queue", "action": "create", "identity": "id-a"}
    ]
    assert document["notes"] == ["wait"]
    assert [resource["key"] for resource in document["remaining"]] == ["a"]


def test_account_and_region_are_known_without_a_plan(tmp_path: Path) -> None:
    document = record_of(tmp_path, events.Connected(shipped(), deployment().account))
    assert (document["deployment"], document["config"], document["plan"]) == ("local", "local.yaml", None)


def test_an_execution_without_its_secrets(tmp_path: Path) -> None:
    document = record_of(
        tmp_path,
        started(),
        events.ExecutionSeen(ExecutionView("arn:e", "Executing", "the-run", steps=(STEP,))),
        events.ExecutionEnded(ExecutionView("arn:e", "Succeeded", "the-run")),
    )
    assert (document["run_id"], document["execution_arn"], document["status"]) == ("the-run", "arn:e", "Succeeded")
    assert document["parameters"] == {
        "plain": "1",
        "db_password": "(hidden)",
        "API_KEY": "(hidden)",
        "oauth.auth": "(hidden)",
        "author": "me",
    }
    assert document["definition"][1] == {"name": "two", "type": "Callback", "depends_on": ["one"]}
    (step,) = document["steps"]
    assert (step["name"], step["outputs"]) == ("one", {"x": "y"})
    text = (tmp_path / "run.json").read_text()
    assert "a-callback-token" not in text and "hush" not in text


def test_a_second_try_is_the_one_that_counts(tmp_path: Path) -> None:
    seen = events.ExecutionEnded(ExecutionView("arn:e", "Failed", "the-run", steps=(STEP,)))
    document = record_of(tmp_path, started(), seen, started("arn:second"))
    assert (document["execution_arn"], document["status"], document["steps"]) == ("arn:second", "Executing", [])


def test_an_execution_that_is_shown_again(tmp_path: Path) -> None:
    view = ExecutionView("arn:e", "Succeeded", "the-run", steps=(STEP,))
    document = record_of(tmp_path, events.ExecutionShown(view, (), execution_input=ASKED))
    assert (document["run_id"], document["status"], len(document["steps"])) == ("the-run", "Succeeded", 1)
    assert len(document["definition"]) == 2


def test_results_without_their_rows(tmp_path: Path) -> None:
    files = (Path("out/results.csv"), Path("out/results.geojson"))
    results = Results("b", ("k",), ("x",), (("1",),), 1, 1, files[0], 99, files)
    assert record_of(tmp_path, events.ResultsRead(results))["results"] == {
        "bucket": "b",
        "keys": ["k"],
        "size": 99,
        "header": ["x"],
        "rows": 1,
        "valid": 1,
        "saved": "out/results.csv",
        "files": ["out/results.csv", "out/results.geojson"],
    }


def test_the_first_failure_is_the_one_that_counts(tmp_path: Path) -> None:
    failure = Failure("job-failed", "it broke", "one", "no disk", ("line",))
    first = events.Failed(ExecutionFailed("the message", "", failure))
    document = record_of(tmp_path, first, events.Failed(AwsError("while cleaning up")))
    assert document["failure"] == {
        "code": "job-failed",
        "step": "one",
        "reason": "it broke",
        "job_error": "no disk",
        "log_lines": ["line"],
        "advice": failure.advice,
    }


def test_a_failure_without_a_code(tmp_path: Path) -> None:
    failure = record_of(tmp_path, events.Failed(AwsError("no credentials", "log in")))["failure"]
    assert (failure["code"], failure["reason"], failure["advice"]) == ("", "no credentials", "log in")


def test_a_record_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    files = RunFiles(tmp_path / "file", RunRecord(Path("x.yaml")), print)
    with pytest.raises(AwsError, match=r"Cannot write into .*file") as caught:
        files.handle(events.Finished(0))
    assert caught.value.hint == "Name another --output-dir."
