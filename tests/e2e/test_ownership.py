"""Whose it is: foreign resources are refused untouched, adopted ones survive, orphans are found and asked about."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.e2e import FUNCTION_NEEDS, PIPELINE_NEEDS, Standing, Workplace
from tests.support.wait import eventually

FUNCTION = "SageMakerExampleFunction"
QUEUE = "sagemaker-sdk-example-queue"
PIPELINE = "sagemaker-sdk-example-pipeline"
BUCKET = "geopipe-local-123456789012"


def _trust(service: str) -> str:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _role(name: str, service: str) -> Callable[[Standing], Any]:
    return lambda standing: standing.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=_trust(service))[
        "Role"
    ]["Arn"]


def _queue(standing: Standing, name: str = QUEUE) -> str:
    return str(standing.client("sqs").create_queue(QueueName=name)["QueueUrl"])


def _bucket(standing: Standing) -> None:
    standing.client("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    standing.client("s3").put_object(Bucket=BUCKET, Key="theirs/file", Body=b"precious")


def _function(standing: Standing) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("handler.py", "def lambda_handler(event, context):\n    return {}\n")
    standing.client("lambda").create_function(
        FunctionName=FUNCTION,
        Role=_role("another", "lambda.amazonaws.com")(standing),
        Code={"ZipFile": content.getvalue()},
        Runtime="python3.12",
        Handler="handler.lambda_handler",
    )


def _pipeline(standing: Standing) -> None:
    step = {"Name": "a", "Type": "Lambda", "FunctionArn": f"arn:aws:lambda:us-west-2:123456789012:function:{FUNCTION}"}
    standing.client("sagemaker").create_pipeline(
        PipelineName=PIPELINE,
        PipelineDefinition=json.dumps({"Version": "2020-12-01", "Steps": [step | {"Arguments": {}}]}),
        RoleArn=_role("another", "sagemaker.amazonaws.com")(standing),
        ClientRequestToken="x" * 32,
    )


def _log_group(standing: Standing) -> None:
    standing.client("logs").create_log_group(logGroupName=f"/aws/lambda/{FUNCTION}")


def _policy(standing: Standing) -> None:
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "s3:*", "Resource": "*"}]}
    standing.client("iam").create_policy(
        PolicyName="SageMakerExampleLambdaRole-local", Path="/geopipe/local/", PolicyDocument=json.dumps(document)
    )


def _bucket_with_input(standing: Standing) -> None:
    _bucket(standing)
    standing.client("s3").put_object(Bucket=BUCKET, Key="input/latlongtest.csv", Body=b"Longitude,Latitude\n1,2\n")


def _mapping(standing: Standing) -> None:
    """It cannot be there without its queue and its function."""
    standing.client("sqs").create_queue(QueueName=QUEUE, Attributes={"VisibilityTimeout": "60"})
    _function(standing)
    standing.allow("another", *FUNCTION_NEEDS)
    standing.client("lambda").create_event_source_mapping(
        EventSourceArn=f"arn:aws:sqs:us-west-2:123456789012:{QUEUE}", FunctionName=FUNCTION, BatchSize=1
    )


FOREIGN: dict[str, tuple[Callable[[Standing], Any], dict[str, list[str]]]] = {
    "lambda_role": (
        _role("SageMakerExampleLambdaRole", "lambda.amazonaws.com"),
        {"roles": ["SageMakerExampleLambdaRole"]},
    ),
    "sagemaker_role": (
        _role("SageMakerExampleRole", "sagemaker.amazonaws.com"),
        {"roles": ["SageMakerExampleRole"]},
    ),
    "queue": (_queue, {"queues": [QUEUE]}),
    "dead_letter_queue": (lambda standing: _queue(standing, f"{QUEUE}-dlq"), {"queues": [f"{QUEUE}-dlq"]}),
    "lambda_policy": (_policy, {"policies": ["SageMakerExampleLambdaRole-local"]}),
    "bucket": (_bucket, {"buckets": [BUCKET]}),
    "bucket,input": (_bucket_with_input, {"buckets": [BUCKET]}),
    "queue,function,mapping": (
        _mapping,
        {"queues": [QUEUE], "functions": [FUNCTION], "mappings": ["one"], "roles": ["another"]},
    ),
    "log_group": (_log_group, {"log groups": [f"/aws/lambda/{FUNCTION}"]}),
    "function": (_function, {"functions": [FUNCTION], "roles": ["another"]}),
    "pipeline": (_pipeline, {"pipelines": [PIPELINE], "roles": ["another"]}),
}


def _names(inventory: dict[str, list[str]]) -> dict[str, list[str]]:
    """Queues and policies by name; mappings have only an id of their own."""
    short = {service: [name.rsplit("/", 1)[-1] for name in names] for service, names in inventory.items()}
    whole = {service: inventory[service] for service in ("log groups",) if service in inventory}
    return short | whole | ({"mappings": ["one"]} if len(inventory.get("mappings", [])) == 1 else {})


@pytest.mark.parametrize("key", FOREIGN)
def test_foreign_is_refused_then_adopted_and_survives(workplace: Workplace, standing: Standing, key: str) -> None:
    create, stays = FOREIGN[key]
    create(standing)
    config = workplace.config(endpoint=standing.url)
    before = standing.mutating_calls()
    refused = workplace.geopipe(config, "--non-interactive", "--cleanup=all")
    assert refused.returncode == 5
    (hint,) = (line for line in refused.stderr.splitlines() if "--adopt" in line)
    assert all(part in hint for part in key.split(",")) and "do not belong to this deployment" in refused.stderr
    assert standing.mutating_calls() == before

    adopted = workplace.geopipe(config, "--non-interactive", "--cleanup=all", "--adopt", key)
    assert adopted.returncode == 0, adopted.stderr
    assert f"{key.count(',') + 1} to adopt" in adopted.stdout and "it was adopted" in adopted.stdout
    assert "200 rows, 200 of them Valid Data." in adopted.stdout
    assert _names(standing.inventory()) == stays
    if key.startswith("bucket"):
        assert standing.client("s3").get_object(Bucket=BUCKET, Key="theirs/file")["Body"].read() == b"precious"


def test_what_was_adopted_needs_no_second_word(workplace: Workplace, standing: Standing) -> None:
    _queue(standing)
    config = workplace.config(endpoint=standing.url)
    assert workplace.geopipe(config, "--non-interactive", "--cleanup=none", "--adopt", "queue").returncode == 0
    again = workplace.geopipe(config, "--dry-run", "--detailed-exitcode")
    assert again.returncode == 0 and "13 unchanged" in again.stdout


def test_unknown_key_to_adopt(workplace: Workplace) -> None:
    done = workplace.geopipe(workplace.config(), "--adopt", "quue", "--non-interactive")
    assert done.returncode == 2 and "quue" in done.stderr and "queue" in done.stderr


def test_roles_given_by_arn_are_used_and_left(workplace: Workplace, standing: Standing) -> None:
    roles = {
        "lambda_role": _role("theirs-for-lambda", "lambda.amazonaws.com")(standing),
        "sagemaker_role": _role("theirs-for-sagemaker", "sagemaker.amazonaws.com")(standing),
    }
    iam = standing.client("iam")
    trust = json.loads(_trust("sagemaker.amazonaws.com"))
    trust["Statement"][0]["Principal"]["Service"] = ["sagemaker.amazonaws.com", "sagemaker-geospatial.amazonaws.com"]
    iam.update_assume_role_policy(RoleName="theirs-for-sagemaker", PolicyDocument=json.dumps(trust))
    standing.allow("theirs-for-lambda", *FUNCTION_NEEDS)
    standing.allow("theirs-for-sagemaker", *PIPELINE_NEEDS)

    def settings() -> dict[str, Any]:
        role: dict[str, Any] = iam.get_role(RoleName="theirs-for-lambda")["Role"]
        return {name: value for name, value in role.items() if name != "RoleLastUsed"}

    before = settings()
    done = workplace.geopipe(workplace.config(endpoint=standing.url, iam=roles), "--non-interactive", "--cleanup=all")
    assert done.returncode == 0, done.stderr
    assert standing.inventory() == {"roles": ["theirs-for-lambda", "theirs-for-sagemaker"]}
    assert settings() == before


def test_their_objects_keep_our_bucket(workplace: Workplace, standing: Standing) -> None:
    config = workplace.config(endpoint=standing.url)
    assert workplace.geopipe(config, "--non-interactive", "--cleanup=none").returncode == 0
    standing.client("s3").put_object(Bucket=BUCKET, Key="thesis/final.txt", Body=b"precious")
    done = workplace.geopipe("cleanup", config, "--non-interactive", "--cleanup=all")
    assert done.returncode == 1
    assert "thesis/final.txt" in done.stderr and "force_destroy" in done.stderr
    assert standing.inventory() == {"buckets": [BUCKET]}
    forced = workplace.config(endpoint=standing.url, bucket={"force_destroy": True})
    assert workplace.geopipe("cleanup", forced, "--non-interactive", "--cleanup=all").returncode == 0
    assert standing.inventory() == {}


def test_what_a_renamed_entry_left_behind(workplace: Workplace, standing: Standing) -> None:
    config = workplace.config(endpoint=standing.url)
    assert workplace.geopipe(config, "--non-interactive", "--cleanup=none").returncode == 0
    renamed = workplace.config(
        endpoint=standing.url,
        queue={"name": "new-queue"},
        function={"name": "NewFunction"},
        pipeline={"name": "new-pipeline"},
        bucket={"name": "new-bucket-123456789012"},
        iam={"lambda_role": "NewLambdaRole"},
    )
    plan = workplace.geopipe("plan", renamed)
    assert plan.returncode == 0
    left = [line for line in plan.stdout.splitlines() if line.startswith("  ? orphan")]
    # two queues, the bucket, the log group, the function, two mappings, the pipeline, a role and its policy
    assert len(left) == 10, plan.stdout
    assert "10 left behind." in plan.stdout
    kept = workplace.geopipe(renamed, "--non-interactive", "--cleanup=none")
    assert kept.returncode == 0
    assert len(standing.inventory()["queues"]) == 4
    pruned = workplace.geopipe(renamed, "--non-interactive", "--cleanup=none", "--prune")
    assert pruned.returncode == 0, pruned.stderr
    assert len(standing.inventory()["queues"]) == 2
    assert "left behind" not in workplace.geopipe("plan", renamed).stdout
    assert workplace.geopipe("cleanup", renamed, "--cleanup=all").returncode == 0
    assert standing.inventory() == {}


def test_clean_up_takes_what_was_left_behind(workplace: Workplace, standing: Standing) -> None:
    assert (
        workplace.geopipe(workplace.config(endpoint=standing.url), "--non-interactive", "--cleanup=none").returncode
        == 0
    )
    renamed = workplace.config(endpoint=standing.url, function={"name": "NewFunction"})
    shown = workplace.geopipe("cleanup", renamed, "--dry-run")
    assert f"- delete  Lambda function       {FUNCTION}" in shown.stdout
    assert workplace.geopipe("cleanup", renamed, "--cleanup=all").returncode == 0
    assert standing.inventory() == {}


def test_other_deployments_are_none_of_our_business(workplace: Workplace, standing: Standing) -> None:
    first = workplace.config(endpoint=standing.url)
    assert workplace.geopipe(first, "--non-interactive", "--cleanup=none").returncode == 0
    there = standing.inventory()
    other = workplace.config(endpoint=standing.url, deployment="another")
    done = workplace.geopipe(other, "--non-interactive", "--cleanup=all")
    assert done.returncode == 5 and "it belongs to the deployment local" in done.stderr
    assert workplace.geopipe("cleanup", other, "--cleanup=all").returncode == 0
    assert standing.inventory() == there


def test_cleanup_deletes_the_jobs_of_its_executions_and_no_others(workplace: Workplace, standing: Standing) -> None:
    config = workplace.config(endpoint=standing.url)
    assert workplace.geopipe(config, "--non-interactive", "--cleanup=none").returncode == 0
    geospatial = standing.client("sagemaker-geospatial")
    (ours,) = geospatial.list_vector_enrichment_jobs()["VectorEnrichmentJobSummaries"]
    source = {"DataSourceConfig": {"S3Data": {"S3Uri": standing.put_input(b"Longitude,Latitude\n1,2\n")}}}
    standing.allow("SageMakerExampleRole", "s3:*")
    theirs = geospatial.start_vector_enrichment_job(
        Name="theirs",
        ExecutionRoleArn="arn:aws:iam::123456789012:role/geopipe/local/SageMakerExampleRole",
        InputConfig=source | {"DocumentType": "CSV"},
        JobConfig={"ReverseGeocodingConfig": {"XAttributeName": "Longitude", "YAttributeName": "Latitude"}},
    )["Arn"]
    eventually(lambda: geospatial.get_vector_enrichment_job(Arn=theirs)["Status"] == "COMPLETED")
    done = workplace.geopipe("cleanup", config, "--non-interactive", "--cleanup=all")
    assert done.returncode == 0, done.stdout + done.stderr
    left = [job["Arn"] for job in geospatial.list_vector_enrichment_jobs()["VectorEnrichmentJobSummaries"]]
    assert left == [theirs] and ours["Arn"] != theirs
