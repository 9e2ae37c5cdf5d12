"""Kill points: which command is killed at which moment, and which command comes next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import zip_longest

# What is killed: a run, the clean-up after one, the clean-up while an execution runs.
SCENARIOS = ("run", "cleanup", "stop")

AFTERWARDS = {"a": "the same command again", "b": "the other command"}

_ROW = 8


@dataclass(frozen=True)
class KillPoint:
    """A moment of a command, and the command that follows.

    `moment` is `service:operation:occurrence:before|after`; `then` is a key of AFTERWARDS.
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
    def is_during_execution(self) -> bool:
        """Whether an execution may be running at that moment of a run."""
        return "sagemaker:DescribePipelineExecution:" in self.moment or self.moment.endswith(
            "StartPipelineExecution:1:after"
        )


def parse(text: str) -> KillPoint:
    """Returns the point with this text. Raises ValueError for any other text."""
    scenario, *moment, then = text.split(":")
    if scenario not in SCENARIOS or then not in AFTERWARDS or len(moment) != 4:
        raise ValueError(f"{text!r}: must be like run:sqs:CreateQueue:1:after:a")
    return KillPoint(scenario, ":".join(moment), then)


def points_of(scenario: str, moments: Iterable[str]) -> list[KillPoint]:
    """Returns every recorded moment with each command that may follow."""
    return [KillPoint(scenario, moment, then) for moment in moments for then in AFTERWARDS]


def in_batches(points: Iterable[KillPoint]) -> list[list[KillPoint]]:
    """Returns batches in which a point that needs a deployment follows one that leaves a deployment."""
    kinds: dict[tuple[str, str], list[KillPoint]] = {}
    for point in points:
        kinds.setdefault((point.scenario, point.then), []).append(point)
    leaving, needing = kinds.pop(("run", "a"), []), kinds.pop(("cleanup", "a"), [])
    pairs = [[one for one in pair if one] for pair in zip_longest(leaving, needing)]
    rows = list(batched(kinds.pop(("cleanup", "b"), []), _ROW))
    return [*pairs, *rows, *([point] for rest in kinds.values() for point in rest)]


def batched(points: list[KillPoint], size: int) -> Iterator[list[KillPoint]]:
    return (points[start : start + size] for start in range(0, len(points), size))
