"""A run with provider `amazon_location` whose calls are throttled and whose workers are killed.

The emulator throttles what exceeds the configured rate, and a share of all other calls too.
"""

from __future__ import annotations

import json
import math
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.e2e import Workplace, start_emulator
from tests.support.large_inputs import most_in_a_second, rows_with_results, write_points_of_the_globe
from tests.support.worker_processes import WorkerKiller

THROTTLED_SHARE = 0.1


@dataclass(frozen=True)
class ThrottledRun:
    """What came out. `limit` is the number of requests that a second may have."""

    exit_code: int
    output: str
    seconds: float
    requests: int
    most_in_a_second: int
    limit: int
    faults: int
    killed: int
    results: Path
    points: Path

    def statuses(self) -> dict[str, int]:
        """Returns how many rows have each status. Raises ValueError: the rows are not those of the input, in order."""
        counts: dict[str, int] = {}
        for row in rows_with_results(self.points, self.results):
            counts[row["reverse_geo.status"]] = counts.get(row["reverse_geo.status"], 0) + 1
        return counts


def run_throttled(
    folder: Path, rows: int, rate: float, workers: int, *, kill_every: float, most_killed: int, time_scale: float
) -> ThrottledRun:
    """Run the command with so many rows, and kill a worker every `kill_every` seconds."""
    points, limit = folder / "points.csv", math.floor(rate + workers)
    write_points_of_the_globe(points, rows)
    faults = ("--faults", str(THROTTLED_SHARE), "--fault-kinds", "throttle")
    scale = ("--time-scale", str(time_scale))
    emulator = start_emulator("--places-requests-per-second", str(limit), *faults, *scale)
    killer = WorkerKiller(emulator.process.pid, kill_every, most_killed)
    try:
        workplace = Workplace(folder)
        config = workplace.config(
            endpoint=emulator.url,
            job={
                "provider": "amazon_location",
                "workers": workers,
                "max_requests_per_second": rate,
                "worker_timeout": 60,
                "confirm_above_requests": rows,
            },
            input={"source": str(points)},
            function={"timeout": 60},
            execution={"timeout": 24 * 3600, "poll_interval": 1},
        )
        command = workplace.command(config, "--non-interactive", "--cleanup=all", "--output-dir", folder / "out")
        began = time.monotonic()
        killer.start()
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=folder)
        seconds = time.monotonic() - began
        times = _read(emulator.url, "/_geopipe/calls/geo-places/ReverseGeocode")["times"]
        injected = _read(emulator.url, "/_geopipe/faults")["injected"]
    finally:
        killer.stop()
        assert emulator.process.stdin is not None
        emulator.process.stdin.close()
        emulator.process.wait(30)
    return ThrottledRun(
        done.returncode,
        done.stdout + done.stderr,
        seconds,
        len(times),
        most_in_a_second(times),
        limit,
        sum(injected.values()),
        killer.killed,
        folder / "out/results.csv",
        points,
    )


def _read(url: str, path: str) -> Any:
    with urllib.request.urlopen(url + path, timeout=90) as response:
        return json.load(response)
