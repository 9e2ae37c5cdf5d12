"""Pipeline definitions: what is accepted, and that every fault is named."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from geopipe_emulator.services.sagemaker.definition import Definition, DefinitionError
from geopipe_emulator.services.sagemaker.parsing import parse
from geopipe_emulator.services.sagemaker.steps.base import Activity, StepType, Task
from tests.support.pipelines import create_environment

FUNCTION = "arn:aws:lambda:us-west-2:123456789012:function:worker"


class FakeLambdaStep(StepType):
    name = "Lambda"

    def check(self, body: Mapping[str, Any], region: str) -> Iterator[str]:
        if not str(body.get("FunctionArn")).startswith(f"arn:aws:lambda:{region}:"):
            yield f"bad FunctionArn {body.get('FunctionArn')}"

    def open(self, task: Task) -> Activity:
        raise AssertionError("a definition runs nothing")


class FakeCallbackStep(FakeLambdaStep):
    name = "Callback"

    def check(self, body: Mapping[str, Any], region: str) -> Iterator[str]:
        yield from ()


STEP_TYPES = {type_.name: type_(create_environment({})) for type_ in (FakeLambdaStep, FakeCallbackStep)}

SAMPLE: dict[str, Any] = {
    "Version": "2020-12-01",
    "Metadata": {},
    "Parameters": [
        {"Name": "queue", "Type": "String", "DefaultValue": ""},
        {"Name": "rows", "Type": "Integer", "DefaultValue": 10},
        {"Name": "share", "Type": "Float", "DefaultValue": 1},
        {"Name": "strict", "Type": "Boolean", "DefaultValue": False},
        {"Name": "must", "Type": "String"},
        {"Name": "size", "Type": "String", "DefaultValue": "small", "EnumValues": ["small", "large"]},
    ],
    "PipelineExperimentConfig": {"ExperimentName": {"Get": "Execution.PipelineName"}, "TrialName": "t"},
    "Steps": [
        {
            "Name": "begin",
            "Type": "Lambda",
            "FunctionArn": "*FUNCTION_ARN*",
            "Arguments": {"rows": {"Get": "Parameters.rows"}},
            "OutputParameters": [{"OutputName": "job", "OutputType": "String"}],
        },
        {
            "Name": "wait",
            "Type": "Callback",
            "SqsQueueUrl": {"Get": "Parameters.queue"},
            "Arguments": {"job": {"Get": "Steps.begin.OutputParameters['job']"}},
            "OutputParameters": [{"OutputName": "status", "OutputType": "String"}],
        },
        {"Name": "end", "Type": "Lambda", "FunctionArn": "*FUNCTION_ARN*", "DependsOn": ["wait"]},
    ],
}


def text(document: object, function: str = FUNCTION) -> str:
    return json.dumps(document).replace("*FUNCTION_ARN*", function)


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    document = copy.deepcopy(SAMPLE)
    change(document)
    return text(document)


def parsed(source: str) -> Definition:
    return parse(source, STEP_TYPES, "us-west-2")


def test_sample_is_a_graph_of_steps() -> None:
    definition = parsed(text(SAMPLE))
    assert [(step.name, step.type.name, set(step.dependencies)) for step in definition.steps] == [
        ("begin", "Lambda", set()),
        ("wait", "Callback", {"begin"}),
        ("end", "Lambda", {"wait"}),
    ]
    assert definition.steps[0].outputs == {"job": "String"}
    assert definition.text == text(SAMPLE)


def test_only_steps_are_required() -> None:
    assert parsed('{"Steps": [{"Name": "a", "Type": "Callback", "SqsQueueUrl": "https://q"}]}').parameters == {}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "Invalid JSON"),
        ('{"Steps": [}', "Invalid JSON: Expecting value: line 1 column 12"),
        ('{"Steps": NaN}', "NaN is not JSON"),
        ("[]", "Expected a JSON object"),
        ("[" * 200_000, "Invalid JSON"),
        ('{"a":' * 65 + "1" + "}" * 65, "Nested more than 64 levels deep"),
        ("{}", "Steps is required"),
        ('{"Steps": []}', "at least one step"),
        ('{"Steps": ["x"]}', "step name None must match"),
        ('{"Steps": [{"Name": "a b", "Type": "Callback"}]}', "step name 'a b' must match"),
        ('{"Steps": [{"Name": "' + "x" * 65 + '", "Type": "Callback"}]}', "must match"),
        ('{"Steps": [{"Name": "a", "Type": ["x"]}]}', "is unknown; supported are Callback, Lambda"),
        ('{"Version": "2019-01-01", "Steps": [{"Name": "a", "Type": "Callback"}]}', "Version must be '2020-12-01'"),
        ('{"Parameters": {}, "Steps": [{"Name": "a", "Type": "Callback"}]}', "Parameters must be a JSON array"),
    ],
)
def test_what_is_no_definition(source: str, message: str) -> None:
    with pytest.raises(DefinitionError) as refusal:
        parsed(source)
    assert message in str(refusal.value)
    assert str(refusal.value).startswith("Unable to parse pipeline definition. ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d["Steps"][1].update(Name="begin"), "step name 'begin' is used twice"),
        (lambda d: d["Parameters"][1].update(Name="queue"), "parameter 'queue' is declared twice"),
        (lambda d: d["Parameters"][1].update(Type="Int"), "parameter 'rows' has type 'Int'; valid are String"),
        (lambda d: d["Parameters"][1].update(DefaultValue="10"), "DefaultValue of parameter 'rows' is not of type"),
        (lambda d: d["Parameters"][5].update(EnumValues="small"), "EnumValues of parameter 'size' must be a list"),
        (lambda d: d["Parameters"][0].update(Name="bad name"), "parameter name 'bad name' must match"),
        (lambda d: d["Steps"][2].update(Type="ForEach"), "step type 'ForEach' is not supported by this endpoint"),
        (lambda d: d["Steps"][2].update(Type="Cleanup"), "not supported by this endpoint; supported are Callback, L"),
        (lambda d: d["Steps"][2].update(Type="Lamda"), "step type 'Lamda' is unknown"),
        (
            lambda d: d["Steps"][2].update(DependsOn=["missing"]),
            "step 'end': DependsOn names an unknown step 'missing'",
        ),
        (lambda d: d["Steps"][2].update(DependsOn="wait"), "DependsOn must be a list of step names"),
        (lambda d: d["Steps"][2].update(FunctionArn="x"), "step 'end': bad FunctionArn x"),
        (lambda d: d["Steps"][2].update(Arguments=["x"]), "Arguments must be a JSON object"),
        (lambda d: d["Steps"][2].update(OutputParameters={}), "OutputParameters must be a list of objects"),
        (lambda d: d["Steps"][2].update(OutputParameters=[{"OutputName": "x"}]), "OutputType of 'x' must be one of"),
        (
            lambda d: d["Steps"][2].update(OutputParameters=[{"OutputName": "x", "OutputType": "String"}] * 2),
            "output parameter 'x' is declared twice",
        ),
        (
            lambda d: d["Steps"][2].update(Arguments={"x": {"Get": "Parameters.nope"}}),
            "step 'end': reference to an undeclared parameter 'nope'",
        ),
        (
            lambda d: d["Steps"][2].update(Arguments={"x": [{"Get": "Steps.nope.OutputParameters['y']"}]}),
            "reference to an unknown step 'nope'",
        ),
        (
            lambda d: d["Steps"][2].update(Arguments={"x": {"Get": "Steps.wait.OutputParameters['y']"}}),
            "step 'wait' declares no output parameter 'y'",
        ),
        (lambda d: d["Steps"][2].update(Arguments={"x": {"Get": "Steps.wait"}}), "unknown reference 'Steps.wait'"),
        (lambda d: d["Steps"][2].update(Arguments={"x": {"Std:JsonGet": {}}}), "Std:JsonGet needs"),
        (
            lambda d: d["Steps"][2].update(Arguments={"x": {"Get": "Steps.wait.ModelArtifacts"}}),
            "step 'wait' has no property ModelArtifacts: a Callback step has no properties",
        ),
        (
            lambda d: d["Steps"][2].update(Arguments={"x": {"Get": "Steps.wait.PropertyFiles.F"}}),
            "property file 'F' of step 'wait' can be read with Std:JsonGet only",
        ),
        (lambda d: d["Steps"][2].update(CacheConfig={"Enabled": True, "ExpireAfter": "30"}), "ExpireAfter must be an"),
        (
            lambda d: d["Steps"][2].update(RetryPolicies=[{"ExceptionType": ["Step.NONE"]}]),
            "ExceptionType must be some of Step.SERVICE_FAULT,",
        ),
        (
            lambda d: d["Steps"][2].update(
                RetryPolicies=[{"ExceptionType": "Step.THROTTLING", "MaxAttempts": 3, "ExpireAfterMin": 5}]
            ),
            "MaxAttempts or ExpireAfterMin, not both",
        ),
        (
            lambda d: d["PipelineExperimentConfig"].update(TrialName={"Get": "Execution.Nope"}),
            "PipelineExperimentConfig: unknown reference 'Execution.Nope'",
        ),
        (lambda d: d["Steps"][0].update(DependsOn=["end"]), "steps depend on each other in a cycle: "),
        (lambda d: d["Steps"][0].update(DependsOn=["begin"]), "cycle: begin -> begin"),
        (lambda d: d["Steps"][0].update(DisplayName=1), "DisplayName must be a string"),
    ],
)
def test_every_fault_is_named(change: Callable[[dict[str, Any]], object], message: str) -> None:
    with pytest.raises(DefinitionError) as refusal:
        parsed(changed(change))
    assert message in str(refusal.value)


def test_placeholder_left_in_is_refused() -> None:
    with pytest.raises(DefinitionError, match="bad FunctionArn"):
        parsed(json.dumps(SAMPLE))


def test_a_function_elsewhere_is_refused() -> None:
    with pytest.raises(DefinitionError, match="bad FunctionArn"):
        parsed(text(SAMPLE, FUNCTION.replace("us-west-2", "eu-west-1")))


def test_one_message_lists_all_problems() -> None:
    source = changed(lambda d: (d["Steps"][0].update(Type="X"), d["Steps"][2].update(Name="?")))
    with pytest.raises(DefinitionError, match=r"step type 'X'.*step name '\?'"):
        parsed(source)


def test_parameters_take_start_values_as_text() -> None:
    definition = parsed(text(SAMPLE))
    assert definition.bind({"must": "m", "rows": "12", "share": "0.25", "strict": "True", "size": "large"}) == {
        "queue": "",
        "rows": 12,
        "share": 0.25,
        "strict": True,
        "must": "m",
        "size": "large",
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "without a default need a value: must"),
        ({"must": "m", "extra": "1", "more": "2"}, "not declared in the pipeline definition: extra, more"),
        ({"must": "m", "rows": "ten"}, "'rows' is not of type Integer: 'ten'"),
        ({"must": "m", "size": "medium"}, "'size' must be one of"),
    ],
)
def test_parameters_that_do_not_fit(given: dict[str, str], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        parsed(text(SAMPLE)).bind(given)
