"""Sound pipeline definitions, and structured mutations of them for fuzzing."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from tests.support.definitions import SAMPLE

# Written by SageMaker's Python SDK 2.257.7: nulls, empty lists, tags and all.
SDK_DEFINITIONS = sorted((Path(__file__).parent / "sdk_definitions").glob("*.json"))
# By version 3: loops, run conditions and EMR Serverless, some of which the emulator refuses by name.
SDK_3_DEFINITIONS = sorted((Path(__file__).parent / "sdk_3_definitions").glob("*.json"))
FUNCTION_ARN = "arn:aws:lambda:us-west-2:123456789012:function:worker"


def lambda_step(name: str, arguments: Any = None, **keys: Any) -> dict[str, Any]:
    """Returns a sound Lambda step with the output `a`."""
    return {
        "Name": name,
        "Type": "Lambda",
        "FunctionArn": FUNCTION_ARN,
        "Arguments": {} if arguments is None else arguments,
        "OutputParameters": [{"OutputName": "a", "OutputType": "String"}],
        **keys,
    }


def definition(*steps: dict[str, Any], parameters: list[Any] | None = None, **keys: Any) -> dict[str, Any]:
    """Returns a definition of these steps."""
    return {"Version": "2020-12-01", "Metadata": {}, "Parameters": parameters or [], "Steps": list(steps), **keys}


def condition_step(name: str, *conditions: Any, if_steps: Any = None, else_steps: Any = None) -> dict[str, Any]:
    """Returns a Condition step."""
    arguments = {"Conditions": list(conditions), "IfSteps": if_steps or [], "ElseSteps": else_steps or []}
    return {"Name": name, "Type": "Condition", "Arguments": arguments}


EQUAL = {"Type": "Equals", "LeftValue": 1, "RightValue": 1}
FAIL = {"Name": "stop", "Type": "Fail", "Arguments": {"ErrorMessage": "too few rows"}}
NUMBER = {"Name": "N", "Type": "Integer", "DefaultValue": 2}
RICH = definition(
    lambda_step("one", {"n": {"Get": "Parameters.N"}, "when": {"Get": "Execution.StartDateTime"}}),
    {
        "Name": "wait",
        "Type": "Callback",
        "SqsQueueUrl": "https://sqs.us-west-2.amazonaws.com/123456789012/q",
        "Arguments": {"x": {"Std:Join": {"On": "/", "Values": ["s3:/", {"Get": "Steps.one.OutputParameters['a']"}]}}},
        "OutputParameters": [{"OutputName": "status", "OutputType": "String"}],
    },
    condition_step(
        "decide",
        {"Type": "Or", "Conditions": [EQUAL, {"Type": "Not", "Condition": EQUAL}]},
        {"Type": "In", "QueryValue": {"Get": "Steps.wait.OutputParameters['status']"}, "Values": ["a", "b"]},
        if_steps=[lambda_step("yes")],
        else_steps=[FAIL],
    ),
    parameters=[NUMBER, {"Name": "S", "Type": "String", "DefaultValue": "x", "EnumValues": ["x", "y"]}],
)
SOUND = (
    RICH,
    definition(lambda_step("one", {"n": {"Get": "Parameters.N"}}), parameters=[NUMBER]),
    {**copy.deepcopy(SAMPLE), "Steps": [{**SAMPLE["Steps"][0], "FunctionArn": FUNCTION_ARN}, SAMPLE["Steps"][1]]},
)

_WORDS = (
    "Lambda",
    "Condition",
    "Equals",
    "String",
    "string",
    "Integer",
    "one",
    "decide",
    "stop",
    "Parameters.N",
    "Steps.one.OutputParameters['a']",
    'Steps.one.OutputParameters["a"]',
    "Steps.decide.Outcome",
    "Steps.stop.x",
    "Steps.",
    "Execution.PipelineName",
    "",
    "a" * 300,
    "\u00fc\ud800",
)
_KEYS = ("Get", "Name", "Type", "Std:Join", "Std:JsonGet", "IfSteps", "Conditions", "Condition", "DependsOn", "x")


def mutated(random: Random, originals: Sequence[Any] = SOUND) -> Any:
    """Returns one of the original definitions with one to four random changes, each at a random place."""
    changed = copy.deepcopy(random.choice(originals))
    for _ in range(random.randint(1, 4)):
        holder, key = random.choice(list(_places(changed)))
        _change(random, holder, key)
    return changed


def _places(value: Any) -> list[tuple[Any, Any]]:
    places = []
    members = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    for key, inner in members:
        places.append((value, key))
        if isinstance(inner, dict | list):
            places += _places(inner)
    return places


def _change(random: Random, holder: Any, key: Any) -> None:
    kind = random.randrange(7)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    elif kind == 2 and isinstance(holder, dict):
        holder[random.choice(_KEYS)] = holder.pop(key)
    elif kind == 3:
        holder[key] = [copy.deepcopy(holder[key])]
    elif kind == 4:
        holder[key] = {random.choice(_KEYS): copy.deepcopy(holder[key])}
    elif kind == 5:
        holder[key] = random.choice([None, True, 0, -1, 1.5, 10**40, [], {}])
    else:
        holder[key] = random.choice(_WORDS)
