"""What an execution is started with; the id by which it is known."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from geopipe_runner.config import load
from geopipe_runner.config.aws_rules import MAX_PARAMETER_LENGTH
from geopipe_runner.config.model import S3Location
from geopipe_runner.errors import ConfigError, TemplateError
from geopipe_runner.kinds.base import Deployment
from geopipe_runner.pipeline import execution_input
from geopipe_runner.pipeline.run_id import client_request_token, is_run_id, new_run_id
from tests.support.paths import ROOT
from tests.support.runner_fakes import config, deployment

RUN = "20260101T000000-00000000"
NAMES = (
    "parameter_execution_role",
    "parameter_region",
    "parameter_queue_url",
    "parameter_vej_input_config",
    "parameter_vej_export_config",
    "parameter_step_1_vej_config",
)


def declaring(*names: str) -> dict[str, Any]:
    return {"Parameters": [{"Name": name, "Type": "String"} for name in names], "Steps": []}


def test_the_sample_parameters() -> None:
    values = execution_input.parameters(deployment(), declaring(*NAMES), RUN)
    assert tuple(values) == NAMES
    assert values["parameter_execution_role"] == "arn:aws:iam::123456789012:role/geopipe/local/SageMakerExampleRole"
    assert values["parameter_region"] == "us-west-2"
    assert values["parameter_queue_url"].endswith("/123456789012/sagemaker-sdk-example-queue")
    assert json.loads(values["parameter_vej_input_config"]) == {
        "DataSourceConfig": {"S3Data": {"S3Uri": "s3://geopipe-local-123456789012/input/latlongtest.csv"}},
        "DocumentType": "CSV",
    }
    assert json.loads(values["parameter_vej_export_config"]) == {
        "S3Data": {"S3Uri": f"s3://geopipe-local-123456789012/output/{RUN}/"}
    }
    assert json.loads(values["parameter_step_1_vej_config"]) == {
        "ReverseGeocodingConfig": {"XAttributeName": "Longitude", "YAttributeName": "Latitude"}
    }


def test_the_shapes_inside_are_those_of_the_service() -> None:
    import botocore.loaders
    from botocore.model import ServiceModel
    from botocore.validate import ParamValidator

    model = ServiceModel(botocore.loaders.Loader().load_service_model("sagemaker-geospatial", "service-2"))
    values = execution_input.parameters(deployment(), declaring(*NAMES), RUN)
    start = model.operation_model("StartVectorEnrichmentJob").input_shape
    export = model.operation_model("ExportVectorEnrichmentJob").input_shape
    for shape, member, name in (
        (start, "InputConfig", "parameter_vej_input_config"),
        (start, "JobConfig", "parameter_step_1_vej_config"),
        (export, "OutputConfig", "parameter_vej_export_config"),
    ):
        report = ParamValidator().validate(json.loads(values[name]), shape.members[member])
        assert not report.has_errors(), report.generate_report()


def test_an_input_in_s3_is_used_where_it_is() -> None:
    given = deployment(config(input={"source": S3Location("theirs", "a/b.csv")}))
    values = execution_input.parameters(given, declaring("parameter_vej_input_config"), RUN)
    assert "s3://theirs/a/b.csv" in values["parameter_vej_input_config"]


def test_only_what_the_pipeline_declares_is_sent() -> None:
    assert list(execution_input.parameters(deployment(), declaring("parameter_region"), RUN)) == ["parameter_region"]
    with_default = {"Parameters": [{"Name": "theirs", "Type": "String", "DefaultValue": ""}], "Steps": []}
    assert execution_input.parameters(deployment(), with_default, RUN) == {}
    assert execution_input.parameters(deployment(), {"Steps": []}, RUN) == {}


@pytest.mark.parametrize(("value", "text"), [("eu", "eu"), (3, "3"), (1.5, "1.5"), (True, "true"), (False, "false")])
def test_the_configurations_own_values_win(value: Any, text: str) -> None:
    given = deployment(config(pipeline={"parameters": {"parameter_region": value, "more": value}}))
    assert execution_input.parameters(given, declaring("parameter_region", "more"), RUN) == {
        "parameter_region": text,
        "more": text,
    }


def test_undeclared_values_are_listed_with_what_is_declared() -> None:
    given = deployment(config(pipeline={"parameters": {"zone": "x", "reigon": "y"}}))
    with pytest.raises(ConfigError) as caught:
        execution_input.parameters(given, declaring("parameter_region"), RUN)
    template = given.config.pipeline.template
    assert [(p.what, p.valid) for p in caught.value.problems] == [
        (f"pipeline parameter reigon is not declared by {template}", "it declares parameter_region"),
        (f"pipeline parameter zone is not declared by {template}", "it declares parameter_region"),
    ]


def declared(**parameter: Any) -> dict[str, Any]:
    return {"Parameters": [{"Name": "p", "Type": "String", **parameter}], "Steps": []}


UNFIT = [
    (None, {}, "pipeline parameter p has neither a value nor a default", "add it to pipeline.parameters"),
    ("", {}, "the value of pipeline parameter p is empty", "SageMaker refuses empty values; give it a value"),
    (
        "",
        {"DefaultValue": ""},
        "the value of pipeline parameter p is empty",
        "SageMaker refuses empty values; leave it out to use the default",
    ),
    ("abc", {"Type": "Integer"}, 'the value of pipeline parameter p is "abc"', "declares it as Integer"),
    (1.5, {"Type": "Integer"}, 'the value of pipeline parameter p is "1.5"', "declares it as Integer"),
    ("1_000", {"Type": "Integer"}, 'the value of pipeline parameter p is "1_000"', "declares it as Integer"),
    ("nan", {"Type": "Float"}, 'the value of pipeline parameter p is "nan"', "declares it as Float"),
    ("yes", {"Type": "Boolean"}, 'the value of pipeline parameter p is "yes"', "true or false"),
    ("staging", {"EnumValues": ["dev", "prod"]}, 'the value of pipeline parameter p is "staging"', "dev, prod"),
]


@pytest.mark.parametrize(("value", "parameter", "what", "valid"), UNFIT)
def test_a_value_that_a_start_refuses_is_a_problem(value: Any, parameter: Any, what: str, valid: str) -> None:
    given = deployment(config(pipeline={"parameters": {} if value is None else {"p": value}}))
    with pytest.raises(ConfigError) as caught:
        execution_input.parameters(given, declared(**parameter), RUN)
    (problem,) = caught.value.problems
    assert problem.what == what and valid in problem.valid


@pytest.mark.parametrize(
    ("value", "parameter"),
    [
        (3, {"Type": "Integer"}),
        ("-3", {"Type": "Integer"}),
        (3, {"Type": "Float"}),
        (1e-7, {"Type": "Float"}),
        ("True", {"Type": "Boolean"}),
        (False, {"Type": "Boolean"}),
        ("prod", {"EnumValues": ["dev", "prod"]}),
        (2, {"Type": "Integer", "EnumValues": [1, 2]}),
        ("012", {}),
    ],
)
def test_a_value_of_the_declared_type_is_sent(value: Any, parameter: Any) -> None:
    given = deployment(config(pipeline={"parameters": {"p": value}}))
    assert list(execution_input.parameters(given, declared(**parameter), RUN)) == ["p"]


@pytest.mark.parametrize("length", [1024, 1025])
def test_a_value_has_1024_characters_at_most(length: int) -> None:
    given = deployment(config(pipeline={"parameters": {"parameter_region": "r" * length}}))
    definition = declaring("parameter_region")
    if length <= MAX_PARAMETER_LENGTH:
        assert execution_input.parameters(given, definition, RUN) == {"parameter_region": "r" * length}
        return
    with pytest.raises(ConfigError, match=r"parameter_region has 1,025 characters: .*; SageMaker allows 1,024;"):
        execution_input.parameters(given, definition, RUN)


def written(folder: Path, *lines: str) -> Deployment:
    """The deployment of a file of its own, whose last lines are these."""
    path = folder / "mine.yaml"
    path.write_text(
        'deployment: test\ntarget: aws\nregion: us-west-2\naccount_id: "123456789012"\nbucket: {name: test-bucket}\n'
        + "\n".join(lines),
        encoding="utf-8",
    )
    return deployment(load(path, {}))


def problems(given: Deployment) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        execution_input.check(given)
    return [str(problem).removeprefix(f"{given.config.path}:") for problem in caught.value.problems]


def test_an_undeclared_parameter_is_shown_where_it_is_written(tmp_path: Path) -> None:
    lines = ("pipeline:", "  parameters:", "    parameter_reigon: x", "    parameter_region: us-west-2", "    own: 1")
    template = ROOT / "pipeline_templates" / "reverse_geocoding.json.j2"
    first, second = problems(written(tmp_path, *lines))
    undeclared = f"is not declared by {template}"
    assert first == f'8:5: pipeline parameter parameter_reigon {undeclared}; did you mean "parameter_region"?'
    assert second.startswith(f"10:5: pipeline parameter own {undeclared}; it declares parameter_execution_role, ")


def test_a_computed_value_that_is_too_long_is_shown_at_the_job(tmp_path: Path) -> None:
    lines = ("input:", f"  source: s3://survey-data/{'x' * 1000}.csv", "job:", "  kind: reverse_geocoding")
    (problem,) = problems(written(tmp_path, *lines))
    assert re.match(
        r'8:1: the value of pipeline parameter parameter_vej_input_config has 1,\d{3} characters: "{.*"; '
        "SageMaker allows 1,024; shorten what it is made from$",
        problem,
    )


def test_a_computed_value_of_a_file_without_a_job_section(tmp_path: Path) -> None:
    (problem,) = problems(written(tmp_path, "input:", f"  source: s3://survey-data/{'x' * 1000}.csv"))
    assert problem.startswith("1:1: the value of pipeline parameter parameter_vej_input_config has ")


def test_an_undeclared_value_of_ours_has_no_limit() -> None:
    given = deployment(config(job={"longitude_column": "x" * 2000}))
    assert execution_input.parameters(given, declaring("parameter_region"), RUN) == {"parameter_region": "us-west-2"}


def test_checking_covers_template_definition_and_parameters(tmp_path: Path) -> None:
    assert execution_input.check(deployment()) == execution_input.load_definition(deployment())
    bad = tmp_path / "bad.json"
    bad.write_text('{"Steps": []}')
    for change in ({"template": bad}, {"template": tmp_path / "none"}, {"parameters": {"x": "y"}}):
        with pytest.raises((TemplateError, ConfigError)):
            execution_input.check(deployment(config(pipeline=change)))


def test_a_definition_in_the_form_of_aws_s_sample_needs_no_change(tmp_path: Path) -> None:
    from tests.support.definitions import SAMPLE

    plain = tmp_path / "sample.json"
    plain.write_text(json.dumps(SAMPLE, indent=2))
    given = deployment(config(pipeline={"template": plain}))
    loaded = execution_input.load_definition(given)
    assert loaded["Steps"][0]["FunctionArn"] == given.function_arn
    assert {**loaded, "Steps": None} == {**SAMPLE, "Steps": None}


# SageMaker's pattern of display names.
DISPLAY_NAME = re.compile(r"[A-Za-z0-9](-*[A-Za-z0-9]){0,81}")


def test_run_ids() -> None:
    ids = {new_run_id() for _ in range(200)}
    assert len(ids) == 200
    assert all(DISPLAY_NAME.fullmatch(run_id) and is_run_id(run_id) for run_id in ids)


def test_a_run_id_says_when_in_utc() -> None:
    noon = datetime(2026, 3, 4, 12, 30, 15, tzinfo=UTC)
    assert new_run_id(noon).startswith("20260304T123015-")


@pytest.mark.parametrize("text", ["", "my-run", "20260304T123015", RUN.upper() + "A", RUN + "\n", f"x{RUN}"])
def test_other_names_are_no_run_ids(text: str) -> None:
    assert not is_run_id(text)


def test_tokens_have_the_length_that_the_service_takes() -> None:
    token = client_request_token(RUN)
    assert 32 <= len(token) <= 128
    assert token == client_request_token(RUN)
    assert token != client_request_token(new_run_id())
