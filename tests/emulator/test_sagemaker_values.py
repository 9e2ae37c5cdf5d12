"""References, joins and typed parameters of pipeline definitions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopipe_emulator.services.sagemaker.values import (
    ExecutionReference,
    ExpressionError,
    OutcomeReference,
    OutputReference,
    ParameterReference,
    PropertyFileReference,
    PropertyReference,
    ResolutionScope,
    flatten,
    from_text,
    has_type,
    parse_reference,
    references,
    resolve,
    to_text,
)

OBJECTS = {
    "s3://b/r.json": b'{"m": {"mse": [4, 0.5]}, "name": "seven", "on": true}',
    "s3://b/text.json": b"mse: 4",
}


def read(uri: str) -> bytes:
    if uri not in OBJECTS:
        raise ExpressionError(f"{uri} cannot be read")
    return OBJECTS[uri]


def report(path: str) -> dict[str, Any]:
    return {"Std:JsonGet": {"PropertyFile": {"Get": "Steps.train.PropertyFiles.Report"}, "Path": path}}


SCOPE = ResolutionScope(
    parameters={"bucket": "b", "count": 3, "share": 0.5, "on": True},
    execution={"PipelineExecutionId": "abc123def456"},
    outputs={"first": {"arn": "arn:x", "n": "7", "bad": "seven"}},
    output_types={"first": {"arn": "String", "n": "Integer", "bad": "Integer"}},
    properties={
        "train": {
            "ModelArtifacts": {"S3ModelArtifacts": "s3://b/model.tar.gz"},
            "Outputs": [{"OutputName": "train", "Uri": "s3://b/train"}, {"OutputName": "test", "Uri": "s3://b/test"}],
        }
    },
    property_files={"train": {"Report": "s3://b/r.json"}},
    read_object=read,
)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("Parameters.bucket", ParameterReference("bucket")),
        ("Parameters.with-dash_2", ParameterReference("with-dash_2")),
        ("Execution.PipelineExecutionArn", ExecutionReference("PipelineExecutionArn")),
        ("Steps.first.OutputParameters['arn']", OutputReference("first", "arn")),
        ('Steps.first.OutputParameters["arn"]', OutputReference("first", "arn")),
        ("Steps.a-b_c.OutputParameters['x y.z']", OutputReference("a-b_c", "x y.z")),
        ("Steps.a-b_c.Outcome", OutcomeReference("a-b_c")),
        ("Steps.a.PropertyFiles.Report", PropertyFileReference("a", "Report")),
        ("Steps.a.ModelArtifacts.S3ModelArtifacts", PropertyReference("a", ("ModelArtifacts", "S3ModelArtifacts"))),
        ("Steps.a.Outputs['x y'].Items[0].Uri", PropertyReference("a", ("Outputs", "x y", "Items", 0, "Uri"))),
    ],
)
def test_known_references(text: str, target: object) -> None:
    assert parse_reference(text) == target


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Parameters.",
        "Parameters.a.b",
        "parameters.a",
        "Execution.Nonsense",
        "Steps.a",
        7,
        None,
    ],
)
def test_unknown_references_name_the_valid_forms(text: object) -> None:
    with pytest.raises(ExpressionError, match=r"expected Parameters\.<name>"):
        parse_reference(text)


@pytest.mark.parametrize("text", ["Steps.a.OutputParameters['x\"]", "Steps.a.Outputs[x]", "Steps.a.b..c"])
def test_malformed_properties_say_what_a_path_is(text: str) -> None:
    with pytest.raises(ExpressionError, match=r"is no path: expected member\.member"):
        parse_reference(text)


@pytest.mark.parametrize(
    ("value", "resolved"),
    [
        ("plain", "plain"),
        (5, 5),
        (None, None),
        ({"Get": "Parameters.bucket"}, "b"),
        ({"Get": "Parameters.count"}, 3),
        ({"Get": "Parameters.on"}, True),
        ({"Get": "Execution.PipelineExecutionId"}, "abc123def456"),
        ({"Get": "Steps.first.OutputParameters['arn']"}, "arn:x"),
        ({"Get": "Steps.first.OutputParameters['n']"}, 7),
        ({"Std:Join": {"On": "/", "Values": ["s3:/", {"Get": "Parameters.bucket"}, 1, True]}}, "s3://b/1/true"),
        ({"Std:Join": {"Values": ["a", {"Std:Join": {"On": "-", "Values": ["b", 0.5]}}]}}, "ab-0.5"),
        (
            {"nested": [{"Get": "Parameters.share"}, {"deep": {"Get": "Parameters.bucket"}}]},
            {"nested": [0.5, {"deep": "b"}]},
        ),
        ({"Get": "Parameters.bucket", "other": 1}, {"Get": "Parameters.bucket", "other": 1}),
        ({"Get": "Steps.train.ModelArtifacts.S3ModelArtifacts"}, "s3://b/model.tar.gz"),
        ({"Get": "Steps.train.Outputs['test'].Uri"}, "s3://b/test"),
        ({"Get": "Steps.train.Outputs[0].Uri"}, "s3://b/train"),
        (report("m.mse[1]"), 0.5),
        (report("$.m['mse'][0]"), 4),
        (report("name"), "seven"),
        ({"Std:JsonGet": {"S3Uri": "s3://b/r.json", "Path": "on"}}, True),
        (
            {"Std:JsonGet": {"S3Uri": {"Std:Join": {"On": "/", "Values": ["s3:/", "b", "r.json"]}}, "Path": "m.mse"}},
            [4, 0.5],
        ),
    ],
)
def test_resolution(value: object, resolved: object) -> None:
    assert resolve(value, SCOPE) == resolved


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"Get": "Parameters.none"}, "parameter 'none' is not declared"),
        ({"Get": "Execution.PipelineName"}, "execution variable 'PipelineName' is not known"),
        ({"Get": "Steps.later.OutputParameters['x']"}, "step 'later' has not finished"),
        ({"Get": "Steps.first.OutputParameters['x']"}, "step 'first' did not return output parameter 'x'"),
        ({"Get": "Steps.first.OutputParameters['bad']"}, "not of type Integer: 'seven'"),
        ({"Std:JsonGet": {"PropertyFile": "p", "Path": "a"}}, "PropertyFile of Std:JsonGet must be"),
        ({"Std:JsonGet": {"S3Uri": "s3://b/r.json", "Path": 1}}, "Std:JsonGet needs"),
        ({"Std:JsonGet": {"S3Uri": "r.json", "Path": "a"}}, "Std:JsonGet needs an S3 URI, not 'r.json'"),
        ({"Std:JsonGet": {"S3Uri": "s3://b/none.json", "Path": "a"}}, "s3://b/none.json cannot be read"),
        ({"Std:JsonGet": {"S3Uri": "s3://b/text.json", "Path": "a"}}, "s3://b/text.json is not JSON"),
        ({"Std:JsonGet": {"S3Uri": "s3://b/r.json", "Path": "m.n"}}, r"in s3://b/r.json there is no m\.n"),
        ({"Std:JsonGet": {"S3Uri": "s3://b/r.json", "Path": "a b"}}, "'a b' is no path"),
        (
            {"Get": "Steps.train.ModelArtifacts.Uri"},
            r"no property ModelArtifacts\.Uri: there is no ModelArtifacts\.Uri",
        ),
        ({"Get": "Steps.train.Outputs['x'].Uri"}, r"there is no Outputs\.x"),
        ({"Get": "Steps.later.ModelArtifacts"}, "step 'later' has not finished"),
        ({"Get": "Steps.train.PropertyFiles.Report"}, "can be read with Std:JsonGet only"),
        ({"Std:Join": ["a"]}, "Std:Join needs"),
        ({"Std:Join": {"On": 1, "Values": []}}, "Std:Join needs"),
    ],
)
def test_what_does_not_resolve_says_why(value: object, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        resolve(value, SCOPE)


def test_references_are_found_at_any_depth() -> None:
    value = {
        "a": [{"Get": "Parameters.p"}, "Get"],
        "b": {"Std:Join": {"On": "", "Values": ["x", {"Get": "Steps.s.OutputParameters['o']"}]}},
    }
    assert list(references(value)) == [ParameterReference("p"), OutputReference("s", "o")]


def test_arguments_become_flat() -> None:
    arguments = {"s": "x", "i": 1, "f": 1.5, "b": False, "d": {"k": [1, "é"]}, "l": ["a", 2]}
    assert flatten(arguments) == {"s": "x", "i": 1, "f": 1.5, "b": False, "d": '{"k":[1,"\\u00e9"]}', "l": '["a",2]'}


@pytest.mark.parametrize(
    ("kind", "text"),
    [("Integer", "1.0"), ("Integer", ""), ("Integer", "1_0"), ("Float", "x"), ("Float", "nan"), ("Boolean", "yes")],
)
def test_text_of_another_type_is_refused(kind: str, text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        from_text(kind, text)


@pytest.mark.parametrize(
    ("kind", "value", "fits"),
    [
        ("String", "x", True),
        ("String", 1, False),
        ("Integer", 1, True),
        ("Integer", True, False),
        ("Integer", 1.0, False),
        ("Float", 1, True),
        ("Float", 1.5, True),
        ("Boolean", False, True),
        ("Boolean", "false", False),
    ],
)
def test_types_of_json_values(kind: str, value: object, fits: bool) -> None:
    assert has_type(kind, value) is fits


@given(
    st.one_of(
        st.tuples(st.just("String"), st.text()),
        st.tuples(st.just("Integer"), st.integers()),
        st.tuples(st.just("Float"), st.floats(allow_nan=False, allow_infinity=False)),
        st.tuples(st.just("Boolean"), st.booleans()),
    )
)
def test_text_form_and_type_round_trip(typed: tuple[str, Any]) -> None:
    kind, value = typed
    assert from_text(kind, to_text(value)) == value
