"""The processes in which an emulator runs workers of jobs in parts: how large they are, and their violent end."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

from geopipe_emulator.services.lambda_.memory import descendants

_WORKER = b"_HANDLER=part_worker.lambda_handler"


def worker_processes(emulator: int) -> Iterator[int]:
    """Yield the runtimes of all workers below the process of an emulator. Needs Linux's /proc."""
    for process in descendants(emulator):
        try:
            is_worker = _WORKER in Path(f"/proc/{process}/environ").read_bytes()
            # The runtime is the child of a supervisor that has the same environment.
            parent = _parent(process)
            if is_worker and _WORKER in Path(f"/proc/{parent}/environ").read_bytes():
                yield process
        except OSError:
            continue  # it has ended


def peak_megabytes(process: int) -> float:
    """Returns the highest resident size of a process; 0 if it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
        return int(status.partition("VmHWM:")[2].split(maxsplit=1)[0]) / 1024
    except (OSError, IndexError):
        return 0.0


class WorkerKiller(threading.Thread):
    """Kills a worker, chosen at random, every so many seconds, but no more than `most` of them."""

    def __init__(self, emulator: int, seconds: float, most: int, seed: int = 0) -> None:
        super().__init__(daemon=True)
        self._emulator, self._seconds, self._most = emulator, seconds, most
        self._chance = random.Random(seed)
        self._stopped = threading.Event()
        self.killed = 0

    def run(self) -> None:
        while self.killed < self._most and not self._stopped.wait(self._seconds):
            workers = sorted(worker_processes(self._emulator))
            if workers:
                os.kill(self._chance.choice(workers), signal.SIGKILL)
                self.killed += 1

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def _parent(process: int) -> int:
    # The name in parentheses can hold anything; the state and the parent follow it.
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
