"""Functions and queues as maps, and what may be left out: keys, names, rights and parameters that follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from geopipe_runner.config import load
from geopipe_runner.deployment import Deployment
from geopipe_runner.errors import ConfigError, TemplateError
from geopipe_runner.jobs.registry import job_of
from geopipe_runner.kinds.role_policies import lambda_policy, sagemaker_policy
from geopipe_runner.pipeline import execution_input
from geopipe_runner.pipeline.named_resources import named_resources
from geopipe_runner.pipeline.template import render, variables
from geopipe_runner.reconcile.blueprint import build_blueprint
from tests.support.runner_fakes import deployment

TWO = {
    "functions": {"prepare": {"source": "code"}, "approve": {"source": "code", "queue": "approvals"}},
    "queues": {"approvals": {}, "others": {"name": "kept"}},
}


def custom(folder: Path, **changes: Any) -> Deployment:
    """The deployment of a configuration with steps of its own and nothing that may be left out, and `changes`."""
    (folder / "code").mkdir(exist_ok=True)
    (folder / "code/handler.py").write_text("def lambda_handler(event, context):\n    return {}\n")
    (folder / "pipeline.json").write_text("{}")
    settings = {
        "deployment": "orders",
        "target": "local",
        "region": "us-west-2",
        "account_id": "123456789012",
        "function": {"source": "code"},
        "pipeline": {"template": "pipeline.json"},
        "job": {"kind": "custom"},
    }
    if "functions" in changes:
        del settings["function"]
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(settings | changes, sort_keys=False))
    return deployment(load(path, {}))


def resources(given: Deployment) -> dict[str, str]:
    return {resource.key: resource.name for resource in build_blueprint(given).resources}


def test_keys_and_names_of_the_maps(tmp_path: Path) -> None:
    assert resources(custom(tmp_path, **TWO)) == {
        "lambda_role": "orders-lambda-role",
        "lambda_policy": "orders-lambda-role-orders",
        "sagemaker_role": "orders-sagemaker-role",
        "sagemaker_policy": "orders-sagemaker-role-orders",
        "queue.approvals": "orders-approvals",
        "dead_letter_queue.approvals": "orders-approvals-dlq",
        "queue.others": "kept",
        "dead_letter_queue.others": "kept-dlq",
        "log_group.prepare": "/aws/lambda/orders-prepare",
        "log_group.approve": "/aws/lambda/orders-approve",
        "function.prepare": "orders-prepare",
        "function.approve": "orders-approve",
        "mapping.approve": "orders-approvals -> orders-approve",
        "dead_letter_mapping.approve": "orders-approvals-dlq -> orders-approve",
        "pipeline": "orders-pipeline",
    }


def test_the_short_form_keeps_its_keys_and_may_stand_next_to_a_map(tmp_path: Path) -> None:
    short = {"function": "orders-function", "queue": "orders-queue", "dead_letter_queue": "orders-queue-dlq"}
    assert short.items() <= resources(custom(tmp_path)).items()
    mixed = custom(tmp_path, function={"source": "code", "queue": "approvals"}, queues={"approvals": {}})
    assert resources(mixed)["mapping"] == "orders-approvals -> orders-function"
    without_queue = resources(custom(tmp_path, functions={"only": {"source": "code"}}))
    assert not any(key.startswith(("queue", "mapping")) for key in without_queue)
    nothing = resources(custom(tmp_path, functions={}))
    assert set(nothing) == {"sagemaker_role", "sagemaker_policy", "pipeline"}


def test_the_roles_may_use_all_of_them_in_either_scope(tmp_path: Path) -> None:
    for scope in ("all", "resources"):
        given = custom(tmp_path, **TWO, iam={"scope": scope})
        granted = {
            action: statement["Resource"]
            for policy in (lambda_policy(given), sagemaker_policy(given))
            for statement in policy["Statement"]
            for action in statement["Action"]
        }
        lambda_arn, queue_arn = "arn:aws:lambda:us-west-2:123456789012:function:", "arn:aws:sqs:us-west-2:123456789012:"
        assert granted["lambda:InvokeFunction"] == [f"{lambda_arn}orders-prepare", f"{lambda_arn}orders-approve"]
        assert granted["sqs:SendMessage"] == [f"{queue_arn}orders-approvals", f"{queue_arn}kept"]
        received = [f"{queue_arn}orders-approvals", f"{queue_arn}orders-approvals-dlq"]
        assert granted["sqs:ReceiveMessage"] == ("*" if scope == "all" else received)
        assert not any(action.startswith("s3:") for action in granted), "there is no bucket"


def test_a_template_names_them_by_their_keys(tmp_path: Path) -> None:
    values = variables(custom(tmp_path, **TWO))
    assert values["functions"]["approve"]["name"] == "orders-approve"
    assert values["queues"]["others"]["url"].endswith("/123456789012/kept")
    assert not {"function_arn", "queue_url", "bucket"} & set(values), "nothing says which one"
    short = variables(custom(tmp_path))
    assert short["functions"]["function"]["arn"] == short["function_arn"]
    (tmp_path / "plain.json").write_text('{"Steps": ["*FUNCTION_ARN*"]}')
    with pytest.raises(TemplateError, match=r"\*FUNCTION_ARN\*"):
        render(tmp_path / "plain.json", values)


def test_a_parameter_that_needs_what_is_left_out_says_what_to_set(tmp_path: Path) -> None:
    names = {
        "parameter_input_uri": "input.source",
        "parameter_output_uri": "bucket.name",
        "mine": "pipeline.parameters",
    }
    definition = {"Parameters": [{"Name": name, "Type": "String"} for name in names], "Steps": []}
    with pytest.raises(ConfigError) as caught:
        execution_input.parameters(custom(tmp_path), definition, "20260101T000000-00000000")
    says = {problem.what.split()[2]: problem.valid for problem in caught.value.problems}
    assert all(key in says[name] for name, key in names.items()) and len(says) == len(names)


def test_policies_that_iam_would_refuse_are_refused_before(tmp_path: Path) -> None:
    many = {f"a_function_with_a_long_name_{n}": {"source": "code"} for n in range(40)}
    given = custom(tmp_path, functions=many, iam={"scope": "resources"})
    with pytest.raises(ConfigError, match=r"the policy of iam.lambda_role has [\d,]+ characters"):
        job_of(given.config.job).prepare_input(given)


def test_what_a_definition_names_and_the_configuration_does_not(tmp_path: Path) -> None:
    given = custom(tmp_path, **TWO)
    ours, url = (
        given.function_arn_of(given.function("function.approve")),
        "https://sqs.us-west-2.amazonaws.com/123456789012",
    )
    definition = {
        "Parameters": [{"Name": "queue", "Type": "String", "DefaultValue": f"{url}/theirs"}],
        "Steps": [
            {"Name": "a", "Type": "Lambda", "FunctionArn": ours},
            {"Name": "b", "Type": "Lambda", "FunctionArn": f"{ours}-2"},
            {"Name": "c", "Type": "Callback", "SqsQueueUrl": {"Get": "Parameters.queue"}},
            {"Name": "d", "Type": "Callback", "SqsQueueUrl": f"{url}/kept"},
            {"Name": "e", "Type": "Callback", "SqsQueueUrl": {"Get": "Steps.a.OutputParameters['url']"}},
            {"Name": "f", "Type": "Fail", "Arguments": {"ErrorMessage": "no"}},
        ],
    }
    found = named_resources(given, definition, {})
    assert [(named.step_type, named.place, named.named_by) for named in found] == [
        ("Lambda", f"{ours}-2", "step b names it"),
        ("Callback", f"{url}/theirs", "step c names it"),
    ]
    assert named_resources(given, definition, {"queue": f"{url}/orders-approvals"}) == found[:1]
    here = (given.name_at(f"{url}/theirs"), given.name_at("http://127.0.0.1:4566/123456789012/theirs"))
    assert here == ("theirs", "theirs")
    assert given.name_at(f"{url.replace('us-west-2', 'eu-west-1')}/theirs") is None
    assert given.name_at("https://sqs.us-west-2.amazonaws.com/999999999999/theirs") is None
