"""How long a large run with provider `gazetteer` takes on the emulator, start to exit, and how large a worker gets.

    python -m tests.bench.parts_million [--rows 1000000] [--points globe] [--workers 2] [--runs 1]

`globe` spreads the points evenly over the Earth; `land` puts each within 0.1 degrees of a place, which is harder for
the search. All rows are checked to be there once and in order, and some of them against brute force. The memory is the
highest resident size of a worker's process, from Linux's /proc.
"""

from __future__ import annotations

import argparse
import math
import random
import resource
import statistics
import subprocess
import tempfile
import threading
import time
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from geopipe_gazetteer.gazetteer import DEGREES, default_places
from tests.support.e2e import Workplace
from tests.support.large_inputs import rows_with_results, write_points_of_the_globe, write_points_on_land
from tests.support.paths import ROOT
from tests.support.worker_processes import peak_megabytes, worker_processes

_SECONDS_BETWEEN_READINGS = 0.2
_EARTH_RADIUS_KM = 6371.0088
# The result has meters, and brute force computes the distance in another way.
_TOLERANCE_KM = 0.002


@dataclass(frozen=True)
class Figures:
    """What one run took: seconds of the command, CPU seconds of all processes, megabytes of its largest worker."""

    seconds: float
    cpu_seconds: float
    worker_mb: float


def main() -> None:
    """Run it some times, check the results and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--points", choices=("globe", "land"), default="globe")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--sample", type=int, default=5_000, help="rows to compare with brute force")
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="geopipe-bench-") as name:
        folder = Path(name)
        points = folder / "points.csv"
        (write_points_of_the_globe if options.points == "globe" else write_points_on_land)(points, options.rows)
        runs = []
        for _ in range(options.runs):
            runs.append(_run(folder, points, options.workers))
            _check(points, folder / "out/results.csv", options.rows, options.sample)
            _print(runs[-1], options.rows)
    if len(runs) > 1:
        print("median: ", end="")
        _print(Figures(*map(statistics.median, zip(*map(astuple, runs), strict=True))), options.rows)


def _print(run: Figures, rows: int) -> None:
    print(
        f"{rows:,} rows: {run.seconds:.1f} s, {rows / run.seconds:,.0f} rows/s, {run.cpu_seconds:.0f} s of CPU, "
        f"largest worker {run.worker_mb:.0f} MB",
        flush=True,
    )


def _run(folder: Path, points: Path, workers: int) -> Figures:
    workplace = Workplace(folder)
    config = workplace.config(
        job={"provider": "gazetteer", "workers": workers},
        input={"source": str(points)},
        function={"timeout": 600},
        queue={"visibility_timeout": 3600},
    )
    command = workplace.command(config, "--non-interactive", "--cleanup=all", "--output-dir", folder / "out")
    began, cpu_before = time.perf_counter(), _cpu_of_children()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    memory = _LargestWorker(process.pid)
    memory.start()
    output = process.communicate()[0]
    seconds = time.perf_counter() - began
    memory.stop()
    if process.returncode:
        raise SystemExit(f"the command failed:\n{output}")
    return Figures(seconds, _cpu_of_children() - cpu_before, memory.megabytes)


def _cpu_of_children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class _LargestWorker(threading.Thread):
    """Reads the highest resident size of all workers now and then. It never shrinks, so the last reading counts."""

    def __init__(self, command: int) -> None:
        super().__init__(daemon=True)
        self._command = command
        self._stopped = threading.Event()
        self.megabytes = 0.0

    def run(self) -> None:
        while not self._stopped.wait(_SECONDS_BETWEEN_READINGS):
            self.megabytes = max([self.megabytes, *map(peak_megabytes, worker_processes(self._command))])

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def _check(points: Path, results: Path, rows: int, sample: int) -> None:
    """Compare the results with the input, all of them, and some with brute force. Ends the program if they differ."""
    chosen = set(random.Random(7).sample(range(rows), min(sample, rows)))
    compared = []
    for number, result in enumerate(rows_with_results(points, results)):
        if result["reverse_geo.status"] != "Valid Data":
            raise SystemExit(f"row {number} is not valid: {result}")
        if number in chosen:
            compared.append(result)
    gazetteer = default_places().gazetteer
    places = _unit_vectors(
        np.array(gazetteer.latitudes, dtype=float) / DEGREES, np.array(gazetteer.longitudes, dtype=float) / DEGREES
    )
    for result in compared:
        latitude, longitude = float(result["Latitude"]), float(result["Longitude"])
        squares = ((places - _unit_vectors(np.array([latitude]), np.array([longitude]))) ** 2).sum(axis=1)
        nearest = gazetteer.place(int(squares.argmin()))
        kilometers = 2 * _EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(squares.min()) / 2))
        names = tuple(result[f"reverse_geo.{name}"] for name in ("municipality", "region", "country"))
        differs = abs(float(result["reverse_geo.distance_km"]) - kilometers) > _TOLERANCE_KM
        if names != (nearest.name, nearest.region, nearest.country) or differs:
            raise SystemExit(f"{result} differs from brute force: {nearest}, {kilometers:.3f} km")
    print(f"{rows:,} rows once and in order; {len(compared):,} equal to brute force", flush=True)


def _unit_vectors(latitudes: np.ndarray, longitudes: np.ndarray) -> np.ndarray:
    """Returns the points of the unit sphere at these degrees, one a row."""
    phi, theta = np.radians(latitudes), np.radians(longitudes)
    return np.stack([np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)], axis=1)


if __name__ == "__main__":
    main()
