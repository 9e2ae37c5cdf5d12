"""What the emulator says on standard error."""

from __future__ import annotations

import contextlib
import sys

# A command that starts an emulator for itself shows the same facts in its own way.
_shows_notes = True


def hide_notes() -> None:
    """Write no more notes."""
    global _shows_notes
    _shows_notes = False


def note(message: str) -> None:
    """Write what is good to know and no problem, such as a difference from AWS."""
    if _shows_notes:
        warn(message)


def warn(message: str) -> None:
    """Write a message to standard error in one piece, so that the lines of two threads never mix.

    `print` writes the text and the end of the line separately. A closed standard error is no error.
    """
    with contextlib.suppress(OSError):
        sys.stderr.write(f"geopipe emulator: {message}\n")
        sys.stderr.flush()
