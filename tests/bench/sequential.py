"""The same deployment made by a plain script: one boto3 call after the other, nothing compared, nothing planned.

    python -m tests.bench.sequential create|ensure|read|destroy --endpoint http://127.0.0.1:N [--deployments N]

`create` only writes (and waits where it must). `ensure` reads each thing first and makes what is not there: run
twice, the second time is what "nothing to do" costs without concurrency. `read` only reads, as often as there are
`--deployments`: what as many plans need to know. It takes the same names and the same clients each time, which is the
best case of such a script.

It makes the thirteen resources that `config/local.yaml` asks for, by the same writing calls. `reconcile.py` checks it.
"""

from __future__ import annotations

import argparse
import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.paths import ROOT

REGION, ACCOUNT = "us-west-2", "123456789012"
PATH = "/geopipe/sequential/"
TAGS = {"geopipe:deployment": "sequential"}
TAG_LIST = [{"Key": key, "Value": value} for key, value in TAGS.items()]
BUCKET, FUNCTION, PIPELINE = f"sequential-{ACCOUNT}", "SequentialFunction", "sequential-pipeline"
QUEUES = ("sequential-queue-dlq", "sequential-queue")
LOG_GROUP = f"/aws/lambda/{FUNCTION}"
LOG_GROUP_ARN = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{LOG_GROUP}"
PIPELINE_ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:pipeline/{PIPELINE}"
FUNCTION_ARN = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{FUNCTION}"
INPUT = ROOT / "resources/latlongtest.csv"
ROLES = {
    "SequentialLambdaRole": ["lambda.amazonaws.com"],
    "SequentialPipelineRole": ["sagemaker.amazonaws.com", "sagemaker-geospatial.amazonaws.com"],
}
ACTIONS = {
    "SequentialLambdaRole": ["sqs:*", "logs:*", "sagemaker-geospatial:*", "sagemaker:*", "iam:PassRole"],
    "SequentialPipelineRole": ["lambda:InvokeFunction", "s3:*", "sqs:SendMessage"],
}
CLOSED = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)


@dataclass(frozen=True)
class Thing:
    """One resource: reading it fails when it is not there."""

    read: Callable[[], object]
    make: Callable[[], object]


class Script:
    """The clients, and everything in the order in which it is made."""

    def __init__(self, endpoint: str) -> None:
        session = boto3.Session(aws_access_key_id="bench", aws_secret_access_key="bench", region_name=REGION)
        config = Config(proxies={}, s3={"addressing_style": "path"})

        def client(service: str) -> Any:
            return session.client(service, endpoint_url=endpoint, config=config)

        self.endpoint = endpoint
        self.sts, self.iam, self.sqs, self.s3 = client("sts"), client("iam"), client("sqs"), client("s3")
        self.logs, self.lambda_, self.sagemaker = client("logs"), client("lambda"), client("sagemaker")

    def create(self) -> None:
        self.sts.get_caller_identity()
        for thing in self.things():
            thing.make()

    def ensure(self) -> None:
        self.sts.get_caller_identity()
        for thing in self.things():
            try:
                thing.read()
            except (ClientError, LookupError):
                thing.make()

    def read(self) -> None:
        self.sts.get_caller_identity()
        for thing in self.things():
            with suppress(ClientError, LookupError):
                thing.read()

    def things(self) -> Iterator[Thing]:
        for role in ROLES:
            yield Thing(lambda role=role: self.iam.get_role(RoleName=role), lambda role=role: self.make_role(role))  # type: ignore[misc]
        for role in ROLES:
            yield Thing(lambda role=role: self.read_policy(role), lambda role=role: self.make_policy(role))  # type: ignore[misc]
        for queue in QUEUES:
            yield Thing(lambda queue=queue: self.read_queue(queue), lambda queue=queue: self.make_queue(queue))  # type: ignore[misc]
        yield Thing(self.read_bucket, self.make_bucket)
        yield Thing(self.read_input, self.make_input)
        yield Thing(self.read_log_group, self.make_log_group)
        yield Thing(lambda: self.lambda_.get_function(FunctionName=FUNCTION), self.make_function)
        for queue in QUEUES:
            yield Thing(lambda queue=queue: self.mapping(queue), lambda queue=queue: self.make_mapping(queue))  # type: ignore[misc]
        yield Thing(self.read_pipeline, self.make_pipeline)

    def make_role(self, role: str) -> None:
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": ROLES[role]}}
        self.iam.create_role(RoleName=role, Path=PATH, AssumeRolePolicyDocument=policy(trust), Tags=TAG_LIST)

    def read_policy(self, role: str) -> None:
        found = self.iam.get_policy(PolicyArn=policy_arn(role))["Policy"]
        self.iam.get_policy_version(PolicyArn=found["Arn"], VersionId=found["DefaultVersionId"])
        self.iam.list_entities_for_policy(PolicyArn=found["Arn"], EntityFilter="Role")

    def make_policy(self, role: str) -> None:
        document = policy({"Effect": "Allow", "Action": ACTIONS[role], "Resource": "*"})
        self.iam.create_policy(PolicyName=f"{role}Policy", Path=PATH, PolicyDocument=document, Tags=TAG_LIST)
        self.iam.attach_role_policy(RoleName=role, PolicyArn=policy_arn(role))

    def read_queue(self, queue: str) -> None:
        self.sqs.get_queue_attributes(QueueUrl=self.queue_url(queue), AttributeNames=["All"])
        self.sqs.list_queue_tags(QueueUrl=self.queue_url(queue))

    def make_queue(self, queue: str) -> None:
        attributes = {"VisibilityTimeout": "300", "SqsManagedSseEnabled": "true"}
        if queue != QUEUES[0]:
            redrive = {"deadLetterTargetArn": queue_arn(QUEUES[0]), "maxReceiveCount": 1000}
            attributes["RedrivePolicy"] = json.dumps(redrive)
        self.sqs.create_queue(QueueName=queue, Attributes=attributes, tags=TAGS)

    def read_bucket(self) -> None:
        self.s3.head_bucket(Bucket=BUCKET)
        self.s3.get_bucket_tagging(Bucket=BUCKET)
        self.s3.get_public_access_block(Bucket=BUCKET)
        self.s3.get_bucket_policy(Bucket=BUCKET)
        self.s3.get_bucket_encryption(Bucket=BUCKET)

    def make_bucket(self) -> None:
        settings = {"LocationConstraint": REGION, "Tags": TAG_LIST}
        self.s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=settings)
        self.s3.put_public_access_block(Bucket=BUCKET, PublicAccessBlockConfiguration=CLOSED)
        arn = f"arn:aws:s3:::{BUCKET}"
        tls_only = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, f"{arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        self.s3.put_bucket_policy(Bucket=BUCKET, Policy=policy(tls_only))

    def read_input(self) -> None:
        self.s3.head_object(Bucket=BUCKET, Key=f"input/{INPUT.name}", ChecksumMode="ENABLED")

    def make_input(self) -> None:
        with INPUT.open("rb") as body:
            self.s3.put_object(Bucket=BUCKET, Key=f"input/{INPUT.name}", Body=body, ChecksumAlgorithm="SHA256")

    def read_log_group(self) -> None:
        self.logs.describe_log_groups(logGroupNamePrefix=LOG_GROUP)["logGroups"][0]
        self.logs.list_tags_for_resource(resourceArn=LOG_GROUP_ARN)

    def make_log_group(self) -> None:
        self.logs.create_log_group(logGroupName=LOG_GROUP, tags=TAGS)
        self.logs.put_retention_policy(logGroupName=LOG_GROUP, retentionInDays=14)

    def make_function(self) -> None:
        self.lambda_.create_function(
            FunctionName=FUNCTION,
            Runtime="python3.13",
            Handler="handler.lambda_handler",
            Role=role_arn("SequentialLambdaRole"),
            Timeout=30,
            MemorySize=256,
            Environment={"Variables": {"QUEUE_URL": self.queue_url(QUEUES[1])}},
            Code={"ZipFile": zipped(ROOT / "lambda")},
            Tags=TAGS,
        )
        self.lambda_.get_waiter("function_active_v2").wait(FunctionName=FUNCTION)

    def mapping(self, queue: str) -> dict[str, Any]:
        """Raises LookupError when there is none."""
        found = self.lambda_.list_event_source_mappings(EventSourceArn=queue_arn(queue), FunctionName=FUNCTION)
        first: dict[str, Any] = found["EventSourceMappings"][0]
        return first

    def make_mapping(self, queue: str) -> None:
        made = self.lambda_.create_event_source_mapping(
            EventSourceArn=queue_arn(queue),
            FunctionName=FUNCTION,
            BatchSize=10,
            FunctionResponseTypes=["ReportBatchItemFailures"],
        )
        while self.lambda_.get_event_source_mapping(UUID=made["UUID"])["State"] != "Enabled":
            time.sleep(0.5)

    def read_pipeline(self) -> None:
        self.sagemaker.describe_pipeline(PipelineName=PIPELINE)
        self.sagemaker.list_tags(ResourceArn=PIPELINE_ARN)

    def make_pipeline(self) -> None:
        guide = (ROOT / "resources/GeoSpatialPipeline.json").read_text()
        self.sagemaker.create_pipeline(
            PipelineName=PIPELINE,
            PipelineDefinition=guide.replace("*FUNCTION_ARN*", FUNCTION_ARN),
            RoleArn=role_arn("SequentialPipelineRole"),
            Tags=TAG_LIST,
        )

    def queue_url(self, queue: str) -> str:
        return f"{self.endpoint}/{ACCOUNT}/{queue}"

    def destroy(self) -> None:
        self.sts.get_caller_identity()
        self.sagemaker.delete_pipeline(PipelineName=PIPELINE)
        for queue in QUEUES:
            self.delete_mapping(self.mapping(queue)["UUID"])
        self.lambda_.delete_function(FunctionName=FUNCTION)
        self.logs.delete_log_group(logGroupName=LOG_GROUP)
        for queue in QUEUES:
            self.sqs.delete_queue(QueueUrl=self.queue_url(queue))
        self.delete_bucket()
        for role in ROLES:
            self.iam.detach_role_policy(RoleName=role, PolicyArn=policy_arn(role))
            self.iam.delete_policy(PolicyArn=policy_arn(role))
            self.iam.delete_role(RoleName=role)

    def delete_mapping(self, mapping: str) -> None:
        self.lambda_.delete_event_source_mapping(UUID=mapping)
        while True:
            try:
                self.lambda_.get_event_source_mapping(UUID=mapping)
            except self.lambda_.exceptions.ResourceNotFoundException:
                return
            time.sleep(0.5)

    def delete_bucket(self) -> None:
        versions = self.s3.list_object_versions(Bucket=BUCKET)["Versions"]
        deletable = [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in versions]
        self.s3.delete_objects(Bucket=BUCKET, Delete={"Objects": deletable, "Quiet": True})
        self.s3.delete_bucket(Bucket=BUCKET)


def role_arn(role: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role{PATH}{role}"


def policy_arn(role: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:policy{PATH}{role}Policy"


def queue_arn(queue: str) -> str:
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}"


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def zipped(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*.py")):
            archive.write(path, path.relative_to(folder))
    return buffer.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("create", "ensure", "read", "destroy"))
    parser.add_argument("--endpoint", required=True, metavar="URL")
    parser.add_argument("--deployments", type=int, default=1, help="how often everything is read (default: once)")
    options = parser.parse_args()
    script = Script(options.endpoint)
    actions = {"create": script.create, "ensure": script.ensure, "read": script.read, "destroy": script.destroy}
    for _ in range(options.deployments if options.action == "read" else 1):
        actions[options.action]()


if __name__ == "__main__":
    main()
