"""`validate`: everything that can be checked without a call."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .. import options

if TYPE_CHECKING:
    from ...stages.session import Session

POSITION = 4
HELP = "check the configuration and the template without calling AWS"
DETAILS = "It also checks the files that the configuration names. No call leaves the machine."
EXAMPLES = ("validate config/local.yaml",)
NEEDS = "files"
SEVERAL = "read"
COLUMNS = ()


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_output(parser)


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Check what needs no call. Raises TemplateError or ConfigError."""
    from ...events import Note, Valid

    _, prepared = session.check()
    for note in prepared.notes:
        session.report.emit(Note(note))
    session.report.emit(Valid(session.config.argument))
    return 0
