"""Every sink: no secret reaches one, and nothing that is shown can move a cursor, hide text or reorder it.

The sinks are the transcript, standard error, JSON lines, `--plan-out`, `run.json`, `report.md`, `report.html` and the
summary of a CI job.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import re
import sys
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from geopipe_runner import events
from geopipe_runner.aws import secrets
from geopipe_runner.errors import AwsError, ExecutionFailed, Failure
from geopipe_runner.kinds.base import Change
from geopipe_runner.pipeline.definition import StepOutline
from geopipe_runner.pipeline.execution import ExecutionInput, ExecutionView, StepView
from geopipe_runner.pipeline.step_graph import StepNeed, StepNode
from geopipe_runner.reconcile.apply import ChangeResult
from geopipe_runner.reconcile.model import Action, Plan, PlannedChange
from geopipe_runner.report.composite import PlanFile
from geopipe_runner.report.escape import printable, printable_lines, to_json
from geopipe_runner.report.html.page import render
from geopipe_runner.report.job_summary import JobSummary
from geopipe_runner.report.json_lines import JsonReport
from geopipe_runner.report.run_files import RunFiles
from geopipe_runner.report.run_record import RunRecord
from geopipe_runner.report.text.log import LogFormatter
from geopipe_runner.report.text.report import TextReport
from geopipe_runner.report.text.stdio import complain
from geopipe_runner.results.read import Results
from tests.support.runner_fakes import deployment, seen, shipped, thing

pytestmark = pytest.mark.slow

NOW = datetime(2026, 1, 1, tzinfo=UTC)
INJECTIONS = [
    "\x1b]0;title\x07",
    "\x1b[2J\x1b[31mred\x1b[0m",
    "\x9b31m",
    "\x08\x08\x7f",
    "left\u202egnp.exe",
    "\u2066a\u2069",
    "a\rb\x00c",
    "\ud800",
    "\ufeff\ufffe",
    "line\u2028end",
    "\U000e0041",
    "\x0b\x0c\x1c\x85",
]


def events_with(text: str) -> Iterator[events.Event]:
    """Yields events that have `text` wherever a text comes from data, logs, AWS, file names or the configuration."""
    resource = thing(f"name {text}")
    changes = (Change(f"tags.{text}", text, [text]), Change("environment", {text: text}, {}))
    update = PlannedChange(resource, Action.UPDATE, seen(resource), changes, reason=text)
    plan = Plan((update,))
    step = StepView(f"step {text}", text, text, NOW, NOW, text, {text: text}, token=text)
    view = ExecutionView(f"arn {text}", text, text, NOW, text, (step,))
    execution_input = ExecutionInput({text: text}, (StepOutline(f"step {text}", text, (text,)),))
    failure = Failure("job-failed", text, text, text, (text, text))
    error = ExecutionFailed(f"message {text}", f"hint {text}", failure)
    yield events.Valid(text)
    yield events.Planned(shipped(), deployment().account, plan)
    yield events.SetupBegins(shipped(), plan)
    yield events.StepDone(ChangeResult(update, text, AwsError(text, text)))
    yield events.Note(text)
    yield events.ExecutionStarted(text, text, True, execution_input)
    yield events.ExecutionSeen(view, text)
    yield events.ExecutionEnded(view)
    yield events.ExecutionShown(view, (text,), failure, execution_input)
    yield events.CallbackWaiting(text, text, NOW, text, "failure")
    graph = (
        StepNode(text, text, "", "", ()),
        StepNode(f"{text}2", text, text, text, (StepNeed(text, (text,), True, text),)),
    )
    yield events.GraphShown(text, graph, "text")
    yield events.GraphShown(text, graph, "mermaid")
    yield events.LogRead(text, (text, text))
    rows = ((text, text, f"x{text}"),)
    paths = (Path(f"{text.replace('/', '')}.csv"),)
    yield events.ResultsRead(Results(text, (text,), (text, "b", text), rows, 1, 1, paths[0], 1, paths, (text,)))
    yield events.StudioInstructions(text, text)
    yield events.CleanupPlanned(Plan((PlannedChange(resource, Action.KEEP, seen(resource), reason=text),)))
    yield events.Deleted(ChangeResult(PlannedChange(resource, Action.DELETE, seen(resource)), error=AwsError(text)))
    yield events.Failed(error)
    yield events.Complete(plan.steps)
    yield events.Finished(3)


class FakeTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def sinks_after(text: str, folder: Path) -> dict[str, str]:
    """Returns what each sink holds after events that are full of `text`."""
    plan_file, summary_file = folder / "plan.json", folder / "summary.md"
    summary_file.unlink(missing_ok=True)
    out, err, terminal, lines = io.StringIO(), io.StringIO(), FakeTerminal(), io.StringIO()
    record = RunRecord(Path("config.yaml"))
    handlers = [PlanFile(plan_file), RunFiles(folder / "out", record, str), JobSummary(summary_file, pytest.fail)]
    reports = [TextReport(out, err, None), JsonReport(lines, err)]
    on_terminal = TextReport(terminal, err, io.StringIO("y\n"))
    cell = text.replace("\0", "").encode("utf-8", "backslashreplace").decode()
    (folder / "out").mkdir(exist_ok=True)
    with (folder / "out" / "results.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("Longitude", "Latitude", "label", "status"), ("1", "2", cell, cell)])
    feature = {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [1, 2]},
        "properties": {"label": text, "status": text},
    }
    (folder / "out" / "results.geojson").write_text(json.dumps(feature, separators=(",", ":")) + "\n")
    for event in events_with(text):
        for report in reports:
            report.emit(event)
        if not isinstance(event, events.ExecutionStarted):  # the live view draws over itself
            on_terminal.emit(event)
        for handler in handlers[:1] + handlers[2:]:
            handler.handle(event)
        record.handle(event)
    on_terminal.ask(f"Delete {text}?")
    return {
        "transcript": out.getvalue(),
        "terminal": re.sub(r"\x1b\[(3[123]|[01])m", "", terminal.getvalue()),
        "standard error": err.getvalue(),
        "JSON lines": lines.getvalue(),
        "--plan-out": plan_file.read_text("utf-8"),
        "run.json": to_json(record.document, indent=2),
        "report.html": render(record.document, folder / "out", list),
        "summary": summary_file.read_text("utf-8"),
    }


@pytest.fixture
def no_secrets() -> Iterator[None]:
    yield
    secrets.forget_all()


@pytest.fixture(autouse=True)
def terminal_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")


visible = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=20, max_size=40)
PROPERTY = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@PROPERTY
@given(visible)
@example("wJalrXUtnFEMI" + "/K7MDENG+bPxRfiCYEXAMPLEKEY")
@example("q\"uote's<and>&\\back{slash}")
@pytest.mark.usefixtures("no_secrets")
def test_no_sink_shows_a_registered_secret(tmp_path: Path, secret: str) -> None:
    secrets.forget_all()
    secrets.register(f"{secret}\r\n")
    url = f"https://host/?token={quote(secret, safe='')}&x=1"
    for name, text in sinks_after(
        f"{secret} before {secret}\r after {url} {secret!r} {json.dumps(secret)}", tmp_path
    ).items():
        assert secret not in text, name
        assert quote(secret, safe="") not in text, name
        assert json.dumps(secret)[1:-1] not in text, name


@pytest.mark.parametrize(
    "header",
    [
        "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260101/us-east-1/s3/aws4_request, "
        "SignedHeaders=host;x-amz-date, Signature=0123abcd0123abcd0123abcd0123abcd0123abcd0123abcd0123abcd0123abcd",
        "{'X-Amz-Security-Token': 'FQoGZXIvYXdzEXAMPLE0123abcd'}",
        "https://b.s3.amazonaws.com/k?X-Amz-Credential=AKIDEXAMPLE&X-Amz-Signature=0123abcd",
    ],
)
def test_no_sink_shows_what_signs_a_request(header: str, tmp_path: Path) -> None:
    for name, text in sinks_after(header, tmp_path).items():
        assert "0123abcd" not in text and "AKIDEXAMPLE" not in text, name


def unsafe(text: str) -> list[str]:
    """Returns the characters of a text that must not reach a person's screen."""
    allowed = "\n\t\u200b\u200c\u200d\u00ad\u2060"
    return [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c not in allowed]


unsafe_text = st.text(
    st.one_of(
        st.characters(categories=["Cc", "Cs", "Zl", "Zp"]), st.sampled_from("\u202e\u2066\u200f\ufeff\U000e0041ab<`|\\")
    ),
    min_size=1,
    max_size=8,
)


@PROPERTY
@given(unsafe_text)
def test_no_sink_has_a_control_character(tmp_path: Path, text: str) -> None:
    for name, content in sinks_after(text, tmp_path).items():
        assert unsafe(content) == [], name
        content.encode("utf-8")


@pytest.mark.parametrize("text", INJECTIONS, ids=ascii)
def test_no_sink_carries_an_injection(text: str, tmp_path: Path) -> None:
    for name, content in sinks_after(text, tmp_path).items():
        assert unsafe(content) == [], name
        content.encode("utf-8")


def test_what_was_escaped_can_still_be_read(tmp_path: Path) -> None:
    contents = sinks_after("red \x1b[31m\u202e", tmp_path)
    for name in ("transcript", "terminal", "standard error", "report.html", "summary"):
        assert "\\x1b[31m" in contents[name].replace("\\\\", "\\").replace("\\[", "["), name
    notes = [
        event["text"] for line in contents["JSON lines"].splitlines() if (event := json.loads(line)) and "text" in event
    ]
    assert notes == ["red \x1b[31m\u202e"]  # a program gets what was there


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 日本 🗺️", "plain é 日本 🗺️"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x1b[0m", "\\x1b[0m"),
        ("\ud83d", "\\ud83d"),
        ("\ufffd", "\ufffd"),
    ],
)
def test_escapes_on_one_line(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_lines_and_tabs_of_a_longer_text_stay() -> None:
    assert printable_lines("a\n\tb\r\x07") == "a\n\tb\\r\\x07"


@pytest.mark.parametrize("value", ["\x7f\x9b", "a\u202eb", "\U000e0041", "é\n\t", {"k\x85": [1, None, "\x1b"]}])
def test_json_gives_programs_the_same_text(value: Any) -> None:
    text = to_json(value)
    assert json.loads(text) == value and unsafe(text) == []


def test_a_complaint_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    complain("Cannot write: \x1b[2J.")
    assert capsys.readouterr().err == "Cannot write: \\x1b[2J.\n"


def test_the_log_of_calls_has_neither_secrets_nor_control_characters(no_secrets: None) -> None:
    secrets.register("a-session-token")
    record = logging.LogRecord("geopipe", logging.DEBUG, "", 1, "token %s\x1b[2J", ("a-session-token",), None)
    try:
        raise ValueError("a-session-token\x9b")
    except ValueError:
        record.exc_info = sys.exc_info()
    text = LogFormatter("%(message)s").format(record)
    assert text.startswith("token (hidden)\\x1b[2J\nTraceback") and text.endswith("ValueError: (hidden)\\x9b")
