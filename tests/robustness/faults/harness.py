"""Runs the command line several times in a row while a fifth of all API calls fail.

    python -m tests.robustness.faults.harness [--seeds 1-20] [--workers 3] [--only SEED] [--provider gazetteer]

Each seed has its own emulator with eventual consistency. The seed determines the durations and the faults. The command
runs three times:

1. in an empty account, right after a queue of the same name was deleted; it cleans up;
2. right after that clean-up, so that it creates again what was just deleted; it keeps the resources;
3. after a policy was emptied; the run repairs it, and the repair takes effect later; it cleans up.

A seed passes if each run ends with exit code 0, a Succeeded execution and 200 of 200 valid rows, and if the account is
empty at the end, read without faults: no resource, no running job, no job that was started twice.

Prints one line per seed, then `fault-test: N of N`. The exit code is 1 unless all pass and every effect of
eventual consistency was seen at least once.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import get_args

from geopipe_runner.config.model import Provider
from tests.support.faults.seeds import DEFAULT_PROVIDER, SeedResult, run_seed
from tests.support.faults.watched_emulator import EFFECTS

_LOG_LINES = 30


def report(result: SeedResult, folder: Path) -> None:
    """Print the seed's line and, after a failure, everything that helps to explain it."""
    print(result.line(), flush=True)
    for problem in result.problems:
        print(f"    {problem}")
    for run in result.runs if result.problems else ():
        notes = [document["text"] for document in run.having("note")]
        for line in (*notes, *run.errors.splitlines()):
            print(f"        {line}")
    if result.problems:
        for line in (folder / "emulator.log").read_text().splitlines()[-_LOG_LINES:]:
            print(f"        emulator: {line}")


def main() -> int:
    options = _parser().parse_args()
    seeds = [options.only] if options.only is not None else list(options.seeds)
    results = []
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.workers) as pool:
        folders = [Path(folder, str(seed)) for seed in seeds]
        for seed_folder in folders:
            seed_folder.mkdir()
        for result, seed_folder in zip(
            pool.map(partial(run_seed, provider=options.provider), seeds, folders), folders, strict=True
        ):
            report(result, seed_folder)
            results.append(result)
    return _conclude(results, [effect for effect in EFFECTS if _can_show(effect, options.provider)])


def _can_show(effect: str, provider: str) -> bool:
    """Whether the effect can be seen with this provider: only one of them starts a geospatial job."""
    return provider == DEFAULT_PROVIDER or not effect.startswith(("job ", "export "))


def _conclude(results: Sequence[SeedResult], effects: Sequence[str]) -> int:
    seen: Counter[str] = Counter()
    injected: Counter[str] = Counter()
    for result in results:
        seen.update(result.effects)
        injected.update(result.faults)
    print(f"faults: {', '.join(f'{kind} {count}' for kind, count in sorted(injected.items()))}")
    print(f"effects seen: {', '.join(f'{effect} {seen[effect]}' for effect in effects)}")
    passed = sum(not result.problems for result in results)
    print(f"fault-test: {passed} of {len(results)}")
    return 0 if passed == len(results) and all(seen[effect] for effect in effects) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=_seeds, default=_seeds("1-20"), metavar="FIRST-LAST", help="default: 1-20")
    parser.add_argument("--only", type=int, metavar="SEED", help="run only this seed")
    parser.add_argument("--workers", type=int, default=3, help="seeds at the same time (default: 3)")
    parser.add_argument(
        "--provider", choices=get_args(Provider), default=DEFAULT_PROVIDER, help="job.provider of the configuration"
    )
    return parser


def _seeds(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


if __name__ == "__main__":
    sys.exit(main())
