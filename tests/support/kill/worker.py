"""Kills commands at kill points, and checks what the next command does.

A worker tries one point after the other. A point leaves a complete deployment or an empty account. The worker checks
that, and the next point starts from there.
"""

from __future__ import annotations

import subprocess
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.kill.account import Inventory
from tests.support.kill.checks import PIPELINE, Baseline, CheckError, read_baseline, require_deployed, require_empty
from tests.support.kill.deployment import DEFAULT_PROVIDER, StandingDeployment
from tests.support.kill.points import KillPoint, points_of

# Seconds that a job takes. A clean-up finds a job of 6 s still running; a job of 600 s ends only if it is stopped.
_QUICK = "1"
_LONG = "6"
_ENDLESS = "600"


@dataclass(frozen=True)
class PointResult:
    """The result of one point. `failure` is empty if all checks passed."""

    point: KillPoint
    reached: bool
    failure: str = ""
    # The killed command had changed nothing, and no command followed it.
    unchanged: bool = False


def passed(results: Sequence[PointResult]) -> bool:
    """Whether no point failed and at least one command was killed. A harness that kills nothing proves nothing."""
    return any(result.reached for result in results) and not any(result.failure for result in results)


class KillWorker:
    """Tries points on emulators of its own: one for each duration of a job."""

    def __init__(self, folder: Path, provider: str = DEFAULT_PROVIDER) -> None:
        self._folder = folder
        self._provider = provider
        self._emulators: dict[str, StandingDeployment] = {}

    def emulator(self, job_seconds: str = _QUICK) -> StandingDeployment:
        if job_seconds not in self._emulators:
            self._emulators[job_seconds] = StandingDeployment(self._folder / job_seconds, job_seconds, self._provider)
        return self._emulators[job_seconds]

    def stop(self) -> None:
        for emulator in self._emulators.values():
            emulator.stop()
        self._emulators.clear()

    def record(self) -> list[KillPoint]:
        """Returns the kill points of a run, of the clean-up after it, and of a clean-up while an execution runs."""
        quick, endless = self.emulator(), self.emulator(_ENDLESS)
        quick.wait_until_ready()
        run = quick.record("run", self._folder / "run.calls")
        cleanup = quick.record("cleanup", self._folder / "cleanup.calls")
        _leave_running(endless)
        stop = endless.record("cleanup", self._folder / "stop.calls")
        more = [moment for moment in stop if moment not in cleanup]
        return [*points_of("run", run), *points_of("cleanup", cleanup), *points_of("stop", more)]

    def undisturbed(self) -> Inventory:
        """Returns what exists after a run that is not killed."""
        emulator = self.emulator()
        emulator.run()
        return emulator.account.inventory()

    def try_points(
        self, points: Sequence[KillPoint], expected: Inventory, *, skip_unchanged: bool = False
    ) -> Iterator[PointResult]:
        """Try the points in order, each from the state that the last one left, then require an empty account.

        With `skip_unchanged`, no command follows one that was killed before it changed anything.
        """
        for number, point in enumerate(points, 1):
            result = self._try(point, expected, skip_unchanged)
            if number == len(points) and not result.failure:
                result = self._require_clean_end(result)
            yield result

    def _try(self, point: KillPoint, expected: Inventory, skip_unchanged: bool) -> PointResult:
        """Kill the command, run the next one, and check. After a failure the emulators are replaced."""
        reached = False
        try:
            emulator = self.emulator(_job_seconds(point))
            if point.scenario != "cleanup":
                emulator.wait_until_ready()
            elif not emulator.deployed:
                emulator.run()
            baseline = read_baseline(emulator.account)
            reached = _kill(emulator, point)
            if skip_unchanged and _is_unchanged(emulator, baseline, expected):
                return PointResult(point, reached, unchanged=True)
            self._run_next(emulator, point, baseline, expected)
        except (CheckError, subprocess.TimeoutExpired) as error:
            self.stop()
            return PointResult(point, reached, str(error))
        except Exception:  # noqa: BLE001 - an error in one point must not end the others
            self.stop()
            return PointResult(point, reached, traceback.format_exc())
        return PointResult(point, reached)

    def _run_next(
        self, emulator: StandingDeployment, point: KillPoint, baseline: Baseline, expected: Inventory
    ) -> None:
        if (point.scenario == "run") != (point.then == "a"):
            emulator.clean_up()
            require_empty(emulator.account)
            return
        if not emulator.account.has_pipeline(PIPELINE):
            baseline = read_baseline(emulator.account)  # earlier executions were deleted with their pipeline
        emulator.run()
        require_deployed(emulator.account, baseline, expected, has_jobs=self._provider == DEFAULT_PROVIDER)

    def _require_clean_end(self, result: PointResult) -> PointResult:
        try:
            for emulator in self._emulators.values():
                emulator.wait_until_ready()
        except (CheckError, subprocess.TimeoutExpired) as error:
            self.stop()
            return replace(result, failure=str(error))
        return result


def _job_seconds(point: KillPoint) -> str:
    if point.scenario == "stop":
        return _ENDLESS if point.then == "a" else _LONG
    stopped = point.scenario == "run" and point.then == "b" and point.is_during_execution
    return _ENDLESS if stopped else _QUICK


def _kill(emulator: StandingDeployment, point: KillPoint) -> bool:
    if point.scenario == "run":
        return emulator.kill("run", point.moment)
    if point.scenario == "stop":
        _leave_running(emulator)
    return emulator.kill("cleanup", point.moment)


def _is_unchanged(emulator: StandingDeployment, baseline: Baseline, expected: Inventory) -> bool:
    before = expected if emulator.deployed else {}
    return emulator.account.inventory() == before and read_baseline(emulator.account) == baseline


def _leave_running(emulator: StandingDeployment) -> None:
    if not emulator.kill("run", "sagemaker:StartPipelineExecution:1:after"):
        raise CheckError("no execution was started")
