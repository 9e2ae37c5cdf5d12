"""`graph`: the steps of the pipeline and what each waits for."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .. import options

if TYPE_CHECKING:
    from ...stages.session import Session

POSITION = 15
HELP = "show the steps of the pipeline, what each waits for, and why"
DETAILS = """It reads the template only, and no call leaves the machine. `--format mermaid` writes a flowchart for
documents in the language of [Mermaid](https://mermaid.js.org), which GitHub, GitLab and many editors draw."""
EXAMPLES = ("graph config/local.yaml", "graph config/local.yaml --format mermaid")
NEEDS = "config"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--format",
        choices=("text", "mermaid"),
        default="text",
        help="mermaid: a flowchart for documents",
    )
    options.add_output(parser)


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Show the graph. Raises TemplateError if the definition is not sound."""
    from ...stages import graph

    graph.show(session, arguments.format)
    return 0
