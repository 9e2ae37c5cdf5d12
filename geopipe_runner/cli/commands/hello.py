"""`hello`: the specification's Hello service, at the configured endpoint."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...stages.session import Session

POSITION = 13
HELP = "Hello SageMaker: list up to five notebook instances"
DETAILS = "It shows that the credentials work."
EXAMPLES = ("hello config/us-west-2.yaml",)
NEEDS = "config"


def add_options(parser: argparse.ArgumentParser) -> None:
    """It has none of its own."""


def run(session: Session, arguments: argparse.Namespace) -> int:
    """List up to five notebook instances."""
    from ...hello import hello_sagemaker
    from ...report.text.stdio import lost_output

    with session.connect() as context:
        client = context.aws.client("sagemaker")
        try:
            hello_sagemaker(client)
        except OSError as error:  # it prints, as an example for readers does
            raise lost_output(error) from None
    return 0
