"""The emulator as a process, with someone at the door who counts the slow truths of AWS that its clients meet.

    python tests/storm/watched_emulator.py '{"faults": 0.2, "fault_seed": 1, "iam": "enforce"}'

Takes the emulator's settings as JSON, prints its URL and ends with its standard input. `GET /_storm/seen` answers how
often each truth of TRUTHS was met. What is counted is what went over the wire, so that a setting without effect shows.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from geopipe_runner.emulator.server import EmulatorServer  # noqa: E402
from geopipe_runner.emulator.settings import Settings  # noqa: E402
from geopipe_runner.emulator.signature import read_scope  # noqa: E402
from geopipe_runner.emulator.web import Environ, Request  # noqa: E402

CONTROL = "/_storm/seen"
DELIVERED_TWICE = "message delivered twice"


@dataclass(frozen=True)
class Sign:
    """How a truth shows in the answers of some services."""

    truth: str
    services: tuple[str, ...]
    pattern: re.Pattern[bytes]


SIGNS = (
    Sign(
        "role not assumable",
        ("lambda", "sagemaker", "sagemaker-geospatial"),
        re.compile(rb"cannot be assumed by|Could not assume role"),
    ),
    Sign(
        "policy not effective",
        ("lambda", "sagemaker", "sagemaker-geospatial", "sqs", "logs"),
        re.compile(rb"not authorized to perform|does not have permissions"),
    ),
    Sign("function Pending", ("lambda",), re.compile(rb'"State": *"Pending"')),
    Sign("mapping Creating", ("lambda",), re.compile(rb'"State": *"Creating"')),
    Sign("mapping Deleting", ("lambda",), re.compile(rb'"State": *"Deleting"')),
    Sign("queue deleted recently", ("sqs",), re.compile(rb"QueueDeletedRecently")),
    Sign("job INITIALIZING", ("sagemaker-geospatial",), re.compile(rb'"Status": *"INITIALIZING"')),
    Sign("job IN_PROGRESS", ("sagemaker-geospatial",), re.compile(rb'"Status": *"IN_PROGRESS"')),
    Sign("export IN_PROGRESS", ("sagemaker-geospatial",), re.compile(rb'"ExportStatus": *"IN_PROGRESS"')),
)
TRUTHS = (*(sign.truth for sign in SIGNS), DELIVERED_TWICE)
_WATCHED = frozenset(service for sign in SIGNS for service in sign.services)


class Watcher:
    """WSGI middleware. What passes is passed on as it is."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app
        self._seen: Counter[str] = Counter()
        self._deliveries: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        if request.path == CONTROL:
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(self.describe()).encode()]
        scope = read_scope(request)
        if scope is None or scope.service not in _WATCHED:
            return self._app(environ, start_response)
        if scope.service == "logs":
            self._note_deliveries(request.body)
        answer = b"".join(self._app(environ, start_response))
        self._note_answer(scope.service, answer)
        return [answer]

    def describe(self) -> dict[str, int]:
        """How often each truth was met."""
        with self._lock:
            twice = sum(count - 1 for count in self._deliveries.values())
            return {truth: self._seen[truth] for truth in TRUTHS} | {DELIVERED_TWICE: twice}

    def _note_answer(self, service: str, answer: bytes) -> None:
        met = [sign.truth for sign in SIGNS if service in sign.services and sign.pattern.search(answer)]
        with self._lock:
            self._seen.update(met)

    def _note_deliveries(self, body: bytes) -> None:
        """The function logs what it is given; one receive of one message should be there once."""
        with self._lock:
            self._deliveries.update(_deliveries(body))


def _deliveries(body: bytes) -> Iterator[tuple[str, str]]:
    """Message id and receive count of each record in a PutLogEvents request; nothing for any other."""
    for event in json.loads(body or b"{}").get("logEvents", []):
        try:
            logged = json.loads(event["message"])
        except ValueError:
            continue  # a line of the runtime's, not of the function's
        given = logged.get("event") if isinstance(logged, dict) and logged.get("message") == "input" else None
        for record in (given or {}).get("Records", []):
            yield record["messageId"], record["attributes"]["ApproximateReceiveCount"]


def main() -> None:
    """Serve until standard input ends."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "MOTO_")) or name.lower().endswith("_proxy")]:
        del os.environ[name]
    server = EmulatorServer(Settings(**json.loads(sys.argv[1])), middleware=[Watcher])
    print(server.start(), flush=True)
    server.warm_up()
    sys.stdin.read()
    server.stop()
    # Threads of the server that wait for somebody would hold an orderly exit up.
    os._exit(0)


if __name__ == "__main__":
    main()
