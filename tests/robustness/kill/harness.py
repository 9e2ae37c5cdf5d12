"""Kills geopipe at every API call of a run and of a clean-up, and checks that the next command repairs everything.

    python -m tests.robustness.kill.harness [--workers 3] [--sample N --seed S] [--skip-unchanged]
                                   [--only run:sqs:CreateQueue:1:after:a] [--provider gazetteer]

At each point, before and after each call, the next command is (a) the same again or (b) the other one. The number of
polls varies, so a command may end before its point; the summary counts these. Prints each failure, and at the end
`kill-test: N of N`. The exit code is 1 unless all points pass and at least one command was killed.
"""

from __future__ import annotations

import argparse
import queue
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import get_args

from geopipe_runner.config.model import Provider
from tests.support.kill.account import Inventory
from tests.support.kill.deployment import DEFAULT_PROVIDER
from tests.support.kill.points import SCENARIOS, KillPoint, in_batches, parse
from tests.support.kill.worker import KillWorker, PointResult, passed

# Lines of a failure to print.
_LINES = 40


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="geopipe-kill-") as folder:
        first = KillWorker(Path(folder) / "0", options.provider)
        try:
            expected = first.undisturbed()
            points = _points_named(options.only, first) if options.only else first.record()
        finally:
            first.stop()
        chosen = _choose(points, options.sample, options.seed)
        _print_points(chosen)
        results = []
        for result in _results(chosen, expected, options, Path(folder)):
            results.append(result)
            _print_result(result, len(results), len(chosen))
    return _conclude(results, time.monotonic() - began)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=3, help="points tried at the same time (default: 3)")
    parser.add_argument("--sample", type=int, help="try only this many points, chosen at random")
    parser.add_argument("--seed", type=int, default=0, help="the same seed chooses the same points")
    parser.add_argument(
        "--skip-unchanged",
        action="store_true",
        help="run no command after one that was killed before it changed anything",
    )
    parser.add_argument(
        "--only", type=_point_or_pattern, action="append", metavar="POINT", help="this point, or all like 'run:sqs:*:a'"
    )
    parser.add_argument(
        "--provider", choices=get_args(Provider), default=DEFAULT_PROVIDER, help="job.provider of the configuration"
    )
    return parser


def _point_or_pattern(text: str) -> str:
    return text if "*" in text else str(parse(text))


def _points_named(only: list[str], worker: KillWorker) -> list[KillPoint]:
    """Returns the points that `--only` names, also those that no recording contains."""
    patterns = [text for text in only if "*" in text]
    recorded = worker.record() if patterns else []
    matching = [point for point in recorded if any(fnmatchcase(str(point), pattern) for pattern in patterns)]
    return [*map(parse, sorted(set(only) - set(patterns))), *matching]


def _choose(points: list[KillPoint], sample: int | None, seed: int) -> list[KillPoint]:
    if sample is None or sample >= len(points):
        return points
    return random.Random(seed).sample(points, sample)


def _results(
    points: list[KillPoint], expected: Inventory, options: argparse.Namespace, folder: Path
) -> Iterator[PointResult]:
    """One for each point, as they come in; each thread has its own worker."""
    waiting: queue.SimpleQueue[list[KillPoint]] = queue.SimpleQueue()
    for batch in in_batches(points):
        waiting.put(batch)
    arrived: queue.SimpleQueue[PointResult | BaseException] = queue.SimpleQueue()

    def work(number: int) -> None:
        worker = KillWorker(folder / f"worker-{number}", options.provider)
        try:
            while not waiting.empty():
                batch = waiting.get_nowait()
                for result in worker.try_points(batch, expected, skip_unchanged=options.skip_unchanged):
                    arrived.put(result)
        except queue.Empty:
            return  # another thread took the last one
        except BaseException as error:  # noqa: BLE001 - raised again on the thread that waits
            arrived.put(error)
        finally:
            worker.stop()

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(options.workers)]
    for thread in threads:
        thread.start()
    for _ in points:
        result = arrived.get()
        if isinstance(result, BaseException):
            raise result
        yield result
    for thread in threads:
        thread.join()


def _print_points(points: Iterable[KillPoint]) -> None:
    for scenario in SCENARIOS:
        services = Counter(point.service for point in points if point.scenario == scenario)
        counts = ", ".join(f"{service} {count}" for service, count in sorted(services.items()))
        print(f"{scenario}: {services.total()} points ({counts})", flush=True)


def _print_result(result: PointResult, number: int, total: int) -> None:
    if result.failure:
        print(f"FAILED: python -m tests.robustness.kill.harness --only {result.point}", flush=True)
        lines = result.failure.splitlines()
        shown = lines if len(lines) <= _LINES else [*lines[:5], "...", *lines[5 - _LINES :]]
        print(*(f"    {line}" for line in shown), sep="\n", flush=True)
    if number % 20 == 0:
        print(f"{number} of {total} tried", flush=True)


def _conclude(results: list[PointResult], seconds: float) -> int:
    passing = [result for result in results if not result.failure]
    unreached = sum(not result.reached for result in results)
    unchanged = sum(result.unchanged for result in results)
    print(
        f"{unreached} ended before their point; {unchanged} had changed nothing and were not continued; {seconds:.0f} s"
    )
    if unreached == len(results):
        print("No command was killed, so the test proves nothing.")
    print(f"kill-test: {len(passing)} of {len(results)}")
    return 0 if passed(results) else 1


if __name__ == "__main__":
    sys.exit(main())
