"""What someone at a terminal sees of the job while the execution goes on; nothing depends on it."""

from __future__ import annotations

import csv
from pathlib import Path

from ..aws.failures import AWS_ERRORS
from ..jobs import JOBS
from ..pipeline.execution import ExecutionView
from ..report.wording import count
from .work import Work

COUNTED = 8_000_000
"""Bytes of an input whose rows are counted in no time."""


def job_state(work: Work, view: ExecutionView) -> str:
    """How many rows the job has, and its state; an execution is followed also where the job may not be looked at."""
    if not work.options.with_job or not view.outputs:
        return ""
    return "; ".join(filter(None, (_input_size(work), _state(work, view))))


def _state(work: Work, view: ExecutionView) -> str:
    if work.config.job.custom:
        return ""
    try:
        return JOBS[work.config.job.kind].state(work.aws, view.outputs)
    except AWS_ERRORS:
        return ""


def _input_size(work: Work) -> str:
    source = work.config.input.source
    if not isinstance(source, Path):
        return ""
    if work.state.input_size is None:
        work.state.input_size = describe(source)
    return work.state.input_size


def describe(file: Path) -> str:
    """`200 rows`, or the size of a larger file; nothing where it cannot be read any more."""
    try:
        size = file.stat().st_size
        if size > COUNTED:
            return f"{size / 1e6:,.0f} MB"
        with file.open(newline="", encoding="utf-8-sig", errors="replace") as lines:
            rows = sum(1 for row in csv.reader(lines) if row) - 1  # but the header
    except (OSError, csv.Error):
        return ""
    return count(max(rows, 0), "row")
