"""What the pictures show, taken from what the program itself says of its pipeline and its resources."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from geopipe_runner import config
from geopipe_runner.aws.account import Account
from geopipe_runner.deployment import Deployment
from geopipe_runner.jobs.registry import job_of
from geopipe_runner.kinds.base import Resource
from geopipe_runner.pipeline.definition import StepOutline, outline
from geopipe_runner.pipeline.execution_input import load_definition
from geopipe_runner.pipeline.expressions import references
from geopipe_runner.reconcile.blueprint import build_blueprint

from .graphviz import Paint, bold, box, edge, graph
from .sheet import Arrow, Sheet

ROOT = Path(__file__).parents[2]

_OUTPUT = re.compile(r"Steps\.(?P<step>[^.\[]+)\.OutputParameters\['(?P<output>[^']+)'\]")


OURS, MACHINE = Paint("#0f766e", "#ccfbf1"), Paint("#374151", "#f3f4f6")
PIPELINE, FUNCTION, QUEUE = Paint("#6d28d9", "#ede9fe"), Paint("#c2410c", "#ffedd5"), Paint("#be185d", "#fce7f3")
STORE, JOB, RIGHTS = Paint("#15803d", "#dcfce7"), Paint("#1d4ed8", "#dbeafe"), Paint("#57534e", "#f5f5f4")

_STEP_PAINTS = {"Lambda": FUNCTION, "Callback": QUEUE}
_KIND_PAINTS: Mapping[str, Paint] = {
    "plain": MACHINE,
    "pipeline": PIPELINE,
    "function": FUNCTION,
    "queue": QUEUE,
    "store": STORE,
    "rights": RIGHTS,
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
    resources = {resource.key: resource for resource in build_blueprint(deployment).resources}
    boxes = {key: resource for key, resource in resources.items() if resource.kind.shape == "box"}
    sheet = Sheet.of(_GRID, [*boxes, "job"])
    lines = ["layout=neato", "splines=line", "outputorder=nodesfirst", *sheet.grounds(), *sheet.places()]
    lines += [*_machine(deployment), *(_resource(resource, resources) for resource in boxes.values())]
    lines.append(box("job", "SageMaker geospatial job", [bold(deployment.config.job.kind.replace("_", " "))], JOB))
    arrows = [*_work(resources), *_steps_work(load_definition(deployment)), *_rests(boxes)]
    return graph("workflow", [*lines, *(line for arrow in arrows for line in sheet.arrow(arrow))])


_GRID = (
    ("config", "runner", "csv"),
    ("sagemaker_role", "pipeline", "bucket"),
    ("queue", "function", "job"),
    ("dead_letter_queue", "lambda_role", "log_group"),
)
"""The places of the boxes: related boxes are neighbors. Boxes without a place come below."""


def _machine(deployment: Deployment) -> Iterator[str]:
    yield box("config", "configuration", [bold(deployment.config.path.name)], MACHINE)
    yield box("runner", "geopipe", [bold("run.py"), "plan, apply, run, results, clean up"], OURS)
    yield box("csv", "input", [bold(str(deployment.config.input.source).rsplit("/", 1)[-1])], MACHINE)


def _resource(resource: Resource, resources: Mapping[str, Resource]) -> str:
    inside = [
        other
        for other in resources.values()
        if other.kind.shape == "inside" and other.creation_dependencies == (resource.key,)
    ]
    body = [bold(resource.name), *(f"with its {other.kind.label}" for other in inside)]
    return box(resource.key, resource.kind.label, body, _KIND_PAINTS[resource.kind.paint])


def _work(resources: Mapping[str, Resource]) -> Iterator[Arrow]:
    yield from (Arrow("config", "runner"), Arrow("csv", "runner"))
    yield Arrow("runner", "pipeline", "creates, starts, follows")
    yield Arrow("runner", "bucket", "uploads the input,\nreads the results")
    for resource in resources.values():
        if resource.kind.shape == "arrow":
            head, tail = resource.creation_dependencies[:2]
            yield Arrow(tail, head, resource.kind.label.replace(" mapping", "\nmapping"))
    yield Arrow("function", "job", "starts,\nexports")
    yield Arrow("job", "bucket", "reads, writes", both_ways=True)


def _steps_work(definition: Mapping[str, Any]) -> Iterator[Arrow]:
    kinds = {step.kind for step in outline(definition)}
    if "Callback" in kinds:
        yield Arrow("pipeline", "queue", "Callback steps")
    yield Arrow("pipeline", "function", "Lambda steps,\nanswers to callbacks", both_ways=True)


def _rests(boxes: Mapping[str, Resource]) -> Iterator[Arrow]:
    """Dotted: the role that it assumes and its log group. Dashed: the queue for messages that could not be handled."""
    for resource in boxes.values():
        for other in resource.dependencies:
            if other not in boxes:
                continue
            belongs = other in resource.creation_dependencies or boxes[other].group == resource.group
            if boxes[other].kind.paint == "rights" and belongs:
                yield Arrow(resource.key, other, "", "style=dotted, arrowhead=none")
            elif boxes[other].kind is resource.kind:
                yield Arrow(resource.key, other, "after many tries", "style=dashed")


def _deployment() -> Deployment:
    found = config.load(ROOT / "config/local.yaml", {})
    return Deployment(found, Account(found.account_id, found.region), job_of(found.job).rights)


SOURCES: Mapping[str, Callable[[], str]] = {"pipeline.png": pipeline_source, "workflow.png": workflow_source}
"""The pictures of resources/, each with what makes its text in graphviz's language."""
