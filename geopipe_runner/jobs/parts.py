"""Work in parts: the function cuts the input into parts, and workers process them from a queue of their own.

What is common to all jobs of this kind. A provider is a module next to this one: its name, what it asks of the function
(`settings`), and the rights that it needs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..config.model import Config, JobConfig
from ..deployment import WORKER_HANDLER, Deployment, JobRights
from ..errors import ConfigError, Problem
from ..inputs.amount import measure
from ..inputs.columns import Columns
from ..inputs.prepare import PreparedInput, prepare
from .base import Estimate, JobKind, ResultFormat, input_location, policy_problems

if TYPE_CHECKING:
    from ..aws.clients import Aws

_UNCOUNTED = "The input is in S3, so its rows are not counted before the run."
_LONGEST_FUNCTION_NAME = 64
_LONGEST_QUEUE_NAME = 80
_LARGEST_ENVIRONMENT = 4096
_WORKER_MODULE = f"{WORKER_HANDLER.partition('.')[0]}.py"
MEGABYTE = 1024 * 1024


class PartsJob(JobKind):
    """A job whose rows are processed by the function, in parts."""

    results = ResultFormat(
        re.compile(r"/results_\d+\.csv$"),
        "reverse_geo.status",
        "Valid Data",
        text_columns=frozenset({"reverse_geo.postal_code"}),
    )

    keys = frozenset({"workers", "worker_timeout", "worker_memory", "part_size_mb"})
    has_job = True
    rights = JobRights(in_parts=True)
    permissions = ("s3:GetObject", "s3:ListBucket")

    def columns(self, job: JobConfig) -> Columns | None:
        """Returns the columns that the input must have; None where only the function knows. Pure."""
        return Columns(job.longitude_column, job.latitude_column)

    def settings(self, job: JobConfig) -> Mapping[str, Any]:
        """Returns what this provider asks of the function, besides the columns and the size of a part. Pure."""
        return {}

    def parameters(self, deployment: Deployment, run_id: str) -> Mapping[str, str]:
        config = deployment.config
        columns = self.columns(config.job)
        settings: dict[str, Any] = {
            "Provider": self.provider or self.name,
            "PartBytes": config.job.part_size_mb * MEGABYTE,
        }
        if columns:
            settings |= {"LongitudeColumn": columns.longitude, "LatitudeColumn": columns.latitude}
        settings |= self.settings(config.job)
        return {
            "parameter_execution_role": deployment.sagemaker_role_arn,
            "parameter_region": config.region,
            "parameter_queue_url": deployment.queue_url,
            "parameter_parts_input_uri": input_location(deployment).uri,
            "parameter_parts_output_uri": f"s3://{config.bucket.name}/{self.output_prefix(deployment, run_id)}",
            "parameter_parts_config": json.dumps(settings, separators=(",", ":")),
        }

    def estimate(self, config: Config, file: Path | None) -> Estimate:
        if file is None:
            return Estimate((_UNCOUNTED,))
        amount = measure(file)
        parts = max(1, ceil(amount.bytes / (config.job.part_size_mb * MEGABYTE)))
        return Estimate((describe_amount(amount.rows, parts),))

    def state(self, aws: Aws, outputs: Mapping[str, str]) -> str:
        """Returns how many parts are done, from what the function keeps below `parts/` of the run's output."""
        manifest = re.fullmatch(r"s3://([^/]+)/(.+)manifest\.json", outputs.get("parts_manifest", ""))
        if not manifest:
            return "the input is not cut into parts yet"
        bucket, prefix = manifest.groups()
        s3 = aws.client("s3")
        body = s3.get_object(Bucket=bucket, Key=f"{prefix}manifest.json")["Body"].read()
        parts = len(json.loads(body)["parts"])
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}results/")
        done = sum(len(page.get("Contents", ())) for page in pages)
        return f"{done:,} of {_count(parts, 'part')} done"

    def prepare_input(self, deployment: Deployment) -> PreparedInput:
        problems = [*_problems(deployment)]
        if problems:
            raise ConfigError(problems)
        prepared = prepare(deployment.config, self.columns(deployment.config.job), is_csv=True)
        if prepared.source and not prepared.form and (line := measure(prepared.source).open_line):
            what = (
                f"a quotation mark of the row in line {line:,} of {prepared.source.name} is never closed, so the file "
                "cannot be cut into parts"
            )
            raise ConfigError([deployment.config.problem(("input", "source"), what, "close it, or take it out")])
        return prepared


def describe_amount(rows: int, parts: int) -> str:
    """Returns the sentence of a plan about the size of the input."""
    return f"The input has {_count(rows, 'row')}, in {_count(parts, 'part')}."


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _problems(deployment: Deployment) -> Iterator[Problem]:
    """Yields what AWS would refuse of the names and texts that are made for work in parts."""
    config = deployment.config
    if len(config.function.worker_name) > _LONGEST_FUNCTION_NAME:
        what = f"function.name leaves no room for the worker: {config.function.worker_name} is too long"
        valid = f"use at most {_LONGEST_FUNCTION_NAME - len('-worker')} characters"
        yield config.problem(("function", "name"), what, valid)
    if len(config.queue.work_dead_letter_name) > _LONGEST_QUEUE_NAME:
        what = f"queue.name leaves no room for the queues of parts: {config.queue.work_dead_letter_name} is too long"
        valid = f"use at most {_LONGEST_QUEUE_NAME - len('-work-dlq')} characters"
        yield config.problem(("queue", "name"), what, valid)
    if config.queue.dead_letter_name in (config.queue.work_name, config.queue.work_dead_letter_name):
        what = f"queue.dead_letter_name {config.queue.dead_letter_name} is the name of a queue of parts"
        yield config.problem(("queue", "dead_letter_name"), what, "use another name")
    if not any(_holds_worker(source) for source in config.function.source):
        what = f"function.source has no {_WORKER_MODULE}, which works on the parts"
        yield config.problem(("function", "source"), what, "leave function.source out to use geopipe's own function")
    yield from policy_problems(deployment)
    for function in deployment.functions:
        size = sum(len(text.encode()) for entry in function.environment.items() for text in entry)
        if size > _LARGEST_ENVIRONMENT:
            what = f"the environment of function {function.name} has {size:,} bytes"
            valid = f"Lambda allows {_LARGEST_ENVIRONMENT:,}; shorten function.environment"
            yield config.problem(("function", "environment"), what, valid)


def _holds_worker(source: Path) -> bool:
    return (source / _WORKER_MODULE).is_file() or source.name == _WORKER_MODULE
