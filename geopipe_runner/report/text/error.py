"""An error as text on standard error: what happened, and what to do."""

from __future__ import annotations

from typing import TextIO

from ...errors import ConfigError, GeopipeError, InterruptedByUser, TemplateError
from ..escape import printable_lines


def print_error(error: GeopipeError, stream: TextIO) -> None:
    """Print `error`. A text that begins with file:line:column stays so, which editors and CI systems recognize."""
    if isinstance(error, InterruptedByUser) and stream.isatty():
        print(file=stream)  # the terminal has just written ^C
    prefix = "" if isinstance(error, ConfigError | TemplateError) else "Error: "
    print(printable_lines(prefix + error.message), file=stream)
    if error.hint:
        print(printable_lines(error.hint), file=stream)
    stream.flush()
