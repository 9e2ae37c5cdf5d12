"""Boxes in rows and columns, with arrows between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .graphviz import edge

_COLUMN, _ROW, _GAP = 290, 108, 42
"""Distances in points; the gap is between the machine's row and the rest."""
_ABOVE, _BELOW = 62, 46
"""From the middle of a row to the edges of its ground."""


@dataclass(frozen=True)
class Arrow:
    """From one box to another, with what it means in the middle; `attributes` are graphviz's."""

    tail: str
    head: str
    label: str = ""
    attributes: str = ""
    both_ways: bool = False


@dataclass(frozen=True)
class Sheet:
    """Boxes in rows and columns."""

    rows: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, grid: tuple[tuple[str, ...], ...], boxes: Iterable[str]) -> Sheet:
        """The `grid`, and a row for those `boxes` that it does not know."""
        known = {key for row in grid for key in row}
        unknown = tuple(key for key in boxes if key not in known)
        return cls((*grid, unknown) if unknown else grid)

    def places(self) -> Iterator[str]:
        """Every box where it belongs."""
        return (f'"{key}" [{_pos(*self._place(key))}]' for row in self.rows for key in row)

    def grounds(self) -> Iterator[str]:
        """What the boxes stand on: the user's machine, and everything else."""
        yield from self._ground("Your machine, or CI", 0, 0)
        yield from self._ground("AWS, or the emulator", 1, len(self.rows) - 1)

    def arrow(self, arrow: Arrow) -> Iterator[str]:
        """A line; one with a label runs into it and out of it again."""
        if not arrow.label:
            yield edge(arrow.tail, arrow.head, attributes=arrow.attributes)
            return
        middle = f"{arrow.tail} to {arrow.head}"
        (x1, y1), (x2, y2) = self._place(arrow.tail), self._place(arrow.head)
        text = "\\n".join(arrow.label.splitlines())
        yield f'"{middle}" [label="{text}", fontsize=11, margin="0.04,0.03", {_pos((x1 + x2) / 2, (y1 + y2) / 2)}]'
        back = "dir=back" if arrow.both_ways else "dir=none"
        yield edge(arrow.tail, middle, attributes=", ".join(filter(None, (back, arrow.attributes))))
        yield edge(middle, arrow.head, attributes=arrow.attributes)

    def _place(self, key: str) -> tuple[float, float]:
        found = [(column, row) for row, keys in enumerate(self.rows) for column, name in enumerate(keys) if name == key]
        ((column, row),) = found
        return column * _COLUMN, _depth(row)

    def _ground(self, title: str, first: int, last: int) -> Iterator[str]:
        top, bottom = _depth(first) - _ABOVE, _depth(last) + _BELOW
        size = f"width={2.94 * _COLUMN / 72:.2f}, height={(bottom - top) / 72:.2f}"
        colors = 'style="rounded,filled", color="#d1d5db", fillcolor="#f9fafb"'
        yield f'"{title}" [shape=box, label="", {colors}, {size}, {_pos(_COLUMN, (top + bottom) / 2)}]'
        corner = f"shape=plaintext, width=3, fontsize=13, {_pos(-0.06 * _COLUMN, top + 14)}"
        yield f'"{title}: title" [label="{title}\\l", {corner}]'


def _pos(x: float, y: float) -> str:
    return f'pos="{x:g},{-y:g}!"'


def _depth(row: int) -> int:
    return row * _ROW + (_GAP if row else 0)
