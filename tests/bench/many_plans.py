"""Measures one plan of many deployments next to a plan of one of them and to a plain sequential script.

    python -m tests.bench.many_plans [--deployments 50] [--runs 3] [--milliseconds 50] [--emulator]

A delay is added to each call. The script (`sequential.py`) reads the same resources with boto3, one call after the
other, and compares nothing. It runs once only, because it takes long.

Each plan is a fresh process. On a machine with two cores, an emulator that serves fifty deployments takes more CPU time
than the command, and AWS would take none. So the calls of the first plan reach an emulator, and a small server repeats
its responses for the calls of the other deployments, with their names, after the delay. `--emulator` measures against
the emulator itself. CPU seconds are those of the command, and say more than wall time on a busy machine.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from tests.support.delayed_emulator import emulator_at
from tests.support.paths import ROOT

MOST_TIMES_ONE = 3.0
_NAME = re.compile(rb"places-[0-9]{3}")
_FIRST = b"places-000"
_SERVICE = re.compile(rb"Credential=[^/]+/[^/]+/([^/]+/[^/]+)/")

RecordedKey = tuple[bytes, bytes, bytes, bytes]


class RepeatingServer:
    """Passes each call to `url` once, and repeats the response for the same call of another deployment."""

    def __init__(self, url: str, seconds: float) -> None:
        self._target = urlsplit(url).netloc
        self._seconds = seconds
        self._responses: dict[RecordedKey, bytes] = {}
        self.calls = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)\r\ncontent-length: *([0-9]+)", head)
                body = await reader.readexactly(int(length[1])) if length else b""
                self.calls += 1
                response, _ = await asyncio.gather(self._respond(head, body), asyncio.sleep(self._seconds))
                writer.write(response)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _respond(self, head: bytes, body: bytes) -> bytes:
        name = _NAME.search(head + body)
        line = head.partition(b"\r\n")[0]
        action = re.search(rb"(?i)\r\nx-amz-target: *([^\r]+)", head)
        service = _SERVICE.search(head)
        key = (
            _NAME.sub(_FIRST, line),
            _NAME.sub(_FIRST, body),
            action[1] if action else b"",
            service[1] if service else b"",
        )
        if key not in self._responses:
            response = await asyncio.to_thread(self._forward, head, body)
            self._responses[key] = _NAME.sub(_FIRST, response)
        return _NAME.sub(name[0], self._responses[key]) if name else self._responses[key]

    def _forward(self, head: bytes, body: bytes) -> bytes:
        line, *lines = head.decode("latin-1").strip().split("\r\n")
        method, path, _ = line.split(" ")
        connection = http.client.HTTPConnection(self._target, timeout=60)
        headers = dict(text.split(": ", 1) for text in lines if not text.lower().startswith("host:"))
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        content = response.read()
        kept = [(name, value) for name, value in response.getheaders() if name.lower() not in _HOP_HEADERS]
        size = response.headers.get("Content-Length", "0") if method == "HEAD" else str(len(content))
        text = "".join(f"{name}: {value}\r\n" for name, value in [*kept, ("Content-Length", size)])
        return f"HTTP/1.1 {response.status} {response.reason}\r\n{text}\r\n".encode("latin-1") + content


_HOP_HEADERS = ("connection", "content-length", "transfer-encoding", "keep-alive")


@contextmanager
def repeating_server(milliseconds: float) -> Iterator[str]:
    """Run the server in this process, in front of an emulator, and give its URL."""
    with emulator_at(0) as url:
        server, started, loop = RepeatingServer(url, milliseconds / 1000), threading.Event(), None
        port = 0

        def serve() -> None:
            nonlocal loop, port
            loop = asyncio.new_event_loop()
            listening = loop.run_until_complete(asyncio.start_server(server.handle, "127.0.0.1", 0, backlog=1024))
            port = listening.sockets[0].getsockname()[1]
            started.set()
            loop.run_forever()

        threading.Thread(target=serve, daemon=True).start()
        started.wait()
        yield f"http://127.0.0.1:{port}"
        assert loop is not None
        loop.call_soon_threadsafe(loop.stop)


@dataclass(frozen=True)
class TimedPlan:
    """Wall and CPU seconds of one process."""

    wall: float
    cpu: float


def plan(*arguments: str) -> TimedPlan:
    """Run `plan` with these arguments in a fresh process."""
    return _timed("run.py", "plan", *arguments)


def read_in_sequence(url: str, count: int) -> TimedPlan:
    """Read as many deployments with plain boto3 in a fresh process."""
    return _timed("-m", "tests.bench.sequential", "read", "--endpoint", url, "--deployments", str(count))


def _timed(*arguments: str) -> TimedPlan:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    ended = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode:
        raise SystemExit(f"exit code {ended.returncode}\n{ended.stdout}\n{ended.stderr}")
    return TimedPlan(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def write_fleet(folder: Path, url: str, count: int) -> Path:
    """Write one file with that many deployments, of the one account that an emulator has."""
    settings = {
        "target": "local",
        "endpoint": url,
        "region": "us-west-2",
        "account_id": "123456789012",
        "bucket": {"name": "${deployment}-data"},
        "deployments": {f"places-{number:03}": {} for number in range(count)},
    }
    path = folder / "fleet.yaml"
    path.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return path


def main() -> int:
    """Measure and print. Returns 1 if many plans take too many times as long as one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deployments", type=int, default=50)
    parser.add_argument("--runs", type=int, default=3, help="timed runs of each, in turn (default: 3)")
    parser.add_argument("--milliseconds", type=float, default=50, help="added to each call (default: 50)")
    parser.add_argument("--emulator", action="store_true", help="measure against the emulator itself")
    options = parser.parse_args()
    one: list[TimedPlan] = []
    many: list[TimedPlan] = []
    server = emulator_at if options.emulator else repeating_server
    with tempfile.TemporaryDirectory() as folder, server(options.milliseconds) as url:
        _measure(write_fleet(Path(folder), url, options.deployments), options.runs, one, many)
        sequential = read_in_sequence(url, options.deployments)
    print(f"{options.milliseconds:g} ms added to each call; seconds{'':17}{'min':>8}{'median':>8}{'max':>8}{'CPU':>8}")
    _print(f"plan of 1 deployment (--only {_FIRST.decode()})", one)
    _print(f"plan of {options.deployments} deployments", many)
    _print(f"sequential boto3, {options.deployments} deployments", [sequential])
    times = _median(many) / _median(one)
    cpu = statistics.median(m.cpu for m in many) / statistics.median(o.cpu for o in one)
    print(f"{options.deployments} one after the other would take {options.deployments * _median(one):.1f} s")
    print(f"sequential boto3 takes {sequential.wall / _median(many):.1f} times as long as all plans at the same time")
    holds = "holds" if times <= MOST_TIMES_ONE else "DOES NOT HOLD"
    print(f"{times:.1f} times one (aim: at most {MOST_TIMES_ONE:g}): {holds}; {cpu:.1f} times its CPU time")
    return 0 if times <= MOST_TIMES_ONE else 1


def _measure(fleet: Path, runs: int, one: list[TimedPlan], many: list[TimedPlan]) -> None:
    for turn in range(runs + 1):
        measured = plan(str(fleet), "--only", _FIRST.decode()), plan(str(fleet))
        if turn:
            one.append(measured[0])
            many.append(measured[1])


def _median(plans: list[TimedPlan]) -> float:
    return statistics.median(measured.wall for measured in plans)


def _print(name: str, plans: list[TimedPlan]) -> None:
    walls = [measured.wall for measured in plans]
    cpu = statistics.median(measured.cpu for measured in plans)
    print(f"{name:44}{min(walls):8.2f}{_median(plans):8.2f}{max(walls):8.2f}{cpu:8.2f}")


if __name__ == "__main__":
    sys.exit(main())
