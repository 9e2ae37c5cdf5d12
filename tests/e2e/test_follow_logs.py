"""`logs --since` and `--follow`: each line once, also late ones, and an end by Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from typing import Any

import pytest

from tests.support.e2e import Standing, Workplace
from tests.support.wait import eventually

pytestmark = pytest.mark.slow

GROUP = "/aws/lambda/SageMakerExampleFunction"
MINUTE = 60_000


class Output:
    """The events of a command that still runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.lines: list[str] = []
        self._process = process
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        self.lines.extend(iter(self._process.stdout.readline, ""))

    @property
    def texts(self) -> list[str]:
        events: list[dict[str, Any]] = [json.loads(line) for line in [*self.lines] if line.endswith("\n")]
        return [event["text"] for event in events if event["event"] == "log_line"]


def write(standing: Standing, stream: str, *lines: tuple[int, str]) -> None:
    events = [{"timestamp": timestamp, "message": text} for timestamp, text in lines]
    standing.client("logs").put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=events)


def test_lines_are_followed_and_none_is_lost_or_doubled(workplace: Workplace, standing: Standing) -> None:
    logs, config = standing.client("logs"), workplace.config(endpoint=standing.url)
    process = workplace.start("logs", config, "--follow", "--since", "1h", "--output", "json")
    output = Output(process)
    try:
        # It waits for a group that does not exist yet.
        listed = {"service": "logs", "operation": "FilterLogEvents"}
        eventually(lambda: any(listed.items() <= call.items() for call in standing.calls()))
        logs.create_log_group(logGroupName=GROUP)
        for stream in ("one", "two"):
            logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
        now = int(time.time() * 1000)
        write(standing, "one", (now - 180 * MINUTE, "too old"), (now - MINUTE, "old enough"), (now, "first"))
        eventually(lambda: "first" in output.texts)
        # Written a minute before, arrived now; and a second line of the same millisecond.
        write(standing, "two", (now - MINUTE, "late"), (now, "same moment"), (now + 60 * MINUTE, "future"))
        eventually(lambda: "future" in output.texts)
        write(standing, "one", (int(time.time() * 1000), "after the future"))
        eventually(lambda: "after the future" in output.texts)
        process.send_signal(signal.SIGINT)
        assert process.wait(90) == 0
        last = eventually(lambda: [line for line in output.lines if '"finished"' in line])
    finally:
        process.kill()
    assert json.loads(last[0])["exit_code"] == 0
    expected = ["old enough", "first", "late", "same moment", "future", "after the future"]
    assert output.texts == expected

    done = workplace.geopipe("logs", config, "--since", "1h")
    assert done.returncode == 0, done.stderr
    shown = [line.split("  ", 1)[1] for line in done.stdout.splitlines()]
    assert sorted(shown) == sorted(expected) and "late" in shown[:2]
    assert all(line.startswith("20") and line[10] == " " for line in done.stdout.splitlines())


@pytest.mark.parametrize("end", [signal.SIGHUP, None], ids=["terminal closed", "output closed"])
def test_the_end_of_a_reading_command_deletes_nothing(
    workplace: Workplace, standing: Standing, end: signal.Signals | None
) -> None:
    """With `cleanup: all`, a run that is terminated cleans up. A command that has changed nothing does not."""
    config = workplace.config(endpoint=standing.url, cleanup="all")
    assert workplace.geopipe("apply", config, "--non-interactive").returncode == 0
    before = standing.mutating_calls()
    process = workplace.start("logs", config, "--follow", "--since", "1h")
    assert process.stdout is not None
    listed = {"service": "logs", "operation": "FilterLogEvents"}
    eventually(lambda: any(listed.items() <= call.items() for call in standing.calls()))
    if end is None:
        process.stdout.close()
        logs = standing.client("logs")
        logs.create_log_stream(logGroupName=GROUP, logStreamName="one")
        write(standing, "one", *((int(time.time() * 1000), str(number)) for number in range(100)))
    else:
        process.send_signal(end)
    assert process.wait(90) == (141 if end is None else 130)
    changed = {call for call in standing.mutating_calls() if call not in before}
    assert changed <= {"logs:CreateLogStream", "logs:PutLogEvents"}


def test_what_cannot_be_followed(workplace: Workplace) -> None:
    done = workplace.geopipe("logs", workplace.config(), "--follow")
    assert done.returncode == 2 and "start one that keeps running" in done.stderr
    done = workplace.geopipe("logs", workplace.config(), "--follow", "--execution", "x")
    assert done.returncode == 2 and "Leave out --execution" in done.stderr
