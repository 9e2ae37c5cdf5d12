"""The place where commands are killed: standing emulators, a configuration for each, and what must hold afterwards.

A world is used for one point after the other. What a point leaves, a whole deployment or nothing, is checked to be
just what the next one may start from.
"""

from __future__ import annotations

import subprocess
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from account import Inventory
from checks import PIPELINE, CheckError, Past, past_of, require_deployed, require_empty
from crash_emulator import Emulator
from points import Point, points_of

_QUICK = "1"
_UNHURRIED = "6"
_ENDLESS = "600"
"""Seconds a job takes: enough for a clean-up to find it running; more than a job that nobody stops can hide for."""


@dataclass(frozen=True)
class Verdict:
    """What became of one point: `failure` is empty when all held."""

    point: Point
    reached: bool
    failure: str = ""
    unchanged: bool = False
    """Nothing had been changed yet, and so nothing was gone on from."""


def passed(verdicts: Sequence[Verdict]) -> bool:
    """Whether all held, and something was killed at all: a harness that kills nothing has shown nothing."""
    return any(verdict.reached for verdict in verdicts) and not any(verdict.failure for verdict in verdicts)


class World:
    """Emulators for one worker: with jobs that end, and, once it is needed, with jobs that do not."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._emulators: dict[str, Emulator] = {}

    def emulator(self, job_seconds: str = _QUICK) -> Emulator:
        if job_seconds not in self._emulators:
            self._emulators[job_seconds] = Emulator(self._folder / job_seconds, job_seconds)
        return self._emulators[job_seconds]

    def stop(self) -> None:
        for emulator in self._emulators.values():
            emulator.stop()
        self._emulators.clear()

    def record(self) -> list[Point]:
        """The kill points of a whole run, of the clean-up after it, and of one while an execution runs."""
        quick, endless = self.emulator(), self.emulator(_ENDLESS)
        quick.settle()
        run = quick.record("run", self._folder / "run.calls")
        cleanup = quick.record("cleanup", self._folder / "cleanup.calls")
        _leave_running(endless)
        stop = endless.record("cleanup", self._folder / "stop.calls")
        more = [moment for moment in stop if moment not in cleanup]
        return [*points_of("run", run), *points_of("cleanup", cleanup), *points_of("stop", more)]

    def undisturbed(self) -> Inventory:
        """What is there after a run that nobody disturbs."""
        emulator = self.emulator()
        emulator.run()
        return emulator.account.inventory()

    def try_points(
        self, points: Sequence[Point], expected: Inventory, *, skip_unchanged: bool = False
    ) -> Iterator[Verdict]:
        """One after the other, each from what the one before left; in the end nothing may be left.

        With `skip_unchanged` nothing follows a command that died before it changed anything.
        """
        for number, point in enumerate(points, 1):
            verdict = self._try(point, expected, skip_unchanged)
            if number == len(points) and not verdict.failure:
                verdict = self._settled(verdict)
            yield verdict

    def _try(self, point: Point, expected: Inventory, skip_unchanged: bool) -> Verdict:
        """Kill there, go on, and look. What is left of a failure goes with its emulators."""
        reached = False
        try:
            emulator = self.emulator(_job_seconds(point))
            if point.scenario != "cleanup":
                emulator.settle()
            elif not emulator.deployed:
                emulator.run()
            past = past_of(emulator.account)
            reached = _kill(emulator, point)
            if skip_unchanged and _is_unchanged(emulator, past, expected):
                return Verdict(point, reached, unchanged=True)
            _go_on(emulator, point, past, expected)
        except (CheckError, subprocess.TimeoutExpired) as error:
            self.stop()
            return Verdict(point, reached, str(error))
        except Exception:  # noqa: BLE001 - a look that failed is a failure to be told, and no reason to leave the rest
            self.stop()
            return Verdict(point, reached, traceback.format_exc())
        return Verdict(point, reached)

    def _settled(self, verdict: Verdict) -> Verdict:
        try:
            for emulator in self._emulators.values():
                emulator.settle()
        except (CheckError, subprocess.TimeoutExpired) as error:
            self.stop()
            return replace(verdict, failure=str(error))
        return verdict


def _job_seconds(point: Point) -> str:
    if point.scenario == "stop":
        return _ENDLESS if point.then == "a" else _UNHURRIED
    stopped = point.scenario == "run" and point.then == "b" and point.while_it_executes
    return _ENDLESS if stopped else _QUICK


def _kill(emulator: Emulator, point: Point) -> bool:
    if point.scenario == "run":
        return emulator.kill("run", point.moment)
    if point.scenario == "stop":
        _leave_running(emulator)
    return emulator.kill("cleanup", point.moment)


def _go_on(emulator: Emulator, point: Point, past: Past, expected: Inventory) -> None:
    if (point.scenario == "run") != (point.then == "a"):
        emulator.clean_up()
        require_empty(emulator.account)
        return
    if not emulator.account.has_pipeline(PIPELINE):
        past = past_of(emulator.account)  # what ran before went with its pipeline
    emulator.run()
    require_deployed(emulator.account, past, expected)


def _is_unchanged(emulator: Emulator, past: Past, expected: Inventory) -> bool:
    before = expected if emulator.deployed else {}
    return emulator.account.inventory() == before and past_of(emulator.account) == past


def _leave_running(emulator: Emulator) -> None:
    if not emulator.kill("run", "sagemaker:StartPipelineExecution:1:after"):
        raise CheckError("no execution was started")
