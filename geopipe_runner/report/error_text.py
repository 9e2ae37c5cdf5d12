"""An error as text on standard error: what happened, and what to try."""

from __future__ import annotations

from typing import TextIO

from ..errors import ConfigError, GeopipeError, InterruptedByUser, TemplateError


def show(error: GeopipeError, stream: TextIO) -> None:
    """Print it. What begins with file:line:column stays that way, so that editors and CI find the place."""
    if isinstance(error, InterruptedByUser) and stream.isatty():
        print(file=stream)  # the terminal has just written ^C
    prefix = "" if isinstance(error, ConfigError | TemplateError) else "Error: "
    print(prefix + error.message, file=stream)
    if error.hint:
        print(error.hint, file=stream)
    stream.flush()
