"""Where a place of a rendered template stands in the template itself.

Pure. Jinja keeps no positions in its output, but most lines of a template come out as they are, or with the values of
their expressions. A rendered line is that of the one line of the template which it can come from. Where there are
several, such as `},`, the order of the lines decides.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from functools import cached_property

from ..config.document import Position

# Jinja's expressions, statements and comments in one line.
_TAG = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}")
# Lines with fewer characters besides tags and spaces could be any other.
_FEWEST = 4
# The alignment takes time with the product of both numbers of lines. Real ones have some hundred.
_MOST_PAIRS = 9_000_000


class TemplatePositions:
    """Finds positions of the text `rendered` in the template `source`."""

    def __init__(self, source: str, rendered: str) -> None:
        self._source = source.split("\n")
        self._rendered = rendered.split("\n")
        self._plain: dict[str, list[int]] = {}  # lines without tags
        self._tagged: list[int] = []  # those with tags, and enough besides to be recognized
        for number, line in enumerate(self._source):
            rest = _TAG.sub("", line)
            if rest == line:
                self._plain.setdefault(line, []).append(number)
            elif len(rest.strip()) >= _FEWEST:
                self._tagged.append(number)

    def find(self, position: Position) -> Position | None:
        """Returns the place in the template; None where it is not known, as in what a macro writes."""
        rendered, column = self._rendered[position.line - 1], position.column - 1
        columns = dict.fromkeys(self._plain.get(rendered, ()), column)
        for number in self._tagged:
            found = _column(self._source[number], rendered, column)
            if found is not None:
                columns[number] = found
        number = next(iter(columns)) if len(columns) == 1 else self._aligned.get(position.line - 1, -1)
        return Position(number + 1, columns[number] + 1) if number in columns else None

    @cached_property
    def _aligned(self) -> dict[int, int]:
        """Lines of the rendered text that are those of the template, in the same order."""
        if len(self._source) * len(self._rendered) > _MOST_PAIRS:
            return {}
        matcher = SequenceMatcher(None, self._rendered, self._source, autojunk=False)
        lines: dict[int, int] = {}
        for kind, start, end, source_start, source_end in matcher.get_opcodes():
            if kind == "equal" or (kind == "replace" and end - start == source_end - source_start):
                lines.update(zip(range(start, end), range(source_start, source_end), strict=True))
        return lines


def _column(source: str, rendered: str, column: int) -> int | None:
    """Returns where a character of a rendered line comes from; None if the line does not come from `source`.

    A character of an expression's value comes from the beginning of the expression.
    """
    end, place, tag_start = 0, 0, 0  # of the last part in the source, and in the rendered line
    found = None
    for start, stop in [*(tag.span() for tag in _TAG.finditer(source)), (len(source), len(source))]:
        part, is_last = source[end:start], start == len(source)
        at = len(rendered) - len(part) if is_last and end else rendered.find(part, place)
        if at < place or not rendered.startswith(part, at) or (not end and at > 0):
            return None
        if is_last and at + len(part) != len(rendered):
            return None
        if found is None and column < at:
            found = tag_start
        elif found is None and column < at + len(part) + is_last:
            found = end + column - at
        end, place, tag_start = stop, at + len(part), start
    return found
