"""What the pictures show, taken from what the program itself says of its pipeline and its resources."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from geopipe_runner import config
from geopipe_runner.aws.account import Account
from geopipe_runner.kinds.base import Artifacts, Deployment, Resource
from geopipe_runner.pipeline.definition import StepOutline, outline, references
from geopipe_runner.pipeline.request import load_definition
from geopipe_runner.reconcile.blueprint import draw

from .graphviz import Paint, bold, box, edge, graph
from .sheet import Arrow, Sheet

ROOT = Path(__file__).parents[2]

_OUTPUT = re.compile(r"Steps\.(?P<step>[^.\[]+)\.OutputParameters\['(?P<output>[^']+)'\]")


OURS, MACHINE = Paint("#0f766e", "#ccfbf1"), Paint("#374151", "#f3f4f6")
PIPELINE, FUNCTION, QUEUE = Paint("#6d28d9", "#ede9fe"), Paint("#c2410c", "#ffedd5"), Paint("#be185d", "#fce7f3")
STORE, JOB, RIGHTS = Paint("#15803d", "#dcfce7"), Paint("#1d4ed8", "#dbeafe"), Paint("#57534e", "#f5f5f4")

_STEP_PAINTS = {"Lambda": FUNCTION, "Callback": QUEUE}
_KIND_PAINTS = {
    "event_source_mapping": QUEUE,
    "iam_policy": RIGHTS,
    "iam_role": RIGHTS,
    "lambda_function": FUNCTION,
    "log_group": RIGHTS,
    "s3_bucket": STORE,
    "s3_object": STORE,
    "sagemaker_pipeline": PIPELINE,
    "sqs_queue": QUEUE,
}


def pipeline_source() -> str:
    """The step graph, in graphviz's language: what each step is, gives, and waits for."""
    definition = load_definition(_deployment())
    given = {step["Name"]: [o["OutputName"] for o in step.get("OutputParameters", [])] for step in definition["Steps"]}
    steps = {step["Name"]: step for step in definition["Steps"]}
    lines = ["rankdir=LR", "nodesep=0.35", "ranksep=0.75"]
    for step in outline(definition):
        body = [f"gives {', '.join(given[step.name])}"] if given.get(step.name) else []
        lines.append(box(step.name, f"{step.kind} step", [bold(step.name), *body], _paint(step)))
        lines += (_step_edge(before, step, steps[step.name]) for before in step.depends_on)
    return graph("pipeline", lines)


def _paint(step: StepOutline) -> Paint:
    return _STEP_PAINTS.get(step.kind, PIPELINE)


def _step_edge(before: str, step: StepOutline, definition: Mapping[str, Any]) -> str:
    """Solid where one step waits for another, dashed where only its output is used; labelled with that output."""
    found = (_OUTPUT.fullmatch(reference) for reference in references(definition))
    passed = sorted({match["output"] for match in found if match and match["step"] == before})
    waits = before in definition.get("DependsOn", [])
    return edge(before, step.name, ", ".join(passed), "" if waits else "style=dashed, constraint=false")


def workflow_source() -> str:
    """The resources of config/local.yaml and what passes between them, in graphviz's language."""
    deployment = _deployment()
    resources = {resource.key: resource for resource in draw(deployment).resources}
    boxes = {key: resource for key, resource in resources.items() if resource.kind.name not in _INSIDE}
    sheet = Sheet.of(_GRID, [*boxes, "job"])
    lines = ["layout=neato", "splines=line", "outputorder=nodesfirst", *sheet.grounds(), *sheet.places()]
    lines += [*_machine(deployment), *(_resource(resource, resources) for resource in boxes.values())]
    lines.append(box("job", "SageMaker geospatial job", [bold(deployment.config.job.kind.replace("_", " "))], JOB))
    arrows = [*_work(resources), *_steps_work(load_definition(deployment)), *_rests(boxes)]
    return graph("workflow", [*lines, *(line for arrow in arrows for line in sheet.arrow(arrow))])


_INSIDE = {"event_source_mapping", "iam_policy", "s3_object"}
"""Kinds drawn as an arrow, or in the box of what they belong to."""

_GRID = (
    ("config", "runner", "csv"),
    ("sagemaker_role", "pipeline", "bucket"),
    ("queue", "function", "job"),
    ("dead_letter_queue", "lambda_role", "log_group"),
)
"""Where the boxes go: things that have to do with each other side by side. Whatever is not named comes below."""


def _machine(deployment: Deployment) -> Iterator[str]:
    yield box("config", "configuration", [bold(deployment.config.path.name)], MACHINE)
    yield box("runner", "geopipe", [bold("run.py"), "plan, apply, run, results, clean up"], OURS)
    yield box("csv", "input", [bold(str(deployment.config.input.source).rsplit("/", 1)[-1])], MACHINE)


def _resource(resource: Resource, resources: Mapping[str, Resource]) -> str:
    inside = [other for other in resources.values() if other.kind.name in _INSIDE and other.needs == (resource.key,)]
    body = [bold(resource.name), *(f"with its {other.kind.label}" for other in inside)]
    return box(resource.key, resource.kind.label, body, _KIND_PAINTS[resource.kind.name])


def _work(resources: Mapping[str, Resource]) -> Iterator[Arrow]:
    yield from (Arrow("config", "runner"), Arrow("csv", "runner"))
    yield Arrow("runner", "pipeline", "creates, starts, follows")
    yield Arrow("runner", "bucket", "uploads the input,\nreads the results")
    for resource in resources.values():
        if resource.kind.name == "event_source_mapping":
            queue = next(need for need in resource.needs if resources[need].kind.name == "sqs_queue")
            yield Arrow(queue, "function", resource.kind.label.replace(" mapping", "\nmapping"))
    yield Arrow("function", "job", "starts,\nexports")
    yield Arrow("job", "bucket", "reads, writes", both_ways=True)


def _steps_work(definition: Mapping[str, Any]) -> Iterator[Arrow]:
    kinds = {step.kind for step in outline(definition)}
    if "Callback" in kinds:
        yield Arrow("pipeline", "queue", "Callback steps")
    yield Arrow("pipeline", "function", "Lambda steps,\nanswers to callbacks", both_ways=True)


def _rests(boxes: Mapping[str, Resource]) -> Iterator[Arrow]:
    """Dotted: the role it takes on, where it logs. Dashed: where messages go that nobody could handle."""
    for resource in boxes.values():
        for other in resource.rests_on:
            kind = boxes[other].kind.name if other in boxes else ""
            if kind == "log_group" or (kind == "iam_role" and other in resource.needs):
                yield Arrow(resource.key, other, "", "style=dotted, arrowhead=none")
            elif kind == "sqs_queue" and resource.kind.name == kind:
                yield Arrow(resource.key, other, "after many tries", "style=dashed")


def _deployment() -> Deployment:
    found = config.load(ROOT / "config/local.yaml", {})
    return Deployment(found, Account(found.account_id, found.region), Artifacts())


SOURCES: Mapping[str, Callable[[], str]] = {"pipeline.png": pipeline_source, "workflow.png": workflow_source}
"""The pictures of resources/, each with what makes its text in graphviz's language."""
