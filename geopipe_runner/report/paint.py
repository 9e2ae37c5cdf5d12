"""Colour, where the output is a terminal and nobody has asked for none."""

from __future__ import annotations

import os
from typing import TextIO

_CODES = {"green": "32", "yellow": "33", "red": "31", "bold": "1", "dim": "2"}


class Paint:
    """Puts text into a colour, or leaves it as it is."""

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled

    def __call__(self, text: str, colour: str) -> str:
        return f"\033[{_CODES[colour]}m{text}\033[0m" if self._enabled and colour else text


def is_terminal(stream: TextIO) -> bool:
    """Whether someone reads along: a terminal that can do more than print."""
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def for_stream(stream: TextIO) -> Paint:
    """Colours for `stream`; NO_COLOR (no-color.org) switches them off."""
    return Paint(is_terminal(stream) and not os.environ.get("NO_COLOR"))
