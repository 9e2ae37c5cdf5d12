"""Runs the command line and kills it (SIGKILL) at one of its API calls, or records all its API calls.

    python -m tests.support.kill.killed_command FILE ARGUMENTS...                     write the calls to FILE
    python -m tests.support.kill.killed_command sqs:CreateQueue:1:after ARGUMENTS...  die right after the first one

The moments are events of botocore: "before" comes before the request leaves, "after" when the response has arrived and
no code of geopipe has seen it. Each attempt counts, so a request that botocore repeats counts again.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

EVENTS = {"before-send": "before", "response-received": "after"}


class CallCounter:
    """Names each moment `service:operation:occurrence:before|after` and passes it to `reached`, from any thread."""

    def __init__(self, reached: Callable[[str], None]) -> None:
        self._reached = reached
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, event_name: str, **_: Any) -> None:
        event, service, operation = event_name.split(".")
        with self._lock:
            self._counts[event_name] += 1
            self._reached(f"{service}:{operation}:{self._counts[event_name]}:{EVENTS[event]}")


def main(target: str, arguments: list[str]) -> int:
    import botocore

    counter = CallCounter(_kill_at(target) if target.endswith(tuple(EVENTS.values())) else _write_to(Path(target)))

    def register(session: Any) -> None:
        for event in EVENTS:
            session.register(event, counter)

    botocore.register_initializer(register)
    from geopipe_runner.cli.main import main as geopipe

    return geopipe(arguments)


def _kill_at(moment: str) -> Callable[[str], None]:
    def reached(current: str) -> None:
        if current == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    return reached


def _write_to(path: Path) -> Callable[[str], None]:
    def reached(moment: str) -> None:
        with path.open("a") as file:
            file.write(moment + "\n")

    return reached


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
