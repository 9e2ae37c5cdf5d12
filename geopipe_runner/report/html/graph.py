"""The pipeline as a drawing: steps in layers by what they depend on, as positions for an SVG template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .course import StepRow

_WIDE, _HIGH = 224, 60
_BESIDE, _BETWEEN = 24, 48
_MARGIN = 6
_LONGEST_NAME = 20


@dataclass(frozen=True)
class Box:
    """A step at its place, in pixels."""

    x: int
    y: int
    step: StepRow
    name: str
    """Cut short where it is too long for the box."""


@dataclass(frozen=True)
class Drawing:
    """Boxes and the paths between them, in pixels; `way` is across or down."""

    way: str
    width: int
    height: int
    boxes: tuple[Box, ...]
    paths: tuple[str, ...]
    box_width: int = _WIDE
    box_height: int = _HIGH


def drawings(definition: Sequence[Mapping[str, Any]], rows: Sequence[StepRow]) -> tuple[Drawing, ...]:
    """The pipeline from left to right, and from top to bottom for narrow screens; nothing for no steps."""
    if not rows:
        return ()
    arrows = _arrows(definition, {row.name for row in rows})
    layers = _layers(rows, arrows)
    return tuple(_draw(way, layers, arrows) for way in ("across", "down"))


Arrows = Mapping[str, frozenset[str]]


def _arrows(definition: Sequence[Mapping[str, Any]], known: set[str]) -> Arrows:
    """By step, those directly before it; what a longer way already says is left out."""
    before = {step["name"]: frozenset(step["depends_on"]) & known - {step["name"]} for step in definition}
    return {name: frozenset(one for one in ones if not _implied(one, ones, before)) for name, ones in before.items()}


def _implied(one: str, ones: frozenset[str], before: Arrows) -> bool:
    return any(one in _all_before(other, before) for other in ones if other != one)


def _all_before(name: str, before: Arrows) -> set[str]:
    found: set[str] = set()
    ahead = [name]
    while ahead:
        new = before.get(ahead.pop(), frozenset()) - found
        found |= new
        ahead += new
    return found


def _layers(rows: Sequence[StepRow], arrows: Arrows) -> list[list[StepRow]]:
    """Each step in the layer after the last of those it depends on."""
    depth = {row.name: 0 for row in rows}
    for _ in rows:  # as many rounds as the longest way can have steps
        for name, ones in arrows.items():
            depth[name] = max((depth[one] + 1 for one in ones), default=0)
    layers: list[list[StepRow]] = [[] for _ in range(max(depth.values()) + 1)]
    for row in rows:
        layers[depth[row.name]].append(row)
    return [layer for layer in layers if layer]


def _draw(way: str, layers: list[list[StepRow]], arrows: Arrows) -> Drawing:
    across = way == "across"
    along, aside = (_WIDE, _HIGH) if across else (_HIGH, _WIDE)
    widest = max(len(layer) for layer in layers)
    whole = widest * aside + (widest - 1) * _BESIDE
    boxes: dict[str, Box] = {}
    for depth, layer in enumerate(layers):
        inset = (whole - len(layer) * aside - (len(layer) - 1) * _BESIDE) // 2
        for number, row in enumerate(layer):
            place = depth * (along + _BETWEEN) + _MARGIN, inset + number * (aside + _BESIDE) + _MARGIN
            boxes[row.name] = Box(*(place if across else place[::-1]), row, _short(row.name))
    paths = tuple(_path(boxes[one], boxes[name], across) for name, ones in arrows.items() for one in sorted(ones))
    length = len(layers) * along + (len(layers) - 1) * _BETWEEN
    size = (length, whole) if across else (whole, length)
    return Drawing(way, size[0] + 2 * _MARGIN, size[1] + 2 * _MARGIN, tuple(boxes.values()), paths)


def _path(start: Box, end: Box, across: bool) -> str:
    """A curve that leaves and arrives along the drawing's way; the arrow's head takes the last pixels."""
    if across:
        x1, y1, x2, y2 = start.x + _WIDE, start.y + _HIGH // 2, end.x - 7, end.y + _HIGH // 2
        middle = (x1 + x2) // 2
        return f"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}"
    x1, y1, x2, y2 = start.x + _WIDE // 2, start.y + _HIGH, end.x + _WIDE // 2, end.y - 7
    middle = (y1 + y2) // 2
    return f"M{x1} {y1}C{x1} {middle} {x2} {middle} {x2} {y2}"


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"
