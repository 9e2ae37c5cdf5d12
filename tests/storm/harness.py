"""Fault storms: the real command line, several times in a row, while every fifth API call meets a fault.

    python tests/storm/harness.py [--seeds 1-20] [--workers 3] [--only SEED]

Each seed has an emulator of its own with all of AWS's slow truths on. Its durations and its faults follow from the
seed. There are three runs:

1. from nothing to nothing, the queue's name deleted a moment before;
2. right after that clean-up, so that what was just deleted is made again; it keeps what it has made;
3. after somebody has emptied a policy, which the run mends and which takes effect only later; it cleans up.

A seed passes when each run ends with exit code 0, its execution Succeeded and 200 rows of 200 valid, and when
afterwards, with the faults off and looked at from outside, the account is as empty as it began: no resource, no job
that goes on, no job that was started twice.

One line per seed, then `storm-test: N of N`; exit code 1 unless all pass and every slow truth was met at least once.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from storms import Outcome, storm
from watched_emulator import TRUTHS

_LOG_LINES = 30


def report(outcome: Outcome, folder: Path) -> None:
    """The seed's line, and all that is known where it failed."""
    print(outcome.line(), flush=True)
    for problem in outcome.problems:
        print(f"    {problem}")
    for run in outcome.rounds if outcome.problems else ():
        notes = [document["text"] for document in run.having("note")]
        for line in (*notes, *run.errors.splitlines()):
            print(f"        {line}")
    if outcome.problems:
        for line in (folder / "emulator.log").read_text().splitlines()[-_LOG_LINES:]:
            print(f"        emulator: {line}")


def main() -> int:
    options = _parser().parse_args()
    seeds = [options.only] if options.only is not None else list(options.seeds)
    outcomes = []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.workers) as pool:
        places = [Path(folder, str(seed)) for seed in seeds]
        for place in places:
            place.mkdir()
        for outcome, place in zip(pool.map(storm, seeds, places), places, strict=True):
            report(outcome, place)
            outcomes.append(outcome)
    return _conclude(outcomes)


def _conclude(outcomes: Sequence[Outcome]) -> int:
    met: Counter[str] = Counter()
    injected: Counter[str] = Counter()
    for outcome in outcomes:
        met.update(outcome.truths)
        injected.update(outcome.faults)
    print(f"faults: {', '.join(f'{kind} {count}' for kind, count in sorted(injected.items()))}")
    print(f"slow truths met: {', '.join(f'{truth} {met[truth]}' for truth in TRUTHS)}")
    passed = sum(not outcome.problems for outcome in outcomes)
    print(f"storm-test: {passed} of {len(outcomes)}")
    return 0 if passed == len(outcomes) and all(met[truth] for truth in TRUTHS) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=_seeds, default=_seeds("1-20"), metavar="FIRST-LAST", help="default: 1-20")
    parser.add_argument("--only", type=int, metavar="SEED", help="this one alone")
    parser.add_argument("--workers", type=int, default=3, help="seeds at the same time (default: 3)")
    return parser


def _seeds(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


if __name__ == "__main__":
    sys.exit(main())
