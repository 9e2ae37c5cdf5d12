"""Kills geopipe at every API call of a run and of a clean-up, and sees that the next command puts all right.

    python tests/crash/harness.py [--workers 3] [--sample N --seed S] [--skip-unchanged]
                                   [--only run:sqs:CreateQueue:1:after:a]

For each point, before and after each call: (a) the same command again, (b) the other one. A point that a command does
not get to (polls vary in number) is tried all the same and counted. Prints one line per failure, with what it was, and
`crash-test: N of N` in the end; exit code 1 unless all hold and at least one command was killed.
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

from account import Inventory
from crash_world import Verdict, World, passed
from points import SCENARIOS, Point, in_batches, parse

_LINES = 40
"""Lines of a failure that are shown."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="geopipe-crash-") as folder:
        first = World(Path(folder) / "0")
        try:
            expected = first.undisturbed()
            points = _wanted(options.only, first) if options.only else first.record()
        finally:
            first.stop()
        chosen = _chosen(points, options.sample, options.seed)
        _tell_points(chosen)
        verdicts = []
        for verdict in _verdicts(chosen, expected, options, Path(folder)):
            verdicts.append(verdict)
            _tell(verdict, len(verdicts), len(chosen))
    return _conclude(verdicts, time.monotonic() - began)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=3, help="points tried at the same time (default: 3)")
    parser.add_argument("--sample", type=int, help="try only so many points, chosen by chance")
    parser.add_argument("--seed", type=int, default=0, help="the same seed chooses the same points")
    parser.add_argument(
        "--skip-unchanged",
        action="store_true",
        help="a command that died before it changed anything is only seen to be such: nothing follows it",
    )
    parser.add_argument(
        "--only", type=_point_or_pattern, action="append", metavar="POINT", help="this point, or all like 'run:sqs:*:a'"
    )
    return parser


def _point_or_pattern(text: str) -> str:
    return text if "*" in text else str(parse(text))


def _wanted(only: list[str], world: World) -> list[Point]:
    """A point is tried even where no recording has it."""
    patterns = [text for text in only if "*" in text]
    recorded = world.record() if patterns else []
    matching = [point for point in recorded if any(fnmatchcase(str(point), pattern) for pattern in patterns)]
    return [*map(parse, sorted(set(only) - set(patterns))), *matching]


def _chosen(points: list[Point], sample: int | None, seed: int) -> list[Point]:
    if sample is None or sample >= len(points):
        return points
    return random.Random(seed).sample(points, sample)


def _verdicts(points: list[Point], expected: Inventory, options: argparse.Namespace, folder: Path) -> Iterator[Verdict]:
    """One for each point, as they come in; each worker has a world of its own."""
    waiting: queue.SimpleQueue[list[Point]] = queue.SimpleQueue()
    for batch in in_batches(points):
        waiting.put(batch)
    told: queue.SimpleQueue[Verdict | BaseException] = queue.SimpleQueue()

    def work(number: int) -> None:
        world = World(folder / f"worker-{number}")
        try:
            while not waiting.empty():
                batch = waiting.get_nowait()
                for verdict in world.try_points(batch, expected, skip_unchanged=options.skip_unchanged):
                    told.put(verdict)
        except queue.Empty:
            return  # another worker took the last one
        except BaseException as error:  # noqa: BLE001 - raised again on the thread that waits
            told.put(error)
        finally:
            world.stop()

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(options.workers)]
    for thread in threads:
        thread.start()
    for _ in points:
        verdict = told.get()
        if isinstance(verdict, BaseException):
            raise verdict
        yield verdict
    for thread in threads:
        thread.join()


def _tell_points(points: Iterable[Point]) -> None:
    for scenario in SCENARIOS:
        services = Counter(point.service for point in points if point.scenario == scenario)
        each = ", ".join(f"{service} {count}" for service, count in sorted(services.items()))
        print(f"{scenario}: {services.total()} points ({each})", flush=True)


def _tell(verdict: Verdict, number: int, total: int) -> None:
    if verdict.failure:
        print(f"FAILED: python tests/crash/harness.py --only {verdict.point}", flush=True)
        lines = verdict.failure.splitlines()
        shown = lines if len(lines) <= _LINES else [*lines[:5], "...", *lines[5 - _LINES :]]
        print(*(f"    {line}" for line in shown), sep="\n", flush=True)
    if number % 20 == 0:
        print(f"{number} of {total} tried", flush=True)


def _conclude(verdicts: list[Verdict], seconds: float) -> int:
    good = [verdict for verdict in verdicts if not verdict.failure]
    unreached = sum(not verdict.reached for verdict in verdicts)
    unchanged = sum(verdict.unchanged for verdict in verdicts)
    print(
        f"{unreached} ended before they got there; {unchanged} had changed nothing yet, left at that; {seconds:.0f} s"
    )
    if unreached == len(verdicts):
        print("no command was killed, so nothing was shown")
    print(f"crash-test: {len(good)} of {len(verdicts)}")
    return 0 if passed(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
