"""Color, where the output is a terminal and the user has not switched it off."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TextIO

_CODES = {"green": "32", "yellow": "33", "red": "31", "bold": "1", "dim": "2"}


@dataclass(frozen=True)
class Colored:
    """Text in a color; with an empty color, plain text."""

    text: str
    color: str


Line = str | tuple[str | Colored, ...]
"""One line of the transcript. It is escaped, and only then colored, where it is printed."""


@dataclass(frozen=True)
class Style:
    """Colors text, or leaves it plain."""

    enabled: bool

    def apply(self, text: str, color: str) -> str:
        """Returns `text` in `color`."""
        return f"\033[{_CODES[color]}m{text}\033[0m" if self.enabled and color else text


def is_terminal(stream: TextIO) -> bool:
    """Returns whether a person watches `stream`: a terminal that can do more than print."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def style_for(stream: TextIO) -> Style:
    """Returns the style for `stream`; NO_COLOR (no-color.org) switches colors off."""
    return Style(is_terminal(stream) and not os.environ.get("NO_COLOR"))
