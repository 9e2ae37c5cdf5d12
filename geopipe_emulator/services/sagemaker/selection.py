"""SelectiveExecutionConfig of a start: some steps run, and what they need of others comes from an earlier execution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...protocol.errors import ServiceError
from .definition import Definition
from .execution import PipelineExecution, StepRun


@dataclass(frozen=True)
class StepSelection:
    """The names of the steps to run, and the runs of an earlier execution that they depend on."""

    steps: frozenset[str]
    reused: tuple[StepRun, ...]
    config: Mapping[str, Any]


def select(config: Mapping[str, Any], definition: Definition, source: PipelineExecution | None) -> StepSelection:
    """Return what a start with this configuration runs.

    Raises:
        ServiceError: it names unknown steps, the steps are not connected, or `source` lacks what they depend on.
    """
    names = [entry["StepName"] for entry in config["SelectedSteps"]]
    steps = {step.name: step for step in definition.steps}
    if unknown := sorted(set(names) - set(steps)):
        raise _invalid(f"SelectedSteps names unknown steps: {unknown}")
    selected = frozenset(names)
    if between := sorted(_ancestors(selected, steps) & _descendants(selected, steps) - selected):
        raise _invalid(f"The selected steps {names} are not connected: select {between} too")
    needed = sorted({name for step in selected for name in steps[step].dependencies} - selected)
    runs = {run.step.name: run for run in source.runs() if run.status == "Succeeded"} if source else {}
    if missing := [name for name in needed if name not in runs]:
        arn = source.request.arn if source else "null"
        raise _invalid(
            f"Invalid SourcePipelineExecutionArn: {arn}. The selected steps {names} have dependencies on {missing}"
        )
    if source is not None and not source.finished:
        raise _invalid(f"Invalid SourcePipelineExecutionArn: {source.request.arn} is {source.status}")
    origin = source.request.arn if source else ""
    reused = tuple(replace(runs[name], step=steps[name], selected_from=origin, activity=None) for name in needed)
    return StepSelection(selected, reused, config)


def _ancestors(names: frozenset[str], steps: Mapping[str, Any]) -> set[str]:
    found: set[str] = set()
    open_names = set(names)
    while open_names:
        open_names = {needed for name in open_names for needed in steps[name].dependencies} - found
        found |= open_names
    return found


def _descendants(names: frozenset[str], steps: Mapping[str, Any]) -> set[str]:
    return {name for name in steps if _ancestors(frozenset({name}), steps) & names}


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationException", message)
