"""Kills an emulator with a state folder 50 times while 200 executions run, and looks for what is lost.

    python -m tests.robustness.restart.harness [--executions 200] [--restarts 50] [--seed 1]

An execution whose function ran at a kill ends as Failed and says so; a retry then brings it to its end. Nothing else
may be lost that had a response: executions, answers to callbacks, messages, objects and their notifications, log
lines, asynchronous invocations.

Prints one line, and `restart-test: passed`. The exit code is 1 if anything is lost.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.support.restarts import run_restarts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executions", type=int, default=200)
    parser.add_argument("--restarts", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = run_restarts(
            Path(folder, "state"), executions=options.executions, restarts=options.restarts, seed=options.seed
        )
        size = sum(path.stat().st_size for path in Path(folder, "state").iterdir())
    print(f"{report.line()}; {time.monotonic() - started:.0f} s, {size / 1e6:.1f} MB")
    for problem in report.problems:
        print(f"    {problem}")
    print(f"restart-test: {'failed' if report.problems else 'passed'}")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
