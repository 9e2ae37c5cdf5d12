"""The command line, killed by SIGKILL at one of its API calls, or with each of its API calls written down.

    python tests/crash/victim.py FILE ARGUMENTS...                             writes the calls to FILE
    python tests/crash/victim.py sqs:CreateQueue:1:after ARGUMENTS...          dies right after the first one

botocore itself tells of every call: "before" is the moment before the request leaves, "after" the moment its answer
has come in and nothing of ours has seen it. Tries are counted, not calls: what botocore sends again counts again.
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

sys.path.insert(0, str(Path(__file__).parents[2]))

EVENTS = {"before-send": "before", "response-received": "after"}


class Counting:
    """Names each moment, `service:operation:occurrence:before|after`, and hands it to `reached`; from any thread."""

    def __init__(self, reached: Callable[[str], None]) -> None:
        self._reached = reached
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, event_name: str, **_: Any) -> None:
        event, service, operation = event_name.split(".")
        with self._lock:
            self._counts[event_name] += 1
            self._reached(f"{service}:{operation}:{self._counts[event_name]}:{EVENTS[event]}")


def main(what: str, arguments: list[str]) -> int:
    import botocore

    counting = Counting(_dying_at(what) if what.endswith(tuple(EVENTS.values())) else _writing_to(Path(what)))

    def listen(session: Any) -> None:
        for event in EVENTS:
            session.register(event, counting)

    botocore.register_initializer(listen)
    from geopipe_runner.cli import main as geopipe

    return geopipe(arguments)


def _dying_at(moment: str) -> Callable[[str], None]:
    def reached(now: str) -> None:
        if now == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    return reached


def _writing_to(path: Path) -> Callable[[str], None]:
    def reached(now: str) -> None:
        with path.open("a") as file:
            file.write(now + "\n")

    return reached


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
