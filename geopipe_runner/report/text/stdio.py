"""The standard streams themselves: closed when the command starts, or full when it ends.

The reports decide what is written to them.
"""

from __future__ import annotations

import contextlib
import os
import sys

from ...errors import OutputClosed, OutputFailed
from ..escape import printable_lines


def open_closed_streams() -> None:
    """Open standard streams that are closed (`>&-`): the next file to be opened would get their numbers."""
    while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(opened, True)  # an embedded emulator has the same problem
    os.close(opened)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def flush_output() -> OutputClosed | None:
    """Write what is left in the standard streams. What cannot be written is dropped: Python would complain at the exit.

    Returns the error of standard output, if there is one.
    """
    lost = None
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if stream is sys.stdout:
                lost = lost_output(error)
    return lost


def lost_output(error: OSError) -> OutputClosed:
    """Returns the error to raise when standard output cannot be written to."""
    if isinstance(error, BrokenPipeError):
        return OutputClosed("Standard output was closed by its reader.")
    return OutputFailed(f"Cannot write to standard output: {error.strerror}.")


def complain(text: str) -> None:
    """Print one line on standard error, if that can be written to."""
    with contextlib.suppress(OSError):  # where standard error does not work either, only the exit code is left
        print(printable_lines(text), file=sys.stderr, flush=True)
