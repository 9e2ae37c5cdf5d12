"""What others have made is used by ARN, URL or name, and never changed: by no run, no plan and no clean-up."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.e2e import FUNCTION_NEEDS, PIPELINE_NEEDS, Standing, Workplace
from tests.support.wait import eventually

ACCOUNT = "123456789012"
FUNCTION = f"arn:aws:lambda:us-west-2:{ACCOUNT}:function:theirs"
QUEUE = f"arn:aws:sqs:us-west-2:{ACCOUNT}:theirs"
ROLES = {name: f"arn:aws:iam::{ACCOUNT}:role/team/{name}" for name in ("their-function", "their-pipeline")}
HANDLER = """import json
import boto3

def lambda_handler(event, context):
    for record in event.get("Records", []):
        token = json.loads(record["body"])["token"]
        boto3.client("sagemaker").send_pipeline_execution_step_success(CallbackToken=token, OutputParameters=[])
    return {}
"""
# What passes messages from a queue to a function is ours, though both are not.
OF_THE_MAPPING = {f"lambda:{verb}EventSourceMapping" for verb in ("Create", "Delete")}
OF_THE_PIPELINE = {
    f"sagemaker:{operation}" for operation in ("CreatePipeline", "StartPipelineExecution", "DeletePipeline")
}


def trust(service: str) -> str:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def zipped(text: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("handler.py", text)
    return content.getvalue()


@pytest.fixture
def theirs(standing: Standing) -> Standing:
    """An account in which another tool has made a function, a queue, a bucket and two roles."""
    iam, services = standing.client("iam"), ("lambda.amazonaws.com", "sagemaker.amazonaws.com")
    for (name, _), service, needs in zip(ROLES.items(), services, (FUNCTION_NEEDS, PIPELINE_NEEDS), strict=True):
        iam.create_role(RoleName=name, Path="/team/", AssumeRolePolicyDocument=trust(service))
        standing.allow(name, *needs)
    standing.client("sqs").create_queue(QueueName="theirs", Attributes={"VisibilityTimeout": "60"})
    location = {"LocationConstraint": "us-west-2"}
    standing.client("s3").create_bucket(Bucket="their-data", CreateBucketConfiguration=location)
    standing.client("lambda").create_function(
        FunctionName="theirs",
        Runtime="python3.13",
        Handler="handler.lambda_handler",
        Role=ROLES["their-function"],
        Timeout=30,
        Code={"ZipFile": zipped(HANDLER)},
        Tags={"made-by": "terraform"},
    )
    standing.client("lambda").get_waiter("function_active_v2").wait(FunctionName="theirs")
    return standing


def state(theirs: Standing) -> dict[str, Any]:
    """Everything that a change of their resources would show in."""
    functions, sqs, s3, iam = (theirs.client(name) for name in ("lambda", "sqs", "s3", "iam"))
    function = functions.get_function(FunctionName="theirs")
    url = sqs.get_queue_url(QueueName="theirs")["QueueUrl"]
    counts = "ApproximateNumberOf"
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return {
        "function": (function["Configuration"] | {"Concurrency": function.get("Concurrency")}, function["Tags"]),
        "queue": {name: value for name, value in attributes.items() if not name.startswith(counts)},
        "queue tags": sqs.list_queue_tags(QueueUrl=url).get("Tags"),
        "buckets": [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]],
        "roles": [iam.get_role(RoleName=name)["Role"] | {"RoleLastUsed": None} for name in ROLES],
        "policies": [iam.list_role_policies(RoleName=name)["PolicyNames"] for name in ROLES],
        "attached": [iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] for name in ROLES],
    }


def write_config(
    workplace: Workplace,
    standing: Standing,
    steps: list[dict[str, Any]] | None = None,
    parameters: list[dict[str, Any]] | None = None,
    **changes: Any,
) -> Path:
    work = {"Name": "work", "Type": "Lambda", "FunctionArn": "{{ functions.work.arn }}"}
    wait = {"Name": "wait", "Type": "Callback", "SqsQueueUrl": "{{ queues.answers.url }}", "DependsOn": ["work"]}
    definition = {"Version": "2020-12-01", "Parameters": parameters or [], "Steps": steps or [work, wait]}
    (workplace.folder / "pipeline.json.j2").write_text(json.dumps(definition))
    settings: dict[str, Any] = {
        "deployment": "mine",
        "target": "local",
        "endpoint": standing.url,
        "region": "us-west-2",
        "account_id": ACCOUNT,
        "iam": {
            "lambda_role": ROLES["their-function"],
            "sagemaker_role": ROLES["their-pipeline"],
            "propagation_timeout": 0,
        },
        "functions": {"work": {"arn": FUNCTION, "queue": "answers"}},
        "queues": {"answers": {"url": f"{standing.url}/{ACCOUNT}/theirs"}},
        "bucket": {"name": "their-data", "managed": False},
        "pipeline": {"template": "pipeline.json.j2"},
        "job": {"kind": "custom"},
        "execution": {"poll_interval": 0.1},
    }
    path = workplace.folder / "config.yaml"
    path.write_text(yaml.safe_dump(settings | changes, sort_keys=False))
    return path


def test_nothing_that_is_used_is_changed(workplace: Workplace, theirs: Standing) -> None:
    (workplace.folder / "rows.csv").write_text("a\n1\n")
    config = write_config(workplace, theirs, input={"source": "rows.csv"})
    before, calls = state(theirs), theirs.mutating_calls()

    done = workplace.geopipe("run", config, "--non-interactive", "--cleanup=none")
    assert done.returncode == 0, done.stdout + done.stderr
    for line in (
        "  = use     Lambda function       theirs",
        "  = use     queue                 theirs",
        "  = use     bucket                their-data",
        "  = use     IAM role              their-pipeline",
        "Plan: 3 to create, 0 to update, 0 to delete, 0 unchanged, 4 used.",
    ):
        assert line in done.stdout
    assert "Execution finished with status Succeeded" in done.stdout

    # Their settings are theirs: a change of one is no difference.
    theirs.client("lambda").update_function_configuration(FunctionName="theirs", MemorySize=512)
    planned = workplace.geopipe("plan", config, "--detailed-exitcode")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    for command in ("status", "logs", "results"):
        assert workplace.geopipe(command, config).returncode == 0
    again = workplace.geopipe("run", config, "--non-interactive", "--cleanup=none", "--output-dir", "out")
    assert again.returncode == 0 and "Lambda ready with ARN " + FUNCTION + " (used)." in again.stdout
    assert "| used | Lambda function | `theirs` |" in (workplace.folder / "out/report.md").read_text()

    cleaned = workplace.geopipe("cleanup", config, "--non-interactive", "--cleanup=all")
    assert cleaned.returncode == 0, cleaned.stderr
    assert "Keeping Lambda function theirs: it is only used." in cleaned.stdout

    made = {name: count - calls.get(name, 0) for name, count in theirs.mutating_calls().items()}
    mutating = {name for name, count in made.items() if count} - {"lambda:UpdateFunctionConfiguration"}
    assert made["lambda:UpdateFunctionConfiguration"] == 1, "the test's own"
    of_the_answer = {"sagemaker:SendPipelineExecutionStepSuccess"}
    assert mutating == OF_THE_MAPPING | OF_THE_PIPELINE | of_the_answer | {"s3:PutObject", "s3:DeleteObject"}
    theirs.client("lambda").update_function_configuration(FunctionName="theirs", MemorySize=128)
    after = state(theirs)
    volatile = ("LastModified", "RevisionId")
    assert without(after, volatile) == without(before, volatile)
    assert theirs.inventory()["functions"] == ["theirs"] and "mappings" not in theirs.inventory()


def without(found: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    configuration, tags = found["function"]
    return found | {"function": ({k: v for k, v in configuration.items() if k not in names}, tags)}


def test_each_kind_alone_next_to_what_geopipe_makes(workplace: Workplace, theirs: Standing) -> None:
    """One is used, and everything else is made, without a call that would change the one."""
    code = workplace.folder / "code"
    code.mkdir()
    (code / "handler.py").write_text(HANDLER)
    function, queue = {"work": {"source": "code", "queue": "answers"}}, {"answers": {"visibility_timeout": 60}}
    made: dict[str, Any] = {"functions": function, "queues": queue, "bucket": {"name": "mine-bucket"}}
    made["iam"] = {"propagation_timeout": 0}
    used: dict[str, dict[str, Any]] = {
        "function": {"functions": {"work": {"arn": FUNCTION, "queue": "answers"}}},
        "queue": {"queues": {"answers": {"arn": QUEUE}}},
        "bucket": {"bucket": {"name": "their-data", "managed": False}},
        "lambda role": {"iam": {"lambda_role": ROLES["their-function"], "propagation_timeout": 0}},
        "pipeline role": {"iam": {"sagemaker_role": ROLES["their-pipeline"], "propagation_timeout": 0}},
    }
    for key, changes in used.items():
        config = write_config(workplace, theirs, **(made | changes))
        before, there = state(theirs), theirs.inventory()
        for arguments in (("run", "--cleanup=none"), ("cleanup", "--cleanup=all")):
            done = workplace.geopipe(arguments[0], config, "--non-interactive", *arguments[1:])
            assert done.returncode == 0, f"{key}: {done.stdout}{done.stderr}"
        after, left = state(theirs), theirs.inventory()
        assert after == before, key
        left.pop("log groups", None), there.pop("log groups", None)
        assert left == there, key


def test_what_cannot_be_used_is_refused_by_the_plan(workplace: Workplace, theirs: Standing) -> None:
    """Reads only, and one message for each."""
    iam = theirs.client("iam")
    iam.create_role(RoleName="for-people", Path="/team/", AssumeRolePolicyDocument=trust("ec2.amazonaws.com"))
    cases: list[tuple[dict[str, Any], str]] = [
        (
            {"functions": {"work": {"arn": FUNCTION + "-2", "queue": "answers"}}},
            "Lambda function theirs-2: it does not exist.",
        ),
        ({"queues": {"answers": {"arn": QUEUE + "-2"}}}, "queue theirs-2: it does not exist."),
        ({"bucket": {"name": "their-data-2", "managed": False}}, "bucket their-data-2: it does not exist."),
        (
            {"iam": {"lambda_role": ROLES["their-function"], "sagemaker_role": ROLES["their-pipeline"] + "-2"}},
            "IAM role their-pipeline-2: it does not exist.",
        ),
        (
            {"iam": {"sagemaker_role": f"arn:aws:iam::{ACCOUNT}:role/team/for-people"}},
            "IAM role for-people: its trust policy does not let sagemaker.amazonaws.com assume it.",
        ),
        (
            {"iam": {"sagemaker_role": f"arn:aws:iam::{ACCOUNT}:role/their-pipeline"}},
            f"IAM role their-pipeline: its ARN is {ROLES['their-pipeline']}.",
        ),
    ]
    before = theirs.mutating_calls()
    for changes, expected in cases:
        done = workplace.geopipe("plan", write_config(workplace, theirs, **changes))
        assert done.returncode == 5 and expected in done.stderr, f"{expected}\n{done.stdout}{done.stderr}"
    assert theirs.mutating_calls() == before

    theirs.client("lambda").update_function_configuration(FunctionName="theirs", Timeout=61)
    done = workplace.geopipe("run", write_config(workplace, theirs), "--non-interactive")
    assert done.returncode == 5, done.stdout
    assert "visibility timeout (60 s) is shorter than the function's timeout (61 s)" in done.stderr


def test_what_only_the_definition_names_is_checked_and_granted(workplace: Workplace, theirs: Standing) -> None:
    """The queue is found through a parameter. Without the rights on both, the steps would fail here."""
    url = f"{theirs.url}/{ACCOUNT}/theirs"

    def steps(function: str, queue: Any) -> list[dict[str, Any]]:
        work = {"Name": "work", "Type": "Lambda", "FunctionArn": function}
        return [work, {"Name": "wait", "Type": "Callback", "SqsQueueUrl": queue}]

    mapped = theirs.client("lambda").create_event_source_mapping(EventSourceArn=QUEUE, FunctionName="theirs")
    eventually(lambda: theirs.client("lambda").get_event_source_mapping(UUID=mapped["UUID"])["State"] == "Enabled")
    none = {"functions": {}, "queues": {}, "bucket": {}, "iam": {"propagation_timeout": 0}}
    parameters = [{"Name": "queue", "Type": "String", "DefaultValue": url}]
    through = {"Get": "Parameters.queue"}
    config = write_config(workplace, theirs, steps(FUNCTION, through), parameters, **none)
    done = workplace.geopipe("run", config, "--non-interactive", "--cleanup=all")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "= use     Lambda function  theirs" in done.stdout and "= use     queue            theirs" in done.stdout
    left = theirs.inventory()
    assert left["functions"] == ["theirs"] and left["mappings"] == [mapped["UUID"]] and "pipelines" not in left

    before = theirs.mutating_calls()
    config = write_config(workplace, theirs, steps(f"{FUNCTION}-2", f"{url}-2"), **none)
    for command in ("plan", "run"):
        done = workplace.geopipe(command, config, "--non-interactive")
        assert done.returncode == 5
        assert "Lambda function theirs-2: step work names it, and it does not exist." in done.stderr
        assert "queue theirs-2: step wait names it, and it does not exist." in done.stderr
    assert theirs.mutating_calls() == before

    # An emulator of the command's own has neither, which needs no call to know.
    config = write_config(workplace, theirs, steps(FUNCTION, url), **none, endpoint=None)
    done = workplace.geopipe("validate", config)
    assert done.returncode == 2 and "'work': FunctionArn" in done.stderr and "'wait': SqsQueueUrl" in done.stderr
    elsewhere = FUNCTION.replace("us-west-2", "eu-west-1")
    done = workplace.geopipe("validate", write_config(workplace, theirs, steps(elsewhere, url), **none))
    assert done.returncode == 2 and "SageMaker calls functions of its own region" in done.stderr
