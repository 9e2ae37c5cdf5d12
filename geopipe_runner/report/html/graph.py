"""The pipeline as a drawing: steps in layers by what they depend on, as positions for an SVG template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .timeline import StepRow

_WIDE, _HIGH = 224, 60
_SPACING, _BETWEEN = 24, 48
_MARGIN = 6
_LONGEST_NAME = 20


@dataclass(frozen=True)
class Box:
    """A step at its place, in pixels."""

    x: int
    y: int
    step: StepRow
    name: str
    """The step's name, cut short where it is too long for the box."""


@dataclass(frozen=True)
class Drawing:
    """Boxes and the paths between them, in pixels; `direction` is across or down."""

    direction: str
    width: int
    height: int
    boxes: tuple[Box, ...]
    paths: tuple[str, ...]
    box_width: int = _WIDE
    box_height: int = _HIGH


def drawings(definition: Sequence[Mapping[str, Any]], rows: Sequence[StepRow]) -> tuple[Drawing, ...]:
    """Returns the pipeline from left to right, and from top to bottom for narrow screens; nothing without steps."""
    if not rows:
        return ()
    arrows = _arrows(definition, {row.name for row in rows})
    layers = _layers(rows, arrows)
    return tuple(_draw(direction, layers, arrows) for direction in ("across", "down"))


Arrows = Mapping[str, frozenset[str]]


def _arrows(definition: Sequence[Mapping[str, Any]], known: set[str]) -> Arrows:
    """Returns, by step, the steps directly before it. An arrow that a longer path already implies is left out."""
    before = {step["name"]: frozenset(step["depends_on"]) & known - {step["name"]} for step in definition}

    def is_implied(parent: str, parents: frozenset[str]) -> bool:
        return any(parent in _ancestors(other, before) for other in parents if other != parent)

    return {
        name: frozenset(parent for parent in parents if not is_implied(parent, parents))
        for name, parents in before.items()
    }


def _ancestors(name: str, before: Arrows) -> set[str]:
    ancestors: set[str] = set()
    ahead = [name]
    while ahead:
        new = before.get(ahead.pop(), frozenset()) - ancestors
        ancestors |= new
        ahead += new
    return ancestors


def _layers(rows: Sequence[StepRow], arrows: Arrows) -> list[list[StepRow]]:
    """Returns the steps in layers, each in the layer after the last step it depends on."""
    depth = {row.name: 0 for row in rows}
    for _ in rows:  # as many rounds as the longest path can have steps
        for name, parents in arrows.items():
            depth[name] = max((depth[parent] + 1 for parent in parents), default=0)
    layers: list[list[StepRow]] = [[] for _ in range(max(depth.values()) + 1)]
    for row in rows:
        layers[depth[row.name]].append(row)
    return [layer for layer in layers if layer]


def _draw(direction: str, layers: list[list[StepRow]], arrows: Arrows) -> Drawing:
    across = direction == "across"
    along, aside = (_WIDE, _HIGH) if across else (_HIGH, _WIDE)
    widest = max(len(layer) for layer in layers)
    whole = widest * aside + (widest - 1) * _SPACING
    boxes: dict[str, Box] = {}
    for depth, layer in enumerate(layers):
        inset = (whole - len(layer) * aside - (len(layer) - 1) * _SPACING) // 2
        for number, row in enumerate(layer):
            place = depth * (along + _BETWEEN) + _MARGIN, inset + number * (aside + _SPACING) + _MARGIN
            short = row.name if len(row.name) <= _LONGEST_NAME else row.name[: _LONGEST_NAME - 1] + "…"
            boxes[row.name] = Box(*(place if across else place[::-1]), row, short)
    paths = tuple(
        _path(boxes[parent], boxes[name], across) for name, parents in arrows.items() for parent in sorted(parents)
    )
    length = len(layers) * along + (len(layers) - 1) * _BETWEEN
    size = (length, whole) if across else (whole, length)
    return Drawing(direction, size[0] + 2 * _MARGIN, size[1] + 2 * _MARGIN, tuple(boxes.values()), paths)


def _path(start: Box, end: Box, across: bool) -> str:
    """Returns a curve that leaves and arrives along the drawing's direction; the last pixels are the arrow's head."""
    if across:
        x1, y1, x2, y2 = start.x + _WIDE, start.y + _HIGH // 2, end.x - 7, end.y + _HIGH // 2
        middle = (x1 + x2) // 2
        return f"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}"
    x1, y1, x2, y2 = start.x + _WIDE // 2, start.y + _HIGH, end.x + _WIDE // 2, end.y - 7
    middle = (y1 + y2) // 2
    return f"M{x1} {y1}C{x1} {middle} {x2} {middle} {x2} {y2}"
