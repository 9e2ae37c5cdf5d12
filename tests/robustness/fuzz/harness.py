"""Runs the fuzz tests with large counts.

    python -m tests.robustness.fuzz.harness [--seed N] [--csv 2000] [--configs 10000] [--events 10000] ...

Prints the seed and the counts, then runs the tests whose file name ends in `_fuzz.py` and the tests that look for
secrets in every output. The same seed gives the same inputs. The exit code is pytest's.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from random import Random

from tests.support.fuzz import FULL_COUNTS
from tests.support.paths import ROOT

_SECRET_TESTS = ("tests/runner/test_report_secrets.py", "tests/runner/test_secrets.py")


def main() -> int:
    """Run the fuzz tests with the chosen seed and counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, help="default: a new one")
    parser.add_argument("--workers", default="auto", help="processes (default: one per processor)")
    for kind, number in FULL_COUNTS.items():
        parser.add_argument(f"--{kind.lower()}", type=int, default=number, help=f"default: {number}")
    options = parser.parse_args()
    seed = options.seed or Random().randrange(1, 10**9)
    counts = {kind: getattr(options, kind.lower()) for kind in FULL_COUNTS}
    print(f"seed {seed}: {', '.join(f'{number:,} {kind.lower()}' for kind, number in counts.items())}", flush=True)
    files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*_fuzz.py"))
    files += _SECRET_TESTS
    arguments = [
        "-q",
        "-n",
        options.workers,
        "--dist",
        "worksteal",
        f"--hypothesis-seed={seed}",
        "--durations=10",
    ]
    numbers = {f"GEOPIPE_FUZZ_{kind}": str(number) for kind, number in counts.items()}
    command = [sys.executable, "-m", "pytest", *arguments, *files]
    return subprocess.run(command, cwd=ROOT, env=os.environ | numbers | {"GEOPIPE_FUZZ_SEED": str(seed)}).returncode


if __name__ == "__main__":
    sys.exit(main())
