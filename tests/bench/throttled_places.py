"""A large run with provider `amazon_location`, a tenth of all calls throttled and a worker killed every few seconds.

    python -m tests.bench.throttled_places [--rows 100000] [--rate 400] [--workers 10] [--kill-every 5]

Checks that every row is there once and in order, and by the emulator's ledger that no second had more requests than
the rate and the number of workers together.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.support.throttled_places import run_throttled

# Slow enough that the callback's message, which is received again all the time, stays below 1,000 receives.
_TIME_SCALE = 0.05


def main() -> int:
    """Run it and print the figures. Returns 1 if a check fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rate", type=float, default=400.0)
    parser.add_argument("--workers", type=int, default=10)
    parser.add_argument("--kill-every", type=float, default=5.0, help="seconds")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="geopipe-bench-") as name:
        run = run_throttled(
            *(Path(name), options.rows, options.rate, options.workers),
            kill_every=options.kill_every,
            most_killed=sys.maxsize,
            time_scale=_TIME_SCALE,
        )
        print(f"{run.seconds:.0f} s, {run.requests:,} requests, {run.faults:,} faults, {run.killed} workers killed")
        print(f"most requests in any second: {run.most_in_a_second}; allowed: {run.limit}")
        if run.exit_code:
            print(run.output)
            return 1
        statuses = run.statuses()
        print(f"{sum(statuses.values()):,} rows once and in order: {statuses}")
        passed = run.most_in_a_second <= run.limit and statuses == {"Valid Data": options.rows}
        return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
