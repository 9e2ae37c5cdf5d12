"""What only a terminal shows: bars, the state of the job, a table of rows. A transcript has none of it."""

from __future__ import annotations

import io
import itertools
import re
import threading
from typing import Any

import pytest

from geopipe_runner import events
from geopipe_runner.errors import AwsError, InterruptedByUser
from geopipe_runner.pipeline.execution import ExecutionView
from geopipe_runner.report.text.error import print_error
from geopipe_runner.report.text.report import TextReport
from geopipe_runner.report.text.result_table import table_lines
from geopipe_runner.results.read import Results

HEADER = ("Longitude", "Latitude", "reverse_geo.number", "reverse_geo.label", "reverse_geo.status")
ROWS = (
    ("-74.0445", "40.6892", "", "Battery Park City, New York, USA", "Valid Data"),
    ("-122.4783", "37.8199", "", "日本\x1b[31m\n[red]", "Valid Data"),
    ("x", "37.8199"),
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Written:
    def __init__(self, out: io.StringIO, answers: str = "") -> None:
        self.out = out
        self.report = TextReport(out, io.StringIO(), io.StringIO(answers))

    def emit(self, *emitted: Any) -> str:
        """Returns what was written, without colors and the like."""
        start = len(self.out.getvalue())
        for event in emitted:
            self.report.emit(event)
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.out.getvalue()[start:])


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Written:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")
    return Written(Terminal())


def transferred(done: int, total: int = 20_000_000, what: str = "Uploading points.csv") -> events.Transferred:
    return events.Transferred(what, done, total)


def test_a_transcript_has_no_bars() -> None:
    assert Written(io.StringIO()).emit(transferred(0), transferred(20_000_000)) == ""


def test_a_bar_comes_goes_and_lets_lines_through(terminal: Written) -> None:
    assert "Uploading points.csv" in terminal.emit(transferred(0))
    assert re.search(r"        a note\n", terminal.emit(events.Note("a note")).replace("\r", ""))
    assert "20.0/20.0 MB" in terminal.emit(transferred(20_000_000))
    assert terminal.emit(events.Note("after")) == "        after\n"


def test_a_long_name_does_not_break_the_line(terminal: Written) -> None:
    shown = terminal.emit(
        transferred(0, what="Uploading " + "x" * 100), transferred(20_000_000, what="Uploading " + "x" * 100)
    )
    assert max(map(len, re.split(r"[\r\n]", shown))) <= 60


def test_the_end_removes_the_bar(terminal: Written) -> None:
    terminal.emit(transferred(0))
    terminal.report.close()
    assert terminal.emit(events.Note("after")) == "        after\n"


def test_a_transfer_does_not_wait_for_an_answer() -> None:
    """While the user thinks about a question, bytes are transferred; only their end is reported after it."""
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
    report.emit(transferred(1))
    answered.set()
    asking.join(20)
    report.emit(transferred(20_000_000))


def test_the_job_s_state_is_shown_while_it_runs(terminal: Written) -> None:
    begun = events.ExecutionStarted("arn:e", "run", resumed=False)
    view = ExecutionView("arn:e", "Executing", "run")
    terminal.emit(begun, events.ExecutionSeen(view, "job IN_PROGRESS, export not started"))
    shown = terminal.emit(events.Note("x"))  # which draws the live view again below it
    assert "elapsed; job IN_PROGRESS, export not started" in shown
    terminal.report.close()


def test_a_status_is_printed_only_when_it_changes_where_the_live_view_shows_it(
    terminal: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = itertools.count(100.0, 10.0)
    monkeypatch.setattr("geopipe_runner.report.text.report.time.monotonic", lambda: next(moments))
    polls = [
        events.ExecutionSeen(ExecutionView("arn:e", status, "run")) for status in ("Executing",) * 3 + ("Stopping",)
    ]
    begun = events.ExecutionStarted("arn:e", "run", resumed=False)
    shown = terminal.emit(begun, *polls)
    assert [shown.count(f"status is {status}.") for status in ("Executing", "Stopping")] == [1, 1]
    terminal.report.close()
    plain = Written(io.StringIO()).emit(begun, *polls)
    assert plain.count("status is Executing.") == 3


def results(rows: tuple[tuple[str, ...], ...], header: tuple[str, ...] = HEADER) -> Results:
    return Results("b", ("k",), header, rows, len(rows), len(rows), None)


def test_a_terminal_gets_a_table(terminal: Written) -> None:
    shown = terminal.emit(events.ResultsRead(results(ROWS)))
    assert re.search(r"^ +Longitude +Latitude +label +status$", shown, re.M)
    assert re.search(r"^ +-74.0445 +40.6892 +Battery Pa.* +Valid Data$", shown, re.M)
    assert "3 rows, 3 of them Valid Data." in shown


@pytest.mark.parametrize("width", [1, 20, 52, 80, 200])
def test_a_table_fits_and_leaves_out_empty_columns(width: int) -> None:
    shown = table_lines(results(ROWS), width)
    assert len(shown) == 4
    assert max(map(len, shown)) <= max(width, len("Valid Data"))
    assert all("\x1b" not in line and "number" not in line for line in shown)
    assert ("Battery Park City, New …" in shown[1]) == (width >= 80)


@pytest.mark.parametrize("width", [40, 52, 60, 80])
def test_a_narrow_table_keeps_address_and_status(width: int) -> None:
    header, *rows = table_lines(results(ROWS), width)
    assert "label" in header and "status" in header
    assert "Battery Pa" in rows[0] and rows[0].endswith("Valid Data")
    assert ("Longitude" in header and "Latitude" in header) == (width >= 52)


def test_a_table_without_anything_in_it() -> None:
    assert table_lines(results(((), ("",))), 60) == []
    assert table_lines(results((("1", "2"),), ()), 60) == ["1  2"]


def test_a_rule_stays_on_one_line(terminal: Written) -> None:
    assert set(re.findall("-{3,}", terminal.emit(events.Welcome(), events.CleanupBegins()))) == {"-" * 60}


def test_an_interruption_is_printed_below_the_terminals_own_line() -> None:
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        print_error(InterruptedByUser("Interrupted."), stream)
        print_error(AwsError("Gone."), stream)
    assert terminal.getvalue() == "\nError: Interrupted.\nError: Gone.\n"
    assert file.getvalue() == "Error: Interrupted.\nError: Gone.\n"


NOTES = (
    "Warning: job.workers has no effect with job.provider sagemaker_geospatial; it is for job.kind map_rows\nand more",
    "a-name-that-is-longer-than-the-terminal-is-wide/" * 2,
    "columns   keep   their   gaps",
)


@pytest.mark.parametrize("note", NOTES)
def test_a_note_breaks_between_words_on_a_terminal_and_nowhere_else(terminal: Written, note: str) -> None:
    lines = terminal.emit(events.Note(note)).rstrip("\n").split("\n")
    words = note.split()
    assert [word for line in lines for word in line.split()] == words
    assert all(len(line) <= 60 or len(line.split()) == 1 for line in lines)
    assert all(line.startswith(" " * 8) for line in lines)
    transcript = Written(io.StringIO()).emit(events.Note(note))
    assert transcript == "".join(f"{' ' * 8}{line}\n" for line in note.split("\n"))
    if len(note) < 50:
        assert lines == [" " * 8 + note]
