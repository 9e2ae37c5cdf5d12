"""A function of the user's own for rows, over a CSV of any size, in parts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..config.model import JobConfig
from ..inputs.columns import Columns
from .base import ResultFormat
from .parts import PartsJob


class MapRows(PartsJob):
    """The user's `transform(rows)`, which adds columns to each row."""

    name = "map_rows"
    keys = PartsJob.keys | {"transform", "columns"}
    results = ResultFormat(re.compile(r"/results_\d+\.csv$"), status_column="", valid="")
    welcome = """This workflow will guide you through setting up and executing an Amazon SageMaker
pipeline. The pipeline uses AWS Lambda functions and Amazon SQS queues, and runs a function
of your own over the rows of an input file."""

    def columns(self, job: JobConfig) -> Columns | None:
        return None

    def settings(self, job: JobConfig) -> Mapping[str, Any]:
        return {"Transform": job.transform, "Columns": list(job.columns)}
