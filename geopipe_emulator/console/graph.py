"""Places the steps of a pipeline for an SVG drawing: from top to bottom, each step below all that it waits for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

BOX = (196, 44)
_GAPS = (14, 30)
_EDGE = 4


@dataclass(frozen=True)
class Placed:
    """Where a step's box begins, in pixels."""

    name: str
    x: int
    y: int


@dataclass(frozen=True)
class Layout:
    """The boxes, and the lines between them as SVG paths."""

    width: int
    height: int
    boxes: tuple[Placed, ...]
    lines: tuple[str, ...]


def lay_out(dependencies: Mapping[str, Sequence[str]]) -> Layout:
    """Return the drawing for steps and what each one waits for. Every name is a key, and there is no cycle."""
    ancestors: dict[str, set[str]] = {}
    level: dict[str, int] = {}

    def visit(name: str) -> None:
        if name not in level:
            for parent in dependencies[name]:
                visit(parent)
            ancestors[name] = set(dependencies[name]).union(*(ancestors[parent] for parent in dependencies[name]))
            level[name] = 1 + max((level[parent] for parent in dependencies[name]), default=-1)

    for name in dependencies:
        visit(name)
    rows: list[list[str]] = [[] for _ in range(1 + max(level.values(), default=-1))]
    for name in dependencies:
        rows[level[name]].append(name)

    width = max((len(row) * (BOX[0] + _GAPS[0]) - _GAPS[0] for row in rows), default=0)
    left: dict[str, float] = {}
    for row in rows:
        # Below its parents, a step's line crosses few others.
        def middle(name: str) -> float:
            parents = dependencies[name]
            return sum(left[parent] for parent in parents) / len(parents) if parents else 0.0

        row.sort(key=middle)
        start = (width - len(row) * (BOX[0] + _GAPS[0]) + _GAPS[0]) / 2
        left.update({name: start + place * (BOX[0] + _GAPS[0]) for place, name in enumerate(row)})

    down = BOX[1] + _GAPS[1]
    boxes = {name: Placed(name, round(x) + _EDGE, level[name] * down + _EDGE) for name, x in left.items()}
    lines = tuple(
        _line(boxes[parent], boxes[name])
        for name, parents in dependencies.items()
        for parent in parents
        # A longer way says the same.
        if not any(parent in ancestors[other] for other in parents)
    )
    height = max(len(rows) * down - _GAPS[1], 0)
    return Layout(width + 2 * _EDGE, height + 2 * _EDGE, tuple(boxes.values()), lines)


def _line(upper: Placed, lower: Placed) -> str:
    x1, y1, x2, y2 = upper.x + BOX[0] // 2, upper.y + BOX[1], lower.x + BOX[0] // 2, lower.y - 6
    return f"M{x1} {y1}C{x1} {y2} {x2} {y1} {x2} {y2}"
