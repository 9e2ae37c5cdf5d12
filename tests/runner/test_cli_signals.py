"""Ctrl-C and other signals: one line and exit code 130, whenever they come, and nothing left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from tests.support.output import wait_for_output
from tests.support.paths import ROOT
from tests.support.wait import eventually

pytestmark = pytest.mark.process

LOCAL = str(ROOT / "config" / "local.yaml")
# Reports on standard error when the program's own code begins: before that, Python itself handles signals.
STARTED = """\
import sys
sys.argv[0] = "run.py"
from geopipe_runner.cli import interruption
install = interruption.end_on_signals
def end_on_signals():
    install()
    print("ready", flush=True)
from geopipe_runner.cli import main
main.end_on_signals = end_on_signals
sys.exit(main.entry())
"""


def start(*arguments: str, folder: Path, program: tuple[str, ...] = ("-c", STARTED)) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *program, *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(folder), "GEOPIPE_TEST_MARK": str(folder), "PYTHONUNBUFFERED": "1"},
        # The tests may run under nohup, and an ignored signal is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )


def processes_of(folder: Path) -> list[str]:
    """The processes that were started with this mark in their environment."""
    mark = f"GEOPIPE_TEST_MARK={folder}\0".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found in /proc")
@pytest.mark.parametrize(
    ("number", "delay"),
    [
        *[(signal.SIGINT, delay) for delay in (0.0, 0.03, 0.06, 0.1, 0.2, 0.4, 0.8)],
        (signal.SIGTERM, 0.05),
        (signal.SIGTERM, 0.3),
        (signal.SIGHUP, 0.1),
    ],
)
def test_a_signal_at_the_start_leaves_one_line_and_nothing_else(
    number: signal.Signals, delay: float, tmp_path: Path
) -> None:
    process = start("run", LOCAL, "--non-interactive", folder=tmp_path)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    time.sleep(delay)  # the moment is the test's parameter, not a condition to wait for
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    lines = errors.splitlines()
    assert lines and "Traceback" not in errors and "Exception" not in errors
    assert len(lines) == 1, errors
    eventually(lambda: processes_of(tmp_path) == [])
    assert os.listdir(tmp_path) == []  # noqa: PTH208


def test_nohup_is_respected(tmp_path: Path) -> None:
    def ignore() -> None:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    process = subprocess.Popen(
        [sys.executable, "-c", STARTED, "validate", LOCAL],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=ignore,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGHUP)
    rest, _ = process.communicate(timeout=60)
    assert (process.returncode, rest) == (0, f"{LOCAL} is valid.\n")


class Silent(BaseHTTPRequestHandler):
    """A server that takes requests and never responds."""

    def do_POST(self) -> None:
        self.server.asked.set()  # type: ignore[attr-defined]
        self.server.released.wait(120)  # type: ignore[attr-defined]


@pytest.fixture
def silent_endpoint() -> object:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    server.daemon_threads = True
    server.asked, server.released = threading.Event(), threading.Event()  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.released.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


def test_ctrl_c_does_not_wait_for_an_endpoint_that_hangs(tmp_path: Path, silent_endpoint: ThreadingHTTPServer) -> None:
    settings = yaml.safe_load(Path(LOCAL).read_text())
    settings["endpoint"] = f"http://127.0.0.1:{silent_endpoint.server_port}"
    config = tmp_path / "c.yaml"
    config.write_text(yaml.safe_dump(settings))
    process = start("status", str(config), folder=tmp_path)
    assert silent_endpoint.asked.wait(60)  # type: ignore[attr-defined]
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "Interrupted.\n")
    assert time.monotonic() - began < 10


HANGS = """\
import sys, threading, time
from geopipe_runner.aws.clock import Clock
from geopipe_runner.cli import interruption
clock = Clock()
interruption.raise_on_signals(clock)
text = "ready"
while True:
    try:
        print(text, flush=True)
        time.sleep(600)
    except KeyboardInterrupt as error:
        text = f"raised {type(error).__name__}: {error}"
"""


@pytest.mark.parametrize(
    ("numbers", "raised"),
    [
        ([signal.SIGINT, signal.SIGINT], ["KeyboardInterrupt: "]),
        ([signal.SIGTERM, signal.SIGTERM, signal.SIGTERM], ["Terminated: Terminated."] * 2),
        (
            [signal.SIGHUP, signal.SIGINT, signal.SIGINT],
            ["Terminated: The terminal was closed.", "KeyboardInterrupt: "],
        ),
        ([signal.SIGINT, signal.SIGTERM], ["KeyboardInterrupt: "]),
    ],
    ids=lambda value: "-".join(number.name for number in value) if isinstance(value[0], signal.Signals) else "",
)
def test_the_second_signal_ends_the_process(numbers: list[signal.Signals], raised: list[str], tmp_path: Path) -> None:
    """A clean-up that SIGTERM or SIGHUP started is interrupted by the second one, and ended by the third."""
    process = start(folder=tmp_path, program=("-c", HANGS))
    wait_for_output(process, "ready")
    for number, text in zip(numbers, [*raised, None], strict=True):
        process.send_signal(number)
        if text is not None:
            wait_for_output(process, f"raised {text}")
            time.sleep(0.4)  # two signals at the same moment count as one
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "Ended immediately.\n")


def test_a_signal_that_comes_twice_counts_once(tmp_path: Path) -> None:
    """As `make` passes on what the terminal has sent us already."""
    process = start(folder=tmp_path, program=("-c", HANGS))
    wait_for_output(process, "ready")
    process.send_signal(signal.SIGINT)
    wait_for_output(process, "raised KeyboardInterrupt")
    process.send_signal(signal.SIGINT)
    time.sleep(0.4)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
