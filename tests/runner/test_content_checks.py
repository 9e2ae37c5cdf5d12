"""What CreatePipeline refuses in the content of a definition is refused first, at its position in the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from geopipe_runner.errors import TemplateError
from geopipe_runner.pipeline.definition import check, problems
from geopipe_runner.pipeline.template import render_with_positions
from tests.support.definition_mutations import EQUAL, FAIL, FUNCTION_ARN, RICH, condition_step, definition, lambda_step

TEXT = {"Name": "S", "Type": "String", "DefaultValue": "abc"}
NUMBER = {"Name": "N", "Type": "Integer", "DefaultValue": 2}


def parameter(**entry: Any) -> dict[str, Any]:
    return definition(lambda_step("one"), parameters=[{"Name": "P", "Type": "String", **entry}])


def deciding(*conditions: Any) -> dict[str, Any]:
    return definition(condition_step("c", *conditions, else_steps=[FAIL]), parameters=[TEXT, NUMBER])


def second(reference: str, first: Any = None, **keys: Any) -> dict[str, Any]:
    return definition(first or lambda_step("one"), lambda_step("two", {"x": {"Get": reference}}, **keys))


def job(kind: str, **keys: Any) -> dict[str, Any]:
    return {"Name": "one", "Type": kind, **keys}


PROCESSING = job(
    "Processing",
    Arguments={
        "AppSpecification": {"ImageUri": "i"},
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "train"}, {"OutputName": "o"}]},
        "ProcessingResources": {
            "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 10}
        },
        "RoleArn": "arn:aws:iam::123456789012:role/r",
    },
    PropertyFiles=[{"PropertyFileName": "e", "OutputName": "o", "FilePath": "e.json"}],
)
FOR_EACH = {
    "Name": "each",
    "Type": "ForEach",
    "Arguments": {
        "IterableItems": [1, 2],
        "ForEachBody": [lambda_step("body", {"x": {"Get": "ForEach.CurrentItem"}})],
    },
}

SOUND = {
    "everything together": RICH,
    "cache": definition(lambda_step("one", CacheConfig={"Enabled": True, "ExpireAfter": "P30D"})),
    "cache in the SDK's short form": definition(
        lambda_step("one", CacheConfig={"Enabled": True, "ExpireAfter": "30d"})
    ),
    "retries": definition(lambda_step("one", RetryPolicies=[{"ExceptionType": ["Step.THROTTLING"], "MaxAttempts": 2}])),
    "no arguments": definition({key: value for key, value in lambda_step("one").items() if key != "Arguments"}),
    "booleans are equal": deciding({"Type": "Equals", "LeftValue": True, "RightValue": True}),
    "text in order": deciding({"Type": "LessThan", "LeftValue": {"Get": "Parameters.S"}, "RightValue": "b"}),
    "numbers in a list": deciding({"Type": "In", "QueryValue": {"Get": "Parameters.N"}, "Values": [1, 2]}),
    "Not": deciding({"Type": "Not", "Condition": EQUAL}),
    "empty branches": definition(condition_step("c", EQUAL)),
    "depends on a branch": definition(
        condition_step("c", EQUAL, if_steps=[lambda_step("in")]), lambda_step("x", DependsOn=["in"])
    ),
    "an outcome": second("Steps.one.Outcome", condition_step("one", EQUAL)),
    "an output in double quotes": second('Steps.one.OutputParameters["a"]'),
    "a property": second("Steps.one.ProcessingOutputConfig.Outputs['train'].S3Output.S3Uri", PROCESSING),
    "a property file": definition(
        PROCESSING,
        condition_step(
            "c",
            {
                "Type": "Equals",
                "LeftValue": {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.one.PropertyFiles.e"}, "Path": "m.v"}},
                "RightValue": 3,
            },
        ),
    ),
    "a JSON file by its address": definition(
        lambda_step("one", {"x": {"Std:JsonGet": {"S3Uri": "s3://b/k.json", "Path": "a[0]"}}})
    ),
    "a step that runs after a failure": definition(
        lambda_step("one"), lambda_step("two", DependsOn=[{"Step": "one", "Trigger": "Failed"}])
    ),
    "a loop": definition(FOR_EACH),
    "display names": definition(lambda_step("one", DisplayName="My step \u2013 \u00fcn\u00ef", Description="x")),
    "one of a parameter's values": parameter(DefaultValue="dev", EnumValues=["dev", "prod"]),
    "a whole number is a Float": parameter(Type="Float", DefaultValue=1),
}

BROKEN: list[tuple[Any, str, str]] = [
    (parameter(Type="string"), "Type", "has the unknown type 'string'; did you mean \"String\"?"),
    (parameter(Type="Int"), "Type", 'did you mean "Integer"?'),
    (parameter(Type="Date"), "Type", "one of String, Integer, Float, Boolean"),
    (parameter(Type="Integer", DefaultValue="3"), "DefaultValue", "is '3', not of type Integer"),
    (parameter(Type="Integer", DefaultValue=1.5), "DefaultValue", "is 1.5, not of type Integer"),
    (parameter(Type="Integer", DefaultValue=True), "DefaultValue", "is True, not of type Integer"),
    (parameter(DefaultValue=None), "DefaultValue", "is None, not of type String"),
    (parameter(DefaultValue="test", EnumValues=["dev", "prod"]), "DefaultValue", "EnumValues has 'dev', 'prod'"),
    (parameter(EnumValues="dev"), "EnumValues", "is not a list of String values"),
    (parameter(EnumValues=[1]), "EnumValues", "is not a list of String values"),
    (definition(lambda_step("one", Type="lambda")), "Type", "the type 'lambda' is unknown; did you mean \"Lambda\"?"),
    (definition(job("Approve")), "Type", "the type 'Approve' is unknown; one of AutoML, "),
    (definition(lambda_step("one", FunctionArn=None)), "FunctionArn", "FunctionArn is None, neither the ARN"),
    (definition(lambda_step("one", FunctionArn="worker")), "FunctionArn", "neither the ARN of a function"),
    (definition(job("Lambda")), "", "a Lambda step needs FunctionArn"),
    (definition(job("Callback")), "", "a Callback step needs SqsQueueUrl"),
    (definition(job("Callback", SqsQueueUrl="queue")), "SqsQueueUrl", "neither the URL of a queue"),
    (definition(job("Processing", Arguments={"RoleArn": "r"})), "Arguments", "AppSpecification, ProcessingResources"),
    (definition(job("Training")), "", "a Training step needs OutputDataConfig, RoleArn in Arguments"),
    (definition(job("Condition", Arguments={"IfSteps": []})), "Arguments", "needs Conditions"),
    (deciding(), "Conditions", "not a list of at least one condition"),
    (deciding("x"), "Conditions.0", "a condition is an object, not 'x'"),
    (deciding({"Type": "equals", "LeftValue": 1, "RightValue": 1}), "Type", 'did you mean "Equals"?'),
    (deciding({"Type": "NotEquals", "LeftValue": 1, "RightValue": 1}), "Type", "'NotEquals' is unknown"),
    (deciding({"Type": "Equals", "LeftValue": 1}), "Conditions.0", "the condition Equals needs RightValue"),
    (deciding({**EQUAL, "Values": []}), "Values", "the unknown key 'Values'"),
    (deciding({**EQUAL, "LeftValue": None}), "LeftValue", "is None, neither a value nor an expression"),
    (deciding({**EQUAL, "RightValue": [1]}), "RightValue", "is [1], neither a value nor an expression"),
    (deciding({"Type": "In", "QueryValue": 1, "Values": 1}), "Values", "is not a list of at least one value"),
    (deciding({"Type": "Or", "Conditions": [{"Type": "Not"}]}), "Conditions.0", "the condition Not needs Condition"),
    (deciding({"Type": "Not", "Expression": EQUAL}), "Conditions.0", "SDKs before 2.204"),
    (deciding({"Type": "Or", "Conditions": [{"Type": "Not", "Expression": EQUAL}]}), "Conditions.0", "before 2.204"),
    (
        definition(lambda_step("one", OutputParameters=[{"OutputName": "o", "OutputType": "String"}] * 2)),
        "OutputParameters.1",
        "the output 'o' is declared twice",
    ),
    (
        definition(lambda_step("one", OutputParameters=[{"OutputName": "o", "OutputType": "string"}])),
        "OutputType",
        'did you mean "String"?',
    ),
    (definition({**FAIL, "OutputParameters": lambda_step("x")["OutputParameters"]}), "OutputParameters", "Fail step"),
    (definition({**FAIL, "Arguments": {"ErrorMessage": 5}}), "ErrorMessage", "neither text nor an expression"),
    (definition(FAIL, lambda_step("two", DependsOn=["stop"])), "DependsOn", "after which nothing runs"),
    (
        definition(condition_step("c", EQUAL), lambda_step("x", DependsOn=["c"])),
        "DependsOn",
        "refer to Steps.c.Outcome",
    ),
    (definition(lambda_step("one", DisplayName=5)), "DisplayName", "DisplayName is not text"),
    (definition(lambda_step("one", CacheConfig={"Enabled": "yes"})), "CacheConfig", "Enabled true or false"),
    (
        definition(lambda_step("one", CacheConfig={"Enabled": True, "ExpireAfter": "a month"})),
        "ExpireAfter",
        "not an ISO 8601 duration",
    ),
    (
        definition(lambda_step("one", RetryPolicies=[{"ExceptionType": [], "MaxAttempts": 1, "ExpireAfterMin": 1}])),
        "RetryPolicies.0",
        "has both MaxAttempts and ExpireAfterMin",
    ),
    (definition(lambda_step("one", {"x": {"Std:Join": {"Values": []}}})), "x", "Std:Join is not an object"),
    (definition(lambda_step("one", {"x": {"Std:JsonGet": {"Path": "a"}}})), "x", "Std:JsonGet is not an object"),
    (second("Steps.one.OutputParameters.a"), "x", "a Get can only read OutputParameters['name']"),
    (second("Steps.one.Properties.a"), "x", "a Get can only read OutputParameters['name']"),
    (second("Steps.one.Properties.ExitMessage", PROCESSING), "x", "write Steps.one.ExitMessage"),
    (second("Steps.one.PropertyFiles.f", PROCESSING), "x", "has no such property file; it has e"),
    (second("Steps.one.PropertyFiles.e"), "x", "a Get can only read OutputParameters['name']"),
    (second("Steps.stop.ErrorMessage", FAIL), "x", "a Get cannot read anything from a Fail step"),
    (second("ForEach.CurrentItem"), "x", "a Get begins with Parameters., Execution. or Steps."),
    (definition(lambda_step("one"), Version="2021-01-01"), "Version", "there is only '2020-12-01'"),
    (definition(lambda_step("one"), Metadata=[]), "Metadata", "Metadata is not an object"),
]


@pytest.mark.parametrize("name", SOUND)
def test_sound_content(name: str, tmp_path: Path) -> None:
    assert [problem.text for problem in problems(SOUND[name])] == []


@pytest.mark.parametrize(("broken", "place", "what"), BROKEN, ids=[what for _, _, what in BROKEN])
def test_broken_content_is_refused_at_its_place(broken: Any, place: str, what: str) -> None:
    found = list(problems(broken))
    assert any(what in problem.text for problem in found), found
    (problem,) = (problem for problem in found if what in problem.text)
    assert ".".join(map(str, problem.path)).endswith(place)


def message_of(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    broken, positions = render_with_positions(path, {"function_arn": FUNCTION_ARN, "name": "P", "kind": "Int"})
    with pytest.raises(TemplateError) as caught:
        check(broken, path, positions)
    return caught.value.message


@pytest.mark.parametrize("name", ["p.json", "p.json.j2"])
def test_the_message_has_line_and_column_of_the_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    message = message_of(path, "\ufeff" + json.dumps(parameter(Type="Int"), indent=2))
    lines = path.read_text("utf-8-sig").splitlines()
    (line,) = (number for number, text in enumerate(lines, 1) if '"Type": "Int"' in text)
    column = lines[line - 1].index('"Int"') + 1
    assert message.startswith(f"{path}:{line}:{column}: parameter 'P' has the unknown type 'Int'")


def test_the_placeholder_of_the_function_moves_no_position(tmp_path: Path) -> None:
    text = json.dumps(definition(lambda_step("one", FunctionArn="*FUNCTION_ARN*", DisplayName=5)))
    assert message_of(tmp_path / "p.json", text).startswith(f"{tmp_path / 'p.json'}:1:{text.index('5}') + 1}: ")


def test_the_message_has_the_place_in_a_template_where_it_is_known(tmp_path: Path) -> None:
    """A line counts that comes out as it is written, or with values for its expressions."""
    text = """{# a comment
    of two lines #}
{"Version": "2020-12-01",
 "Parameters": [
  {% for number in range(3) %}
  {"Name": "P{{ number }}", "Type": "String"},
  {% endfor %}
  {"Name": {{ name|tojson }}, "Type": {{ kind|tojson }}, "EnumValues": 5}
 ],
 "Steps": [{"Name": "one", "Type": "Lambda", "FunctionArn": {{ function_arn|tojson }}, "DisplayName": 7}]
}"""
    path = tmp_path / "p.json.j2"
    lines = message_of(path, text).splitlines()
    assert lines == [
        f"{path}:8:39: parameter 'P' has the unknown type 'Int'; did you mean \"Integer\"?",
        f"{path}:10:103: step 'one': DisplayName is not text",
    ]


def test_the_message_has_the_path_where_the_place_is_not_known(tmp_path: Path) -> None:
    with pytest.raises(TemplateError) as caught:
        check(parameter(Type="Int"), tmp_path / "p.json.j2")
    assert caught.value.message.endswith("(at Parameters[0].Type)")


@pytest.mark.parametrize("key", ["IfSteps", "ElseSteps", "ForEachBody"])
@pytest.mark.parametrize("wrong", [{"Get": "Parameters.missing"}, {"Get": 5}, {"Std:Join": "text"}], ids=repr)
def test_a_key_that_holds_steps_elsewhere_hides_nothing(key: str, wrong: Any) -> None:
    found = list(problems(definition(lambda_step("one", {"nested": {key: [wrong]}}))))
    assert [problem.path for problem in found] == [("Steps", 0, "Arguments", "nested", key, 0)]
