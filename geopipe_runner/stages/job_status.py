"""What a terminal shows about the job while the execution runs. Nothing depends on it."""

from __future__ import annotations

import csv
from pathlib import Path

from ..aws.errors import AWS_ERRORS
from ..aws.poll import TimedOut
from ..context import Context
from ..jobs.registry import job_of
from ..pipeline.execution import ExecutionView, read_within
from ..report.text.messages import count

_READ_WITHIN = 5.0
# Bytes of an input whose rows can be counted without a noticeable delay.
COUNTED = 8_000_000


def job_state(context: Context, view: ExecutionView) -> str:
    """Returns how many rows the job has, and its state. What cannot be read is left out."""
    if not context.options.with_job or not view.outputs:
        return ""
    return "; ".join(filter(None, (_input_size(context), _state(context, view))))


def _state(context: Context, view: ExecutionView) -> str:
    job = job_of(context.config.job)
    if not job.has_job:
        return ""
    try:
        return read_within(_READ_WITHIN, lambda: job.state(context.aws, view.outputs))
    except (TimedOut, *AWS_ERRORS):
        return ""


def _input_size(context: Context) -> str:
    source = context.config.input.source
    if not isinstance(source, Path):
        return ""
    if context.state.input_size is None:
        context.state.input_size = describe(source)
    return context.state.input_size


def describe(file: Path) -> str:
    """Returns `200 rows`, or the size of a larger file; nothing where it can no longer be read."""
    try:
        size = file.stat().st_size
        if size > COUNTED:
            return f"{size / 1e6:,.0f} MB"
        with file.open(newline="", encoding="utf-8-sig", errors="replace") as lines:
            rows = sum(1 for row in csv.reader(lines) if row) - 1  # but the header
    except (OSError, csv.Error):
        return ""
    return count(max(rows, 0), "row")
