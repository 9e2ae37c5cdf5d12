"""`config`: every value that applies, and where it comes from."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .. import options

if TYPE_CHECKING:
    from ...stages.session import Session

POSITION = 16
HELP = "show every value of the configuration that applies, and where it comes from"
DETAILS = "Values come from the command line (`--set`), from the file, from the files that it extends, or are defaults."
EXAMPLES = ("config config/local.yaml", "config config/local.yaml --set job.provider=gazetteer")
NEEDS = "config"


def add_options(parser: argparse.ArgumentParser) -> None:
    options.add_output(parser)


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Show the values by their keys, in the order of the reference."""
    from ...config.origins import values_with_origins
    from ...events import ConfigShown

    session.report.emit(ConfigShown(tuple(values_with_origins(session.config.document))))
    return 0
