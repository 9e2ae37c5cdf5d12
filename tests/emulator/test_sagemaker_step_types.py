"""A step type is one class: everything the service does with its steps follows from that class."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest

from geopipe_emulator.service import Handler, RequestContext
from geopipe_emulator.services.sagemaker.steps import STEP_TYPES
from geopipe_emulator.services.sagemaker.steps.base import Activity, StepResult, StepType, Task
from tests.support.paths import ROOT
from tests.support.pipelines import CONTEXT, PipelinesWorld, function, refused


class RollStep(StepType):
    """Decides between branches, cannot be retried, and has an API operation."""

    name = "Roll"
    is_final = True
    has_outputs = False
    branches: ClassVar[Mapping[str, bool]] = {"High": True, "Low": False}

    def check(self, body: Mapping[str, Any], region: str) -> Iterator[str]:
        if "Dots" not in body:
            yield "Dots is required"

    def open(self, task: Task) -> Activity:
        return RollActivity(task)

    def handlers(self) -> Mapping[str, Handler]:
        return {"RollAgain": lambda request, context: {"Dots": 6}}

    def resource_of(self, operation: str, parameters: Mapping[str, Any], context: RequestContext) -> str | None:
        return "arn:dice" if operation == "RollAgain" else None


class RollActivity:
    def __init__(self, task: Task) -> None:
        self._task = task

    def run(self) -> None:
        self._task.publish({"Roll": {"Dots": self._task.body["Dots"]}})
        self._task.finish(StepResult(True, outcome=self._task.body["Dots"] > 3))

    def stop(self) -> None:
        pass


@pytest.fixture
def world() -> Iterator[PipelinesWorld]:
    world = PipelinesWorld(extra_step_types=[RollStep])
    yield world
    world.service.stop()


def roll(dots: int, **more: Any) -> dict[str, Any]:
    arguments = {"High": [function("high")], "Low": [function("low")]}
    return {"Name": "roll", "Type": "Roll", "Dots": dots, "Arguments": arguments, **more}


@pytest.mark.parametrize(("dots", "taken"), [(5, "high"), (2, "low")])
def test_a_new_step_type_decides_between_its_branches(world: PipelinesWorld, dots: int, taken: str) -> None:
    world.functions.functions.update(high=lambda payload: {}, low=lambda payload: {})
    arn = world.run(roll(dots))
    world.ended(arn)
    assert world.statuses(arn) == {"roll": "Succeeded", taken: "Succeeded"}
    assert world.steps(arn)["roll"]["Metadata"] == {"Roll": {"Dots": dots}}


def test_a_new_step_type_decides_whether_its_execution_can_be_retried(world: PipelinesWorld) -> None:
    arn = world.run(roll(5))
    assert world.ended(arn)["PipelineExecutionStatus"] == "Failed"  # the function of the branch does not exist
    message = refused("ValidationException", lambda: world.retry(arn))
    assert "ended with Roll step roll; it cannot be retried" in message


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ([{"Name": "roll", "Type": "Roll"}], "step 'roll': Dots is required"),
        ([roll(1), function("a", DependsOn=["roll"])], "a can not depends on roll"),
        ([roll(1, Arguments={"High": [roll(2)]})], "step name 'roll' is used twice"),
        ([roll(1, Arguments={"High": {}})], "Arguments.High must be a list of steps"),
    ],
)
def test_a_new_step_type_has_its_rules_checked(
    world: PipelinesWorld, steps: list[dict[str, Any]], problem: str
) -> None:
    assert problem in refused("ValidationException", lambda: world.create(*steps))


def test_a_new_step_type_answers_its_operations(world: PipelinesWorld) -> None:
    assert world.call("RollAgain") == {"Dots": 6}
    assert world.service.resource_of("RollAgain", {}, CONTEXT) == "arn:dice"
    assert world.service.resource_of("StartPipelineExecution", {}, CONTEXT) is None


def test_no_module_outside_of_steps_names_a_step_type() -> None:
    folder = ROOT / "geopipe_emulator" / "services" / "sagemaker"
    names = {step_type.name for step_type in STEP_TYPES}
    # "Condition" is also the member of a Not condition.
    modules = [path for path in folder.glob("*.py") if path.name != "conditions.py"]
    assert len(modules) > 10
    assert [(path.name, name) for path in modules for name in sorted(names & set(_strings(path)))] == []


def _strings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
