"""The standard streams themselves: closed before we began, or full when we end.

What is written to them is the reports' business.
"""

from __future__ import annotations

import contextlib
import os
import sys

from ..errors import OutputClosed, OutputFailed


def open_closed_streams() -> None:
    """Where a standard stream is closed (`>&-`), the next file to be opened would get its number."""
    while (opened := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(opened, True)  # the same goes for an emulator of our own
    os.close(opened)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def flushed(*, tell: bool) -> bool:
    """Whether all of standard output got out. What did not is let go, or Python would complain of it at the exit."""
    fine = True
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            fine = fine and stream is not sys.stdout
            if tell and stream is sys.stdout:
                complain(lost_output(error).message)
    return fine


def lost_output(error: OSError) -> OutputClosed:
    """What to raise when standard output cannot be written to."""
    if isinstance(error, BrokenPipeError):
        return OutputClosed("Standard output was closed by its reader.")
    return OutputFailed(f"Cannot write to standard output: {error.strerror}.")


def complain(text: str) -> None:
    """One line on standard error, if that can be written to."""
    with contextlib.suppress(OSError):  # where standard error does not work either, the exit code is all there is
        print(text, file=sys.stderr, flush=True)
