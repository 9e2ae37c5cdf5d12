"""How long the commands take, as a user waits for them: process start to exit, everything included.

    python -m tests.bench.commands [--runs 5]

Prints minimum, median and maximum of each, in seconds of wall time. Not a test: machines differ.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

from tests.support.paths import ROOT

LOCAL = "config/local.yaml"
COMMANDS = {
    "run, 200 rows, clean-up included": [LOCAL, "--non-interactive", "--cleanup=all"],
    "plan (--dry-run)": [LOCAL, "--dry-run"],
    "validate": ["validate", LOCAL],
}


def main() -> None:
    """Time each command several times, in turn, after one warm-up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for round_number in range(runs + 1):
        for name, arguments in COMMANDS.items():
            taken = _timed(arguments)
            if round_number:
                seconds[name].append(taken)
    print(f"{'seconds of wall time':36}{'min':>8}{'median':>8}{'max':>8}")
    for name, taken_each in seconds.items():
        figures = (min(taken_each), statistics.median(taken_each), max(taken_each))
        print(f"{name:36}" + "".join(f"{figure:8.2f}" for figure in figures))


def _timed(arguments: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "run.py", *arguments], cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
