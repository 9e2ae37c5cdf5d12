"""What only a terminal shows: bars, the state of the job, a table of rows. Nothing of it is in a transcript."""

from __future__ import annotations

import io
import re
import threading
from typing import Any

import pytest

from geopipe_runner.errors import AwsError, InterruptedByUser
from geopipe_runner.pipeline.execution import ExecutionView
from geopipe_runner.pipeline.results import Results
from geopipe_runner.report import error_text, events
from geopipe_runner.report.result_table import lines
from geopipe_runner.report.text import TextReport

HEADER = ("Longitude", "Latitude", "reverse_geo.number", "reverse_geo.label", "reverse_geo.status")
ROWS = (
    ("-74.0445", "40.6892", "", "Battery Park City, New York, USA", "Valid Data"),
    ("-122.4783", "37.8199", "", "日本\x1b[31m\n[red]", "Valid Data"),
    ("x", "37.8199"),
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Reported:
    def __init__(self, out: io.StringIO, answers: str = "") -> None:
        self.out = out
        self.report = TextReport(out, io.StringIO(), io.StringIO(answers))

    def tell(self, *told: Any) -> str:
        """What was written, without colours and the like."""
        start = len(self.out.getvalue())
        for event in told:
            self.report.tell(event)
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.out.getvalue()[start:])


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Reported:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")
    return Reported(Terminal())


def moved(done: int, total: int = 20_000_000, what: str = "Uploading points.csv") -> events.Transferred:
    return events.Transferred(what, done, total)


def test_a_transcript_has_no_bars() -> None:
    assert Reported(io.StringIO()).tell(moved(0), moved(20_000_000)) == ""


def test_a_bar_comes_goes_and_lets_lines_through(terminal: Reported) -> None:
    assert "Uploading points.csv" in terminal.tell(moved(0))
    assert re.search(r"        a note\n", terminal.tell(events.Note("a note")).replace("\r", ""))
    assert "20.0/20.0 MB" in terminal.tell(moved(20_000_000))
    assert terminal.tell(events.Note("after")) == "        after\n"


def test_a_long_name_does_not_break_the_line(terminal: Reported) -> None:
    shown = terminal.tell(moved(0, what="Uploading " + "x" * 100), moved(20_000_000, what="Uploading " + "x" * 100))
    assert max(map(len, re.split(r"[\r\n]", shown))) <= 60


def test_a_failure_and_the_end_take_the_bar_away(terminal: Reported) -> None:
    terminal.tell(moved(0))
    terminal.report.close()
    assert terminal.tell(events.Note("after")) == "        after\n"


def test_a_transfer_does_not_wait_for_an_answer() -> None:
    """Someone thinks about a question: bytes go on meanwhile, only their end is told after it."""
    asked, answered = threading.Event(), threading.Event()

    class Thinking(io.StringIO):
        def readline(self, *_: Any) -> str:
            asked.set()
            assert answered.wait(20)
            return "y\n"

    report = TextReport(io.StringIO(), io.StringIO(), Thinking())
    asking = threading.Thread(target=report.ask, args=("Really?",))
    asking.start()
    assert asked.wait(20)
    report.tell(moved(1))
    answered.set()
    asking.join(20)
    report.tell(moved(20_000_000))


def test_the_job_s_state_is_shown_while_it_runs(terminal: Reported) -> None:
    begun = events.ExecutionStarted("arn:e", "run", resumed=False)
    view = ExecutionView("arn:e", "Executing", "run")
    terminal.tell(begun, events.ExecutionSeen(view, "job IN_PROGRESS, export not begun"))
    shown = terminal.tell(events.Note("x"))  # which draws the rest anew below it
    assert "elapsed; job IN_PROGRESS, export not begun" in shown
    terminal.report.close()


def test_a_status_is_said_when_it_changes_where_the_live_view_shows_it_anyway(terminal: Reported) -> None:
    looks = [
        events.ExecutionSeen(ExecutionView("arn:e", status, "run")) for status in ("Executing",) * 3 + ("Stopping",)
    ]
    begun = events.ExecutionStarted("arn:e", "run", resumed=False)
    shown = terminal.tell(begun, *looks)
    assert [shown.count(f"status is {status}.") for status in ("Executing", "Stopping")] == [1, 1]
    terminal.report.close()
    plain = Reported(io.StringIO()).tell(begun, *looks)
    assert plain.count("status is Executing.") == 3


def results(rows: tuple[tuple[str, ...], ...], header: tuple[str, ...] = HEADER) -> Results:
    return Results("b", ("k",), header, rows, len(rows), len(rows), None)


def test_a_terminal_gets_a_table(terminal: Reported) -> None:
    shown = terminal.tell(events.ResultsRead(results(ROWS)))
    assert re.search(r"^ +Longitude +Latitude +status$", shown, re.M)
    assert re.search(r"^ +-74.0445 +40.6892 +Valid Data$", shown, re.M)
    assert "3 rows, 3 of them Valid Data." in shown


@pytest.mark.parametrize("width", [1, 20, 52, 80, 200])
def test_a_table_fits_and_shows_what_tells_something(width: int) -> None:
    shown = lines(results(ROWS), width)
    assert len(shown) == 4
    assert max(map(len, shown)) <= max(width, len("Valid Data"))
    assert all("\x1b" not in line and "number" not in line for line in shown)
    assert ("Battery Park City, New …" in shown[1]) == (width >= 80)


def test_a_table_without_anything_in_it() -> None:
    assert lines(results(((), ("",))), 60) == []
    assert lines(results((("1", "2"),), ()), 60) == ["1  2"]


def test_a_rule_stays_on_one_line(terminal: Reported) -> None:
    assert set(re.findall("-{3,}", terminal.tell(events.Welcome(), events.CleanupBegins()))) == {"-" * 60}


def test_an_interruption_is_told_below_what_the_terminal_writes_of_it() -> None:
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        error_text.show(InterruptedByUser("Interrupted."), stream)
        error_text.show(AwsError("Gone."), stream)
    assert terminal.getvalue() == "\nError: Interrupted.\nError: Gone.\n"
    assert file.getvalue() == "Error: Interrupted.\nError: Gone.\n"
