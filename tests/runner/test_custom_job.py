"""Work of the user's own: the parameters of its pipeline, and what its function may do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from geopipe_runner.config import load
from geopipe_runner.config.model import S3Location
from geopipe_runner.jobs.custom import Custom
from geopipe_runner.kinds.base import differences
from geopipe_runner.kinds.policy_documents import document, normalize
from geopipe_runner.kinds.role_policies import lambda_policy, sagemaker_policy
from geopipe_runner.pipeline import execution_input
from geopipe_runner.pipeline.template import render, variables
from tests.support.paths import ROOT
from tests.support.runner_fakes import config, deployment

RUN = "20260101T000000-00000000"
EXAMPLE = ROOT / "docs/examples/own_steps/config.yaml"
CUSTOM = {"kind": "custom"}
STATEMENT = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}


def declaring(*names: str) -> dict[str, Any]:
    return {"Parameters": [{"Name": name, "Type": "String", "DefaultValue": "x"} for name in names], "Steps": []}


def test_only_what_is_declared_is_set() -> None:
    given = deployment(config(job=CUSTOM))
    assert execution_input.parameters(given, declaring("parameter_run_id", "mine"), RUN) == {"parameter_run_id": RUN}
    assert execution_input.parameters(given, declaring(), RUN) == {}


def test_every_parameter() -> None:
    given = deployment(config(job=CUSTOM))
    bucket = "s3://geopipe-local-123456789012"
    assert Custom().parameters(given, RUN) == {
        "parameter_execution_role": given.sagemaker_role_arn,
        "parameter_region": "us-west-2",
        "parameter_queue_url": given.queue_url,
        "parameter_input_uri": f"{bucket}/input/latlongtest.csv",
        "parameter_output_uri": f"{bucket}/output/{RUN}/",
        "parameter_run_id": RUN,
    }


def test_an_input_that_is_in_s3_already() -> None:
    given = deployment(config(job=CUSTOM, input={"source": S3Location("theirs", "a/b.csv")}))
    assert Custom().parameters(given, RUN)["parameter_input_uri"] == "s3://theirs/a/b.csv"


@pytest.mark.parametrize(
    ("key", "fits"),
    [("output/1/results.csv", True), ("output/1/a/part-0.csv", True), ("output/1/summary.json", False)],
)
def test_any_csv_is_a_result(key: str, fits: bool) -> None:
    assert bool(Custom().results.file_name.search(key)) == fits


def test_the_users_statements_join_the_policy() -> None:
    alone = lambda_policy(deployment())
    joined = lambda_policy(deployment(config(function={"policy_statements": (STATEMENT,)})))
    assert joined == document(*alone["Statement"], STATEMENT)
    changes = list(differences(normalize(alone), normalize(joined)))
    assert [change.path for change in changes] == ["Statement.Allow s3:GetObject"]


def test_the_pipelines_statements_are_in_the_policy_of_its_role_only() -> None:
    made = deployment(config(pipeline={"policy_statements": (STATEMENT,)}))
    assert sagemaker_policy(made)["Statement"][-1] == STATEMENT
    assert STATEMENT not in lambda_policy(made)["Statement"]
    assert STATEMENT not in sagemaker_policy(deployment(config()))["Statement"]


@pytest.mark.parametrize("scope", ["all", "resources"])
def test_narrowed_a_custom_job_may_not_use_geospatial_services(scope: str) -> None:
    geospatial = {kind: _actions_on_jobs(kind, scope) for kind in ("reverse_geocoding", "custom")}
    assert geospatial["reverse_geocoding"]
    assert bool(geospatial["custom"]) == (scope == "all")


def _actions_on_jobs(kind: str, scope: str) -> list[str]:
    given = deployment(config(job={"kind": kind}, iam={"scope": scope}))
    statements = [*lambda_policy(given)["Statement"], *sagemaker_policy(given)["Statement"]]
    actions = [action for statement in statements for action in statement["Action"]]
    assert {"sqs:ReceiveMessage", "sagemaker:SendPipelineExecutionStepSuccess", "lambda:InvokeFunction"} <= {*actions}
    return [action for action in actions if action.startswith(("sagemaker-geospatial:", "iam:"))]


def test_the_example_is_sound_and_its_parameters_are_set() -> None:
    example = load(EXAMPLE, {})
    given = deployment(example)
    definition = render(example.pipeline.template, variables(given))
    values = execution_input.parameters(given, definition, RUN)
    declared = {parameter["Name"]: "DefaultValue" in parameter for parameter in definition["Parameters"]}
    assert {name for name, has_default in declared.items() if not has_default} <= set(values) <= set(declared)
    assert values["parameter_rows_per_part"] == "20"


def test_the_statements_of_the_configuration_are_taken_as_written(tmp_path: Path) -> None:
    settings = yaml.safe_load((ROOT / "config/local.yaml").read_text(encoding="utf-8"))
    for section, key in (("function", "source"), ("input", "source")):
        settings[section][key] = str((ROOT / "config" / settings[section][key]).resolve())
    written = {**STATEMENT, "Condition": {"Bool": {"aws:SecureTransport": True}}, "Sid": "Mine"}
    settings["function"]["policy_statements"] = [written | {"Resource": "arn:aws:s3:::b-${account_id}/*"}]
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    (found,) = load(path, {}).function.policy_statements
    assert found == written | {"Resource": "arn:aws:s3:::b-123456789012/*"}
