"""Measures calls and time of a reconciliation when every API call is slow, next to a plain sequential script.

    python -m tests.bench.reconcile [--runs 3] [--milliseconds 0 50] [--trace]

Each action is a fresh process against one standing emulator (`latency.py`). The *stage* is the time that the emulator
sees, from the first call (GetCallerIdentity) to the last response; no execution is started. geopipe creates its other
clients during the stage, the sequential script before it. The *process* is the time that a user waits. `--trace` also
prints when each call of the last create, no-op and destroy began and how long it took.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.delayed_emulator import emulator_at, environment_without_aws, write_config
from tests.support.paths import ROOT

MOST_ROUND_TRIPS = 12
MOST_OF_SEQUENTIAL = 0.60
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Measured:
    """One action, once."""

    calls: tuple[dict[str, Any], ...]
    process: float

    @property
    def mutating(self) -> Counter[str]:
        return Counter(f"{c['service']}:{c['operation']}" for c in self.calls if c["mutating"])

    @property
    def stage(self) -> float:
        """First call in to last call answered."""
        began: float = min(call["began"] for call in self.calls)
        ended: float = max(call["ended"] for call in self.calls)
        return ended - began


@dataclass(frozen=True)
class BenchAction:
    """A row of the table: whose, what, and the command line."""

    tool: str
    name: str
    command: tuple[str, ...]


class DelayedEmulator:
    """A standing emulator at a distance, in a process of its own."""

    def __init__(self, url: str) -> None:
        self.url = url

    def measure(self, action: BenchAction) -> Measured:
        self._control("DELETE")
        command = [sys.executable, *action.command]
        began = time.perf_counter()
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment_without_aws())
        process = time.perf_counter() - began
        if ended.returncode:
            raise SystemExit(f"{action.tool}, {action.name}: exit {ended.returncode}\n{ended.stdout}\n{ended.stderr}")
        return Measured(tuple(self._control("GET")), process)

    def _control(self, method: str) -> list[dict[str, Any]]:
        request = urllib.request.Request(f"{self.url}/_bench/calls", method=method)
        with _NO_PROXY.open(request, timeout=30) as answer:
            calls: list[dict[str, Any]] = json.load(answer)
        return calls


def actions(config: Path, url: str) -> list[BenchAction]:
    """In the order in which one leaves the account as the next needs it."""
    path = str(config)
    set_up = ("-m", "tests.bench.reconcile", "--set-up", path)

    def script(name: str) -> tuple[str, ...]:
        return ("-m", "tests.bench.sequential", name, "--endpoint", url)

    return [
        BenchAction("geopipe", "create", set_up),
        BenchAction("geopipe", "no-op", set_up),
        BenchAction("geopipe", "plan", ("run.py", path, "--dry-run")),
        BenchAction("geopipe", "destroy", ("run.py", "cleanup", path, "--cleanup=all", "--non-interactive")),
        BenchAction("sequential", "create", script("create")),
        BenchAction("sequential", "no-op", script("ensure")),
        BenchAction("sequential", "destroy", script("destroy")),
        BenchAction("sequential", "read, create", script("ensure")),
        BenchAction("sequential", "destroy again", script("destroy")),
    ]


def set_up(config_path: Path) -> None:
    """Plan and apply as `run` does, without an execution: the work of one measured process."""
    from geopipe_runner.aws.clock import Clock
    from geopipe_runner.cli.main import collect_garbage_rarely
    from geopipe_runner.config import load
    from geopipe_runner.context import Options
    from geopipe_runner.report.text.report import TextReport
    from geopipe_runner.stages import setup
    from geopipe_runner.stages.session import Session

    collect_garbage_rarely()
    report = TextReport(sys.stdout, sys.stderr, None)
    # The commands' own wiring: another one would measure another program.
    session = Session(load(config_path), Options(interactive=False), report, Clock())
    with session.connect_for_run() as context:
        setup.apply(setup.plan(context))


Results = dict[tuple[str, str], list[Measured]]


def bench(milliseconds: float, runs: int) -> Results:
    """Everything `runs` times on one emulator, after a round that is not counted."""
    results: Results = {}
    with emulator_at(milliseconds) as url, tempfile.TemporaryDirectory() as folder:
        emulator = DelayedEmulator(url)
        rows = actions(write_config(Path(folder), url), url)
        for turn in range(runs + 1):
            for action in rows:
                measured = emulator.measure(action)
                if turn:
                    results.setdefault((action.tool, action.name), []).append(measured)
    return results


def print_table(milliseconds: float, results: Results) -> None:
    print(f"\n{milliseconds:g} ms added to each call; seconds as min / median / max of {_runs(results)}")
    print(f"{'':28}{'calls':>6}{'writes':>7}  {'reconcile stage':^22}{'round trips':>12}  {'whole process':^22}")
    for (tool, name), measured in results.items():
        stages, last = [m.stage for m in measured], measured[-1]
        trips = f"{_round_trips(measured, milliseconds):.1f}" if milliseconds else "-"
        counts = f"{len(last.calls):6}{last.mutating.total():7}"
        print(f"{tool:12}{name:16}{counts}  {_spread(stages)}{trips:>12}  {_spread([m.process for m in measured])}")


def print_verdict(milliseconds: float, results: Results) -> None:
    """What the aims are, and whether they hold."""
    ours, theirs = results["geopipe", "create"], results["sequential", "create"]
    different = ours[-1].mutating - theirs[-1].mutating, theirs[-1].mutating - ours[-1].mutating
    if any(different):
        print(f"The scripts write differently: only geopipe {dict(different[0])}, only sequential {dict(different[1])}")
    no_op = results["geopipe", "no-op"]
    writes = max(m.mutating.total() for m in no_op)
    print(f"no-op writes: {writes} (aim: 0): {_holds(writes == 0)}")
    if milliseconds:
        trips = _round_trips(no_op, milliseconds)
        print(f"no-op: {trips:.1f} round trips (aim: at most {MOST_ROUND_TRIPS}): {_holds(trips <= MOST_ROUND_TRIPS)}")
    share = _median_stage(ours) / _median_stage(theirs)
    careful = _median_stage(ours) / _median_stage(results["sequential", "read, create"])
    # Without a distance there is nothing that concurrency could save: the aim is about round trips.
    aim = f" (aim: at most {MOST_OF_SEQUENTIAL:.0%}): {_holds(share <= MOST_OF_SEQUENTIAL)}" if milliseconds else ""
    print(f"create: {share:.0%} of the same writes one after the other{aim}")
    print(f"create: {careful:.0%} of a sequential script that reads each thing first, as geopipe does")


def print_trace(results: Results) -> None:
    """When each call began after the first, how long it took, and what it was."""
    for name in ("create", "no-op", "destroy"):
        calls = results["geopipe", name][-1].calls
        print(f"\ngeopipe, {name}: milliseconds from the first call, duration")
        for call in calls:
            began, took = call["began"] - calls[0]["began"], call["ended"] - call["began"]
            print(f"{began * 1000:8.0f}{took * 1000:7.0f}  {call['service']}:{call['operation']}")


def _runs(results: Results) -> int:
    return len(next(iter(results.values())))


def _median_stage(measured: Sequence[Measured]) -> float:
    return statistics.median(m.stage for m in measured)


def _round_trips(measured: Sequence[Measured], milliseconds: float) -> float:
    return _median_stage(measured) * 1000 / milliseconds


def _spread(seconds: Sequence[float]) -> str:
    return f"{min(seconds):6.2f} /{statistics.median(seconds):6.2f} /{max(seconds):6.2f}"


def _holds(true: bool) -> str:
    return "holds" if true else "DOES NOT HOLD"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--milliseconds", type=float, nargs="+", default=[0, 50])
    parser.add_argument("--trace", action="store_true")
    parser.add_argument("--set-up", type=Path, metavar="CONFIG", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.set_up:
        set_up(options.set_up)
        return 0
    for milliseconds in options.milliseconds:
        results = bench(milliseconds, options.runs)
        print_table(milliseconds, results)
        print_verdict(milliseconds, results)
        if options.trace:
            print_trace(results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
