"""`init`: the files of a new pipeline, ready to run offline."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .. import options

if TYPE_CHECKING:
    from ...events import Report

POSITION = 14
HELP = "write the files of a pipeline that runs offline: a new one, or what an existing definition needs"
DETAILS = """It never changes a file that exists. [Start a pipeline](../how-to/start-a-pipeline.md) shows the next
steps."""
EXAMPLES = ("init", "init --folder totals --name order-totals", "init --from resources/GeoSpatialPipeline.json")
NEEDS = "nothing"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--folder", type=Path, default=Path(), metavar="DIR", help="where to write them (default: this folder)"
    )
    parser.add_argument("--name", help="the name of the deployment (default: that of the folder or the pipeline)")
    parser.add_argument(
        "--from",
        dest="definition",
        type=Path,
        metavar="FILE",
        help="a pipeline definition (JSON), or what `aws sagemaker describe-pipeline` prints: write what it needs to "
        "run offline, with stand-ins for its functions, its queues and the steps that only AWS can run",
    )
    options.add_output(parser)


def run(report: Report, arguments: argparse.Namespace) -> int:
    """Write the files, and say what to do with them. Raises UsageError if one exists, or AwsError."""
    from ... import starter
    from ...events import Note
    from ..parser import program_name

    if arguments.definition:
        files, change = starter.files_for_definition(arguments.definition, arguments.name), "functions/, config.yaml"
    else:
        files = starter.example_files(arguments.folder, arguments.name)
        change = "code/job.py, then pipeline.json.j2"
    for path in starter.write_files(arguments.folder, files):
        report.emit(Note(f"wrote {path}"))
    for line in starter.next_steps(arguments.folder, change, program_name()):
        report.emit(Note(line))
    return 0
