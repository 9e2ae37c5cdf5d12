"""CacheConfig of a step: whether an earlier run of the same step can stand in for it.

The developer guide says which arguments count for which type. Outputs, instances and roles do not, and neither does
the content of objects in S3. An earlier run counts if it succeeded in the same pipeline within the time of ExpireAfter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from .definition import StepDefinition
from .execution import PipelineExecution, StepRun

_DURATION = re.compile(
    r"P?(?=[\dT])(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?",
    re.IGNORECASE,
)
# Days in a year, a month and a week; seconds in the rest.
_DAYS = (365, 30, 7, 1)
_SECONDS = (3600, 60, 1)


def cache_problems(body: Mapping[str, Any]) -> Iterator[str]:
    config = body.get("CacheConfig")
    if config is None:
        return
    if not isinstance(config, dict) or not isinstance(config.get("Enabled"), bool):
        yield "CacheConfig must be an object with Enabled true or false"
    elif config.get("ExpireAfter") is not None and parse_duration(config["ExpireAfter"]) is None:
        yield f"ExpireAfter must be an ISO 8601 duration such as P30D, not {config['ExpireAfter']!r}"


def parse_duration(text: object) -> timedelta | None:
    """Return an ISO 8601 duration, in which the P may be missing; None for anything else."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return None
    numbers = [int(number or 0) for number in match.groups()]
    days = sum(number * days for number, days in zip(numbers[:4], _DAYS, strict=True))
    seconds = sum(number * seconds for number, seconds in zip(numbers[4:], _SECONDS, strict=True))
    try:
        return timedelta(days=days, seconds=seconds)
    except OverflowError:
        return timedelta.max


def cache_key(step: StepDefinition, body: Mapping[str, Any]) -> str:
    """Return what a run of the step is compared by, from its resolved body; "" if it can never be reused."""
    values = step.type.cache_key(body)
    return "" if values is None else json.dumps([step.type.name, step.name, values], sort_keys=True)


def find_cached(
    step: StepDefinition, key: str, executions: Iterable[PipelineExecution], now: datetime
) -> tuple[PipelineExecution, StepRun] | None:
    """Return the newest run that can stand in for `step`, and its execution; None if the step has to run."""
    config = step.body.get("CacheConfig") or {}
    if not config.get("Enabled") or not key:
        return None
    lifetime = parse_duration(config.get("ExpireAfter"))
    fitting = [
        (execution, run)
        for execution in executions
        for run in execution.runs()
        if run.cache_key == key and run.status == "Succeeded" and not run.cache_source and not run.selected_from
    ]
    recent = [pair for pair in fitting if lifetime is None or pair[1].ended is None or now - pair[1].ended <= lifetime]
    return max(recent, key=lambda pair: pair[1].ended or now, default=None)
