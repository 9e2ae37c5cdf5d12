"""Kill points: which command dies at which moment, and what is tried next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest

SCENARIOS = ("run", "cleanup", "stop")
"""What is killed: a run, the clean-up after one, the clean-up while an execution runs."""

AFTERWARDS = {"a": "the same command again", "b": "the other command"}

_ROW = 8


@dataclass(frozen=True)
class Point:
    """`moment` is `service:operation:occurrence:before|after`; `then` is a key of AFTERWARDS.

    The other command is the clean-up for a killed run, and a run for a killed clean-up.
    """

    scenario: str
    moment: str
    then: str

    def __str__(self) -> str:
        return f"{self.scenario}:{self.moment}:{self.then}"

    @property
    def service(self) -> str:
        return self.moment.split(":")[0]

    @property
    def while_it_executes(self) -> bool:
        """Whether an execution may be going on at that moment of a run."""
        return "sagemaker:DescribePipelineExecution:" in self.moment or self.moment.endswith(
            "StartPipelineExecution:1:after"
        )


def parse(text: str) -> Point:
    """The point that `str` writes so. ValueError for anything else."""
    scenario, *moment, then = text.split(":")
    if scenario not in SCENARIOS or then not in AFTERWARDS or len(moment) != 4:
        raise ValueError(f"{text!r}: must be like run:sqs:CreateQueue:1:after:a")
    return Point(scenario, ":".join(moment), then)


def points_of(scenario: str, moments: Iterable[str]) -> list[Point]:
    """Every recorded moment with everything that may come next."""
    return [Point(scenario, moment, then) for moment in moments for then in AFTERWARDS]


def in_batches(points: Iterable[Point]) -> list[list[Point]]:
    """Batches to be tried one point after the other: where one leaves a deployment the next needs no run first."""
    kinds: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        kinds.setdefault((point.scenario, point.then), []).append(point)
    leaving, needing = kinds.pop(("run", "a"), []), kinds.pop(("cleanup", "a"), [])
    pairs = [[one for one in pair if one] for pair in zip_longest(leaving, needing)]
    rows = list(batched(kinds.pop(("cleanup", "b"), []), _ROW))
    return [*pairs, *rows, *([point] for rest in kinds.values() for point in rest)]


def batched(points: list[Point], size: int) -> Iterator[list[Point]]:
    return (points[start : start + size] for start in range(0, len(points), size))
