"""The steps inside Condition steps, taken out of them: an execution sees one flat graph, each step knowing its branch.

Pure, and tolerant of malformed entries: what is wrong with a step by itself is said where all steps are looked at.
AWS documents that a Condition cannot stand inside another one, and that both branches cannot hold the same step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .definition import CONDITION, Branch

SIDES: Mapping[str, bool] = {"IfSteps": True, "ElseSteps": False}


@dataclass(frozen=True)
class Placed:
    """A step as written, and where it stands."""

    body: Any
    """A Condition comes without the steps of its branches: their references are their own."""
    branch: Branch | None = None


def flatten_steps(entries: list[Any]) -> list[Placed]:
    """Every step, those of a branch right after their Condition."""
    placed: list[Placed] = []
    for entry in entries:
        placed.append(Placed(_without_sides(entry)))
        for side, outcome in SIDES.items():
            branch = Branch(str(entry.get("Name")), outcome) if _is_condition(entry) else None
            placed += (Placed(_without_sides(inner), branch) for inner in _side(entry, side))
    return placed


def branch_problems(entries: list[Any]) -> Iterator[str]:
    for entry in entries:
        for side in SIDES:
            if not isinstance(_arguments(entry).get(side, []), list):
                yield f"step {entry.get('Name')!r}: Arguments.{side} must be a list of steps"
            for inner in _side(entry, side):
                if _is_condition(inner):
                    yield f"step {inner.get('Name')!r}: a Condition step cannot be nested in another Condition step"


def _without_sides(entry: Any) -> Any:
    if not _is_condition(entry) or "Arguments" not in entry or not isinstance(entry["Arguments"], dict):
        return entry
    return {**entry, "Arguments": {k: v for k, v in entry["Arguments"].items() if k not in SIDES}}


def _side(entry: Any, side: str) -> list[Any]:
    steps = _arguments(entry).get(side)
    return steps if isinstance(steps, list) else []


def _arguments(entry: Any) -> Mapping[str, Any]:
    arguments = entry.get("Arguments") if _is_condition(entry) else None
    return arguments if isinstance(arguments, dict) else {}


def _is_condition(entry: Any) -> bool:
    return isinstance(entry, dict) and entry.get("Type") == CONDITION
