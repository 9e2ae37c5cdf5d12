"""The emulator as a process that counts the effects of eventual consistency that its clients see.

    python -m tests.support.faults.watched_emulator '{"faults": 0.2, "fault_seed": 1, "iam": "enforce"}'

Takes the emulator's settings as JSON, prints its URL and ends with its standard input. `GET /_watcher/effects` returns
how often each of EFFECTS was seen. It counts responses on the wire, so a setting without effect is noticed.
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
from typing import Any

from geopipe_emulator.emulator import EmulatorServer
from geopipe_emulator.http.request import Environ, Request
from geopipe_emulator.protocol.signature import read_scope
from geopipe_emulator.settings import Settings

CONTROL = "/_watcher/effects"
DELIVERED_TWICE = "message delivered twice"


@dataclass(frozen=True)
class WireEffect:
    """How an effect shows in the responses of some services."""

    effect: str
    services: tuple[str, ...]
    pattern: re.Pattern[bytes]


WIRE_EFFECTS = (
    WireEffect(
        "role not assumable",
        ("lambda", "sagemaker", "sagemaker-geospatial"),
        re.compile(rb"cannot be assumed by|Could not assume role"),
    ),
    WireEffect(
        "policy not effective",
        ("lambda", "sagemaker", "sagemaker-geospatial", "sqs", "logs"),
        re.compile(rb"not authorized to perform|does not have permissions"),
    ),
    WireEffect("function Pending", ("lambda",), re.compile(rb'"State": *"Pending"')),
    WireEffect("mapping Creating", ("lambda",), re.compile(rb'"State": *"Creating"')),
    WireEffect("mapping Deleting", ("lambda",), re.compile(rb'"State": *"Deleting"')),
    WireEffect("queue deleted recently", ("sqs",), re.compile(rb"QueueDeletedRecently")),
    WireEffect("job INITIALIZING", ("sagemaker-geospatial",), re.compile(rb'"Status": *"INITIALIZING"')),
    WireEffect("job IN_PROGRESS", ("sagemaker-geospatial",), re.compile(rb'"Status": *"IN_PROGRESS"')),
    WireEffect("export IN_PROGRESS", ("sagemaker-geospatial",), re.compile(rb'"ExportStatus": *"IN_PROGRESS"')),
)
EFFECTS = (*(wire_effect.effect for wire_effect in WIRE_EFFECTS), DELIVERED_TWICE)
JOBS = "/_watched/jobs"
_JOB_ARN = re.compile(rb"arn:aws:sagemaker-geospatial:[\w:-]+:vector-enrichment-job/[a-z0-9]{12}")
_WATCHED = frozenset(service for wire_effect in WIRE_EFFECTS for service in wire_effect.services)


class Watcher:
    """WSGI middleware that changes nothing."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app
        self._seen: Counter[str] = Counter()
        self._deliveries: Counter[tuple[str, str]] = Counter()
        self._jobs: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        if request.path == CONTROL:
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(self.describe()).encode()]
        if request.path == JOBS:
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps(self.jobs()).encode()]
        scope = read_scope(request)
        if scope is None or scope.service not in _WATCHED:
            return self._app(environ, start_response)
        if scope.service == "logs":
            self._count_deliveries(request.body)
        response = b"".join(self._app(environ, start_response))
        self._count_effects(scope.service, response)
        return [response]

    def describe(self) -> dict[str, int]:
        """Returns how often each effect was seen."""
        with self._lock:
            twice = sum(count - 1 for count in self._deliveries.values())
            return {effect: self._seen[effect] for effect in EFFECTS} | {DELIVERED_TWICE: twice}

    def jobs(self) -> list[str]:
        """Returns the ARN of every job that any response named: a clean-up deletes the jobs themselves."""
        with self._lock:
            return sorted(self._jobs)

    def _count_effects(self, service: str, response: bytes) -> None:
        seen = [
            wire_effect.effect
            for wire_effect in WIRE_EFFECTS
            if service in wire_effect.services and wire_effect.pattern.search(response)
        ]
        with self._lock:
            self._seen.update(seen)
            if service == "sagemaker-geospatial":
                self._jobs.update(arn.decode() for arn in _JOB_ARN.findall(response))

    def _count_deliveries(self, body: bytes) -> None:
        """The function logs its events; each receive of a message should appear once."""
        with self._lock:
            self._deliveries.update(_deliveries(body))


def _deliveries(body: bytes) -> Iterator[tuple[str, str]]:
    """Yields message id and receive count of each record in a PutLogEvents request."""
    for event in json.loads(body or b"{}").get("logEvents", []):
        try:
            logged = json.loads(event["message"])
        except ValueError:
            continue  # a line of the runtime, not of the function
        event_of_function = (
            logged.get("event") if isinstance(logged, dict) and logged.get("message") == "input" else None
        )
        for record in (event_of_function or {}).get("Records", []):
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
    # Threads of the server that wait for a request would delay a normal exit.
    os._exit(0)


if __name__ == "__main__":
    main()
