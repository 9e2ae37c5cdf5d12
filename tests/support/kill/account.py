"""Reads the whole emulated account: resources with their settings, executions and jobs.

It uses boto3 directly and shares no code with the product.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import boto3
import botocore.config
import botocore.exceptions

from geopipe_runner.kinds.lambda_function import ROLE_ID_TAG

# Attributes that differ between two equal resources.
_CHANGING = {
    "queue": {"CreatedTimestamp", "LastModifiedTimestamp"},
    "function": {"LastModified", "RevisionId", "Version"},
    "mapping": {"UUID", "LastModified", "EventSourceMappingArn", "LastProcessingResult"},
}
_NOT_FOUND = {
    "AWS.SimpleQueueService.NonExistentQueue",
    "NoSuchBucket",
    "NoSuchEntity",
    "ResourceNotFound",
    "ResourceNotFoundException",
}
_ATTEMPTS = 10
_FINAL = {"COMPLETED", "FAILED", "STOPPED", "DELETED"}

# Resources with their settings, by kind. A kind without resources is left out.
Inventory = Mapping[str, list[Any]]


@dataclass(frozen=True)
class ExecutionRecord:
    """One execution of the pipeline. `changed` is when it ended, if it has ended."""

    status: str
    started: datetime
    changed: datetime


@dataclass(frozen=True)
class JobRecord:
    """One geospatial job."""

    status: str

    @property
    def is_final(self) -> bool:
        return self.status in _FINAL


class AccountView:
    """Reads the account through the emulator's `url`. It keeps its clients, because it reads often."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = boto3.Session("test", "test", region_name="us-west-2")
        self._config = botocore.config.Config(proxies={}, s3={"addressing_style": "path"})
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._session.client(service, endpoint_url=self._url, config=self._config)
        return self._clients[service]

    def inventory(self) -> Inventory:
        """Returns all resources with their lasting settings, by kind.

        Reads again when a resource disappears between two calls.
        """
        for _ in range(_ATTEMPTS):
            try:
                return self._read()
            except botocore.exceptions.ClientError as error:
                if error.response["Error"]["Code"] not in _NOT_FOUND:
                    raise
        return self._read()

    def _read(self) -> Inventory:
        resources = {
            "roles": self._roles(),
            "policies": self._policies(),
            "queues": self._queues(),
            "buckets": self._buckets(),
            "log groups": self._log_groups(),
            "functions": self._functions(),
            "mappings": self._mappings(),
            "pipelines": self._pipelines(),
        }
        texts = {kind: sorted(map(self._to_text, items)) for kind, items in resources.items() if items}
        return {kind: [json.loads(text) for text in items] for kind, items in texts.items()}

    def has_pipeline(self, name: str) -> bool:
        """Whether the pipeline exists, so that its executions can be listed."""
        summaries = self.client("sagemaker").list_pipelines()["PipelineSummaries"]
        return name in [summary["PipelineName"] for summary in summaries]

    def executions(self, pipeline: str) -> dict[str, ExecutionRecord]:
        """Returns the executions by ARN. The pipeline must exist."""
        sagemaker = self.client("sagemaker")
        pages = sagemaker.get_paginator("list_pipeline_executions").paginate(PipelineName=pipeline)
        arns = [entry["PipelineExecutionArn"] for page in pages for entry in page["PipelineExecutionSummaries"]]
        described = {arn: sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn) for arn in arns}
        return {
            arn: ExecutionRecord(
                details["PipelineExecutionStatus"], details["CreationTime"], details["LastModifiedTime"]
            )
            for arn, details in described.items()
        }

    def jobs(self) -> dict[str, JobRecord]:
        """Returns every geospatial job, ended ones too, by ARN."""
        pages = self.client("sagemaker-geospatial").get_paginator("list_vector_enrichment_jobs").paginate()
        entries = [entry for page in pages for entry in page["VectorEnrichmentJobSummaries"]]
        return {entry["Arn"]: JobRecord(entry["Status"]) for entry in entries}

    def runs_with_results(self, bucket: str, prefix: str) -> frozenset[str]:
        """Returns the ids of the runs that have results; none if the bucket does not exist."""
        s3 = self.client("s3")
        if bucket not in [entry["Name"] for entry in s3.list_buckets()["Buckets"]]:
            return frozenset()
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return frozenset(key.removeprefix(prefix).split("/")[0] for key in keys)

    def _to_text(self, resource: Any) -> str:
        """Returns the resource as JSON without the port, which differs between emulators."""
        return json.dumps(resource, sort_keys=True, default=str).replace(self._url, "http://emulator")

    def _roles(self) -> list[Any]:
        iam = self.client("iam")
        return [
            {
                "arn": role["Arn"],
                "trust": role["AssumeRolePolicyDocument"],
                "attached": iam.list_attached_role_policies(RoleName=role["RoleName"])["AttachedPolicies"],
                "inline": iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"],
                "tags": _by_key(iam.list_role_tags(RoleName=role["RoleName"])["Tags"]),
            }
            for role in iam.list_roles()["Roles"]
        ]

    def _policies(self) -> list[Any]:
        iam = self.client("iam")
        return [
            {
                "arn": policy["Arn"],
                "versions": len(iam.list_policy_versions(PolicyArn=policy["Arn"])["Versions"]),
                "document": iam.get_policy_version(PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"])[
                    "PolicyVersion"
                ]["Document"],
                "tags": _by_key(iam.list_policy_tags(PolicyArn=policy["Arn"])["Tags"]),
            }
            for policy in iam.list_policies(Scope="Local")["Policies"]
        ]

    def _queues(self) -> list[Any]:
        sqs = self.client("sqs")
        queues = []
        for url in sqs.list_queues().get("QueueUrls", []):
            settings = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            kept = {name: value for name, value in settings.items() if not name.startswith("Approximate")}
            queues.append({**_lasting("queue", kept), "tags": sqs.list_queue_tags(QueueUrl=url).get("Tags", {})})
        return queues

    def _buckets(self) -> list[Any]:
        s3 = self.client("s3")
        buckets = []
        for bucket in s3.list_buckets()["Buckets"]:
            name = bucket["Name"]
            uploads = s3.list_multipart_uploads(Bucket=name).get("Uploads", [])
            objects = s3.list_objects_v2(Bucket=name, Prefix="input/").get("Contents", [])
            locks = s3.list_objects_v2(Bucket=name, Prefix="geopipe/").get("Contents", [])
            settings = {
                "tags": lambda name=name: _by_key(s3.get_bucket_tagging(Bucket=name)["TagSet"]),
                "block": lambda name=name: s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"],
                "policy": lambda name=name: s3.get_bucket_policy(Bucket=name)["Policy"],
            }
            buckets.append(
                {
                    "name": name,
                    **{setting: _read_or_error_code(s3, read) for setting, read in settings.items()},
                    "uploads": len(uploads),
                    "locks": [entry["Key"] for entry in locks],
                    "input": [(entry["Key"], entry["Size"], entry["ETag"]) for entry in objects],
                }
            )
        return buckets

    def _log_groups(self) -> list[Any]:
        logs = self.client("logs")
        return [
            {
                "name": group["logGroupName"],
                "retention": group.get("retentionInDays"),
                "tags": logs.list_tags_for_resource(resourceArn=group["arn"].removesuffix(":*"))["tags"],
            }
            for group in logs.describe_log_groups()["logGroups"]
        ]

    def _functions(self) -> list[Any]:
        client = self.client("lambda")
        return [
            {**_lasting("function", function), "tags": self._function_tags(function["FunctionArn"])}
            for function in client.list_functions()["Functions"]
        ]

    def _function_tags(self, arn: str) -> dict[str, str]:
        """Returns the tags, and instead of the id of the function's role whether it is the one of the role today."""
        client, iam = self.client("lambda"), self.client("iam")
        tags: dict[str, str] = client.list_tags(Resource=arn)["Tags"]
        role = client.get_function_configuration(FunctionName=arn)["Role"].rpartition("/")[2]
        if ROLE_ID_TAG in tags:
            is_current = tags[ROLE_ID_TAG] == iam.get_role(RoleName=role)["Role"]["RoleId"]
            tags[ROLE_ID_TAG] = "current" if is_current else "of an earlier role"
        return tags

    def _mappings(self) -> list[Any]:
        client = self.client("lambda")
        return [
            {
                **_lasting("mapping", mapping),
                "tags": client.list_tags(Resource=mapping["EventSourceMappingArn"])["Tags"],
            }
            for mapping in client.list_event_source_mappings()["EventSourceMappings"]
        ]

    def _pipelines(self) -> list[Any]:
        sagemaker = self.client("sagemaker")
        pipelines = []
        for summary in sagemaker.list_pipelines()["PipelineSummaries"]:
            pipeline = sagemaker.describe_pipeline(PipelineName=summary["PipelineName"])
            shown = ("PipelineArn", "PipelineDefinition", "PipelineDescription", "RoleArn", "PipelineStatus")
            tags = sagemaker.list_tags(ResourceArn=pipeline["PipelineArn"])["Tags"]
            pipelines.append({**{name: pipeline.get(name) for name in shown}, "tags": _by_key(tags)})
        return pipelines


def _by_key(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _lasting(kind: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in _CHANGING[kind]}


def _read_or_error_code(s3: Any, read: Any) -> Any:
    try:
        return read()
    except s3.exceptions.ClientError as error:
        return error.response["Error"]["Code"]
