"""Every problem of a definition is found before a call; sound definitions pass."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geopipe_runner.errors import TemplateError
from geopipe_runner.kinds.sagemaker_pipeline import normalize_definition
from geopipe_runner.pipeline.definition import (
    MAX_BYTES,
    check,
    declared_parameters,
    outline,
    problems,
    serialized,
)
from geopipe_runner.pipeline.expressions import references
from geopipe_runner.pipeline.structure_checks import own_part
from tests.support.definition_mutations import lambda_step
from tests.support.definitions import SAMPLE as SAMPLE_TEMPLATE
from tests.support.runner_fakes import FUNCTION_ARN

SAMPLE = {
    **SAMPLE_TEMPLATE,
    "Steps": [{**SAMPLE_TEMPLATE["Steps"][0], "FunctionArn": FUNCTION_ARN}, *SAMPLE_TEMPLATE["Steps"][1:]],
}
EQUAL = {"Conditions": [{"Type": "Equals", "LeftValue": 1, "RightValue": 1}]}
CONDITION = {
    "Name": "decide",
    "Type": "Condition",
    "DependsOn": ["wait"],
    "Arguments": {
        "Conditions": [
            {
                "Type": "Equals",
                "LeftValue": {"Std:Join": {"On": "/", "Values": [{"Get": "Steps.wait.OutputParameters['status']"}]}},
                "RightValue": "done",
            }
        ],
        "IfSteps": [{"Name": "inner", "Type": "Fail", "Arguments": {"ErrorMessage": {"Get": "Parameters.role"}}}],
        "ElseSteps": [],
    },
}

Change = Callable[[dict[str, Any]], object]


def changed(change: Change) -> dict[str, Any]:
    definition = copy.deepcopy(SAMPLE)
    change(definition)
    return definition


KEYS = st.sampled_from(
    ["Name", "Type", "Arguments", "DependsOn", "OutputParameters", "OutputName", "OutputType", "IfSteps", "Get"]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=4)
    | st.sampled_from(
        ["Condition", "Lambda", "a", "b", "Parameters.a", "Steps.a.OutputParameters['b']", "Steps.", "."]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=30,
)
STEP = st.fixed_dictionaries(
    {"Name": st.sampled_from("abcdef"), "Type": st.sampled_from(["Condition", "Lambda"])},
    optional={
        "DependsOn": st.lists(st.sampled_from("abc"), max_size=2) | VALUES,
        "OutputParameters": st.just([{"OutputName": "b", "OutputType": "String"}]) | VALUES,
        "Arguments": st.fixed_dictionaries({"IfSteps": st.lists(VALUES | st.deferred(lambda: STEP), max_size=2)})
        | VALUES,
    },
)
DEFINITION = st.fixed_dictionaries({"Steps": st.lists(STEP, min_size=1, max_size=3)}, optional={"Parameters": VALUES})


def texts(definition: Any) -> list[str]:
    return [problem.text for problem in problems(definition)]


def step(number: int, **values: Any) -> Change:
    return lambda definition: definition["Steps"][number].update(values)


def argument(value: Any) -> Change:
    return lambda definition: definition["Steps"][1]["Arguments"].update(arn=value)


def get(reference: str) -> Change:
    return argument({"Get": reference})


def condition(arguments: Any) -> Change:
    return lambda definition: definition["Steps"].append(
        {"Name": "decide", "Type": "Condition", "Arguments": arguments}
    )


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


DEPENDS_ON = "step 'wait': DependsOn is not a list of step names"
OUTPUTS = "step 'wait': OutputParameters is not a list of objects with OutputName and OutputType"
GET = "a Get names what it gets as text, such as Parameters.name"

SOUND: dict[str, Change] = {
    "as it is": lambda _: None,
    "parameters left out": lambda d: (
        d["Steps"][0].update(Arguments={}) or d.update(Parameters=[]) or step(1, SqsQueueUrl="https://sqs/1/q")(d)
    ),
    "a condition": lambda d: d["Steps"].append(copy.deepcopy(CONDITION)),
    "depends on a step in a branch": lambda d: d["Steps"].append(copy.deepcopy(CONDITION)) or step(0, DependsOn=[])(d),
    "an output of a step in a branch": lambda d: (
        d["Steps"].append(
            {**copy.deepcopy(CONDITION), "Arguments": {**EQUAL, "IfSteps": [{**d["Steps"][0], "Name": "inner"}]}}
        )
        or get("Steps.inner.OutputParameters['arn']")(d)
        or d["Steps"][-1].pop("DependsOn")
    ),
    "every execution property": lambda d: [
        get(f"Execution.{name}")(d)
        for name in (
            "StartDateTime",
            "CurrentDateTime",
            "PipelineName",
            "PipelineArn",
            "PipelineExecutionId",
            "PipelineExecutionArn",
        )
    ],
    "a property of a training step": lambda d: (
        d["Steps"].append(
            {
                "Name": "train",
                "Type": "Training",
                "Arguments": {"OutputDataConfig": {"S3OutputPath": "s3://b"}, "RoleArn": "r"},
            }
        )
        or get("Steps.train.TrainingJobName")(d)
    ),
    "a name of 64": step(1, Name="a" * 64),
    "no experiment": lambda d: d.update(PipelineExperimentConfig=None),
}

FAULTS: list[tuple[str, Change, list[str]]] = [
    ("no steps", lambda d: d.pop("Steps"), ["there are no Steps; a pipeline has a list of at least one"]),
    ("empty steps", lambda d: d.update(Steps=[]), ["there are no Steps; a pipeline has a list of at least one"]),
    ("steps no list", lambda d: d.update(Steps={}), ["there are no Steps; a pipeline has a list of at least one"]),
    ("parameters no list", lambda d: d.update(Parameters={}), ["Parameters is not a list"]),
    ("step without name", lambda d: d["Steps"][1].pop("Name"), ["Steps[1] has no Name"]),
    ("step no object", lambda d: d["Steps"].append("x"), ["Steps[2] has no Name"]),
    ("parameter without name", lambda d: d["Parameters"][0].pop("Name"), ["Parameters[0] has no Name"]),
    ("parameter without type", lambda d: d["Parameters"][0].pop("Type"), ["Parameters[0], 'role', has no Type"]),
    ("parameters null", lambda d: d.update(Parameters=None), ["Parameters is not a list"]),
    ("step without type", lambda d: d["Steps"][1].pop("Type"), ["Steps[1], 'wait', has no Type"]),
    ("depends on a number", step(1, DependsOn=5), [DEPENDS_ON]),
    ("depends on nothing", step(1, DependsOn=None), [DEPENDS_ON]),
    ("depends on a list of lists", step(1, DependsOn=[["start"]]), [DEPENDS_ON]),
    ("depends on text", step(1, DependsOn="start"), [DEPENDS_ON]),
    ("arguments null", step(1, Arguments=None), ["step 'wait': Arguments is not an object"]),
    ("outputs as text", step(1, OutputParameters=["x"]), [OUTPUTS]),
    ("outputs null", step(1, OutputParameters=None), [OUTPUTS]),
    ("output without type", step(1, OutputParameters=[{"OutputName": "x"}]), [OUTPUTS]),
    ("a get of a number", argument({"Get": 5}), [f"step 'wait': Arguments.arn: {GET}"]),
    ("a get in a list", argument(["x", {"Get": ["a"]}]), [f"step 'wait': Arguments.arn[1]: {GET}"]),
    (
        "a get outside the steps",
        lambda d: d.update(PipelineExperimentConfig={"ExperimentName": {"Get": None}}),
        [f"PipelineExperimentConfig.ExperimentName: {GET}"],
    ),
    ("condition without arguments", condition(None), ["step 'decide': Arguments is not an object"]),
    ("branch no list", condition({"IfSteps": {}}), ["Steps[2].Arguments.IfSteps is not a list"]),
    ("branch null", condition({"ElseSteps": None}), ["Steps[2].Arguments.ElseSteps is not a list"]),
    ("branch of text", condition({"IfSteps": ["start"]}), ["Steps[2].Arguments.IfSteps[0] has no Name"]),
    (
        "step without name in a branch",
        condition({"ElseSteps": [{"Name": "a", "Type": "Fail"}, {"Type": "Fail"}]}),
        ["Steps[2].Arguments.ElseSteps[1] has no Name"],
    ),
    (
        "step without name in a branch of a branch",
        condition({"IfSteps": [{"Name": "a", "Type": "Condition", "Arguments": {"IfSteps": [{"Type": "Fail"}]}}]}),
        ["Steps[2].Arguments.IfSteps[0].Arguments.IfSteps[0] has no Name"],
    ),
    (
        "bad lists in a branch",
        condition({"IfSteps": [{"Name": "a", "Type": "Lambda", "DependsOn": "b", "Arguments": {"x": {"Get": 1}}}]}),
        ["step 'a': DependsOn is not a list of step names", f"step 'a': Arguments.x: {GET}"],
    ),
    ("deep", argument(nested(100)), ["it is nested more than 64 levels deep"]),
    ("very deep", argument(nested(100_000)), ["it is nested more than 64 levels deep"]),
    (
        "two steps of a name",
        lambda d: (
            d["Steps"].append({"Name": "start", "Type": "Lambda", "FunctionArn": FUNCTION_ARN})
            or get("Parameters.role")(d)
        ),
        ["step 'start' is used 2 times; names must be unique"],
    ),
    (
        "a step in a branch of the same name",
        lambda d: d["Steps"].append(
            {**copy.deepcopy(CONDITION), "Arguments": {**EQUAL, "IfSteps": [{"Name": "decide", "Type": "Fail"}]}}
        ),
        ["step 'decide' is used 2 times; names must be unique"],
    ),
    (
        "two parameters of a name",
        lambda d: d["Parameters"].append({"Name": "role", "Type": "String"}),
        ["parameter 'role' is used 2 times; names must be unique"],
    ),
    (
        "step name with a space",
        step(1, Name="wait here"),
        ["step name 'wait here' is not valid: 1 to 64 letters, digits, hyphens or underscores"],
    ),
    (
        "step name too long",
        step(1, Name="a" * 65),
        [f"step name '{'a' * 65}' is not valid: 1 to 64 letters, digits, hyphens or underscores"],
    ),
    (
        "step name with a line break at its end",
        step(1, Name="wait\n"),
        ["step name 'wait\\n' is not valid: 1 to 64 letters, digits, hyphens or underscores"],
    ),
    (
        "parameter name with a dot",
        lambda d: d["Parameters"].append({"Name": "a.b", "Type": "String"}),
        ["parameter name 'a.b' is not valid: 1 to 64 letters, digits, hyphens or underscores"],
    ),
    (
        "unknown parameter",
        get("Parameters.rolle"),
        ["step 'wait': 'Parameters.rolle' names an unknown parameter; did you mean \"role\"?"],
    ),
    (
        "unknown parameter outside the steps",
        lambda d: d.update(PipelineExperimentConfig={"ExperimentName": {"Get": "Parameters.x"}}),
        ["'Parameters.x' names an unknown parameter; the parameters are queue, role"],
    ),
    (
        "unknown parameter as a queue",
        step(1, SqsQueueUrl={"Get": "Parameters.x"}),
        ["step 'wait': 'Parameters.x' names an unknown parameter; the parameters are queue, role"],
    ),
    (
        "unknown parameter in a join",
        argument({"Std:Join": {"On": "/", "Values": ["a", {"Get": "Parameters.x"}]}}),
        ["step 'wait': 'Parameters.x' names an unknown parameter; the parameters are queue, role"],
    ),
    (
        "unknown parameter in a branch",
        lambda d: d["Steps"].append(
            {
                "Name": "decide",
                "Type": "Condition",
                "Arguments": {
                    **EQUAL,
                    "ElseSteps": [
                        {"Name": "no", "Type": "Fail", "Arguments": {"ErrorMessage": {"Get": "Parameters.x"}}}
                    ],
                },
            }
        ),
        ["step 'no': 'Parameters.x' names an unknown parameter; the parameters are queue, role"],
    ),
    (
        "unknown execution property",
        get("Execution.Name"),
        [
            "step 'wait': 'Execution.Name' is unknown; known are CurrentDateTime, PipelineArn, PipelineExecutionArn, "
            "PipelineExecutionId, PipelineName, ProcessingJobName, StartDateTime, TrainingJobName"
        ],
    ),
    (
        "unknown room",
        get("Params.role"),
        ["step 'wait': 'Params.role' is unknown; a Get begins with Parameters., Execution. or Steps."],
    ),
    (
        "unknown step",
        get("Steps.strat.OutputParameters['arn']"),
        ["step 'wait': \"Steps.strat.OutputParameters['arn']\" names an unknown step; did you mean \"start\"?"],
    ),
    (
        "unknown output",
        get("Steps.start.OutputParameters['arm']"),
        [
            "step 'wait': \"Steps.start.OutputParameters['arm']\": step 'start' declares no such output; "
            "it declares arn, statusCode"
        ],
    ),
    (
        "outputs without a name",
        get("Steps.start.OutputParameters"),
        ["step 'wait': 'Steps.start.OutputParameters': of a Lambda step a Get can only read OutputParameters['name']"],
    ),
    (
        "something else of a step",
        get("Steps.start.FunctionArn"),
        ["step 'wait': 'Steps.start.FunctionArn': of a Lambda step a Get can only read OutputParameters['name']"],
    ),
    (
        "depends on an unknown step",
        step(1, DependsOn=["begin"]),
        ["step 'wait': DependsOn names the unknown step 'begin'; the steps are start, wait"],
    ),
    ("depends on itself", step(0, DependsOn=["start"]), ["steps wait for each other: start -> start"]),
    (
        "refers to itself",
        get("Steps.wait.OutputParameters['status']"),
        ["steps wait for each other: wait -> wait"],
    ),
]


@pytest.mark.parametrize("name", SOUND)
def test_sound(name: str) -> None:
    assert texts(changed(SOUND[name])) == []


@pytest.mark.parametrize(("change", "expected"), [pytest.param(c, e, id=name) for name, c, e in FAULTS])
def test_faults(change: Change, expected: list[str]) -> None:
    assert texts(changed(change)) == expected


@settings(max_examples=200, deadline=None)
@given(VALUES | DEFINITION)
def test_any_json_has_problems_or_none_and_no_traceback(definition: Any) -> None:
    found = texts(definition)
    assert all(found)
    if not found:  # then the rest of the program may rely on it
        assert normalize_definition(definition)
        assert declared_parameters(definition) is not None


@pytest.mark.parametrize("more", [0, 1])
def test_a_definition_has_a_mebibyte_at_most(more: int) -> None:
    definition = changed(argument(""))
    definition["Steps"][1]["Arguments"]["arn"] = "x" * (MAX_BYTES - len(serialized(definition)) + more)
    expected = [f"the definition has {MAX_BYTES + 1:,} bytes; SageMaker takes {MAX_BYTES:,}"] if more else []
    assert texts(definition) == expected


def test_a_message_has_at_most_a_hundred_problems_and_thirty_names() -> None:
    steps = [lambda_step(f"s{number}", {"x": {"Get": "Parameters.none"}}) for number in range(101)]
    with pytest.raises(TemplateError) as caught:
        check({"Steps": steps, "Parameters": []}, Path("p.json"))
    assert len(caught.value.message.splitlines()) == 101
    assert caught.value.message.endswith("p.json: there are more problems; correct these 100 first")
    sound = [{**entry, "Arguments": {}} for entry in steps]
    (problem,) = texts({"Steps": [*sound, lambda_step("x", DependsOn=["?"])]})
    assert problem.endswith("s33, s34, 72 more")


@pytest.mark.parametrize(
    "change",
    [
        step(0, DependsOn=["wait"]),
        lambda d: d["Steps"][0]["Arguments"].update(x={"Get": "Steps.wait.OutputParameters['status']"}),
    ],
)
def test_a_cycle_is_shown_step_by_step(change: Change) -> None:
    (problem,) = texts(changed(change))
    assert problem in (
        "steps wait for each other: start -> wait -> start",
        "steps wait for each other: wait -> start -> wait",
    )


def test_all_problems_are_listed_each_with_the_file() -> None:
    definition = changed(lambda d: get("Parameters.x")(d) or step(0, DependsOn=["y"])(d))
    with pytest.raises(TemplateError) as caught:
        check(definition, Path("p.json"))
    lines = caught.value.message.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("p.json: step ") for line in lines)


@pytest.mark.parametrize(
    "change",
    [
        step(1, DependsOn=None),
        step(1, DependsOn="start"),
        step(1, OutputParameters=None),
        step(1, OutputParameters=["status"]),
        lambda d: d["Steps"].append({"Name": "c", "Type": "Condition", "Arguments": {"IfSteps": [{"Type": "Fail"}]}}),
        lambda d: d["Steps"].append({"Name": "c", "Type": "Condition", "Arguments": None}),
        lambda d: d["Steps"].append({"Name": "c", "Type": "Condition", "Arguments": {"IfSteps": None}}),
        lambda d: d["Steps"].append({**CONDITION, "Arguments": {"IfSteps": ["x"]}}),
        step(1, DependsOn=[["start"]]),
    ],
)
def test_a_misshapen_definition_is_a_fault_and_no_traceback(change: Change) -> None:
    assert texts(changed(change))


def test_references_of_a_branch_belong_to_its_steps() -> None:
    assert list(references(own_part(CONDITION))) == ["Steps.wait.OutputParameters['status']"]
    assert list(references({"Get": ["no", "reference"]})) == []
    assert list(references({"Get": "a", "more": 1})) == []


def test_declared_parameters() -> None:
    assert declared_parameters(SAMPLE) == ("role", "queue")
    assert declared_parameters({}) == ()


def test_an_outline_names_what_goes_before_each_step() -> None:
    """Explicitly, by reference, and as a branch of a condition; in the order of the definition."""
    branch = {"Name": "other", "Type": "Fail", "DependsOn": ["start"]}
    condition = {**CONDITION, "Arguments": {**CONDITION["Arguments"], "ElseSteps": [branch]}}
    definition = {**SAMPLE, "Steps": [*SAMPLE["Steps"], condition]}
    found = {step.name: step for step in outline(definition)}
    assert list(found) == ["start", "wait", "decide", "inner", "other"]
    assert (found["start"].kind, found["start"].depends_on) == ("Lambda", ())
    assert found["wait"].depends_on == ("start",)
    assert found["decide"].depends_on == ("wait",)
    assert found["inner"].depends_on == ("decide",)
    assert found["other"].depends_on == ("decide", "start")
    assert outline({}) == ()
