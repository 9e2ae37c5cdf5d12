"""Standard streams that are closed, full, or read no further: real processes, since Python itself has a part in it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

LOCAL = str(ROOT / "config" / "local.yaml")
FULL = Path("/dev/full")
NO_SPACE = "No space left on device"

pytestmark = pytest.mark.process

needs_a_full_device = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


def in_shell(
    arguments: list[str], redirection: str, unbuffered: bool = False, shell: str = "sh"
) -> subprocess.CompletedProcess[str]:
    """The command line as a shell starts it, with streams redirected or closed."""
    command = shlex.join([sys.executable, str(ROOT / "run.py"), *arguments])
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.run(
        [shell, "-c", f"{command} {redirection}"],
        env=environ | ({"PYTHONUNBUFFERED": "1"} if unbuffered else {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@needs_a_full_device
@pytest.mark.parametrize(
    ("command", "output", "unbuffered"),
    [
        ("validate", "text", False),
        ("validate", "text", True),
        ("validate", "json", False),
        ("validate", "json", True),
        ("plan", "text", False),
        ("plan", "json", True),
    ],
)
def test_a_full_disk_is_reported_once(command: str, output: str, unbuffered: bool) -> None:
    done = in_shell([command, LOCAL, "--output", output], ">/dev/full", unbuffered)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ")
    assert NO_SPACE in line


@needs_a_full_device
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["plan", "--help"], ["hello", LOCAL]])
def test_what_is_written_at_the_very_end_counts_too(arguments: list[str]) -> None:
    done = in_shell(arguments, ">/dev/full")
    assert (done.returncode, done.stderr) == (1, f"Cannot write to standard output: {NO_SPACE}.\n")


@needs_a_full_device
def test_hello_notices_it_immediately_where_nothing_is_buffered() -> None:
    done = in_shell(["hello", LOCAL], ">/dev/full", unbuffered=True)
    assert done.returncode == 1
    assert f"Cannot write to standard output: {NO_SPACE}." in done.stderr


@needs_a_full_device
@pytest.mark.parametrize("output", ["text", "json"])
@pytest.mark.parametrize("redirection", [">/dev/full", "2>/dev/full", ">/dev/full 2>/dev/full"])
def test_another_error_keeps_its_exit_code(redirection: str, output: str) -> None:
    done = in_shell(["validate", "no-such-file.yaml", "--output", output], redirection)
    assert done.returncode == 2
    message = done.stderr + done.stdout
    assert "Traceback" not in message
    if "2>" not in redirection:
        assert done.stderr.startswith("no-such-file.yaml:1:1: there is no such file")


@pytest.mark.parametrize(
    ("closed", "message"),
    [
        (">&-", ""),
        ("2>&-", f"{LOCAL} is valid.\n"),
        ("<&-", f"{LOCAL} is valid.\n"),
        ("<&- >&- 2>&-", ""),
    ],
)
def test_closed_streams_are_no_fault(closed: str, message: str) -> None:
    done = in_shell(["validate", LOCAL], closed)
    assert (done.returncode, done.stdout, done.stderr) == (0, message, "")


def test_an_emulator_of_our_own_lives_with_closed_streams(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    done = in_shell(["plan", LOCAL, "--plan-out", str(plan)], "<&- >&- 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert plan.read_text().rstrip().endswith("}")


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_errors_keep_their_exit_code(closed: str) -> None:
    done = in_shell(["validate", "no-such-file.yaml"], closed)
    assert done.returncode == 2
    assert bool(done.stderr) is ("2>" not in closed)


@pytest.mark.parametrize(
    "arguments",
    [
        ["plan", LOCAL],
        ["plan", LOCAL, "--output", "json"],
        ["validate", LOCAL],
        ["hello", LOCAL],
        ["cleanup", LOCAL, "--dry-run"],
        ["--help"],
        ["help", "run"],
    ],
    ids=" ".join,
)
def test_a_reader_that_leaves_ends_the_command_quietly(arguments: list[str]) -> None:
    """Nothing was done that outlives the command, so that there is nothing to say."""
    done = in_shell(arguments, "| true; exit ${PIPESTATUS[0]}", shell="bash")
    assert (done.returncode in (0, 141), done.stderr) == (True, "")
