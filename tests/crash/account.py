"""An independent look at the emulated account: everything in it with its settings, its executions and its jobs.

It asks with a boto3 of its own and shares no code with what is tested.
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

_OF_THE_MOMENT = {
    "queue": {"CreatedTimestamp", "LastModifiedTimestamp"},
    "function": {"LastModified", "RevisionId", "Version"},
    "mapping": {"UUID", "LastModified", "EventSourceMappingArn", "LastProcessingResult"},
}
"""What differs between two equal things."""

_GONE = {
    "AWS.SimpleQueueService.NonExistentQueue",
    "NoSuchBucket",
    "NoSuchEntity",
    "ResourceNotFound",
    "ResourceNotFoundException",
}
_LOOKS = 10
_OVER = {"COMPLETED", "FAILED", "STOPPED", "DELETED"}

Inventory = Mapping[str, list[Any]]
"""Resources with their settings, kind by kind; kinds of which there is none are left out."""


@dataclass(frozen=True)
class Execution:
    """One execution of the pipeline; `changed` is when it ended, once it has."""

    status: str
    started: datetime
    changed: datetime


@dataclass(frozen=True)
class Job:
    status: str

    @property
    def over(self) -> bool:
        return self.status in _OVER


class AccountView:
    """What is there, seen from outside, at the emulator's `url`. Clients are kept: it is asked often."""

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
        """All resources with their settings, kind by kind, without what is true for the moment only.

        Looks again where something went away between two looks at it.
        """
        for _ in range(_LOOKS):
            try:
                return self._look()
            except botocore.exceptions.ClientError as error:
                if error.response["Error"]["Code"] not in _GONE:
                    raise
        return self._look()

    def _look(self) -> Inventory:
        found = {
            "roles": self._roles(),
            "policies": self._policies(),
            "queues": self._queues(),
            "buckets": self._buckets(),
            "log groups": self._log_groups(),
            "functions": self._functions(),
            "mappings": self._mappings(),
            "pipelines": self._pipelines(),
        }
        plain = {kind: sorted(self._plain(thing) for thing in things) for kind, things in found.items() if things}
        return {kind: [json.loads(thing) for thing in things] for kind, things in plain.items()}

    def has_pipeline(self, name: str) -> bool:
        """Whether there is a pipeline, and so a list of its executions."""
        return name in [
            found["PipelineName"] for found in self.client("sagemaker").list_pipelines()["PipelineSummaries"]
        ]

    def executions(self, pipeline: str) -> dict[str, Execution]:
        """By ARN. The pipeline must be there."""
        sagemaker = self.client("sagemaker")
        pages = sagemaker.get_paginator("list_pipeline_executions").paginate(PipelineName=pipeline)
        arns = [entry["PipelineExecutionArn"] for page in pages for entry in page["PipelineExecutionSummaries"]]
        described = {arn: sagemaker.describe_pipeline_execution(PipelineExecutionArn=arn) for arn in arns}
        return {
            arn: Execution(found["PipelineExecutionStatus"], found["CreationTime"], found["LastModifiedTime"])
            for arn, found in described.items()
        }

    def jobs(self) -> dict[str, Job]:
        """Every geospatial job there ever was, by ARN."""
        pages = self.client("sagemaker-geospatial").get_paginator("list_vector_enrichment_jobs").paginate()
        entries = [entry for page in pages for entry in page["VectorEnrichmentJobSummaries"]]
        return {entry["Arn"]: Job(entry["Status"]) for entry in entries}

    def runs_with_results(self, bucket: str, prefix: str) -> frozenset[str]:
        """The run ids that have results; none where there is no bucket."""
        s3 = self.client("s3")
        if bucket not in [found["Name"] for found in s3.list_buckets()["Buckets"]]:
            return frozenset()
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return frozenset(key.removeprefix(prefix).split("/")[0] for key in keys)

    def _plain(self, thing: Any) -> str:
        """Ports differ from emulator to emulator."""
        return json.dumps(thing, sort_keys=True, default=str).replace(self._url, "http://emulator")

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
        found = []
        for url in sqs.list_queues().get("QueueUrls", []):
            settings = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            kept = {name: value for name, value in settings.items() if not name.startswith("Approximate")}
            found.append({**_lasting("queue", kept), "tags": sqs.list_queue_tags(QueueUrl=url).get("Tags", {})})
        return found

    def _buckets(self) -> list[Any]:
        s3 = self.client("s3")
        found = []
        for bucket in s3.list_buckets()["Buckets"]:
            name = bucket["Name"]
            uploads = s3.list_multipart_uploads(Bucket=name).get("Uploads", [])
            objects = s3.list_objects_v2(Bucket=name, Prefix="input/").get("Contents", [])
            settings = {
                "tags": lambda name=name: _by_key(s3.get_bucket_tagging(Bucket=name)["TagSet"]),
                "block": lambda name=name: s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"],
                "policy": lambda name=name: s3.get_bucket_policy(Bucket=name)["Policy"],
            }
            found.append(
                {
                    "name": name,
                    **{setting: _or_nothing(s3, read) for setting, read in settings.items()},
                    "uploads": len(uploads),
                    "input": [(entry["Key"], entry["Size"], entry["ETag"]) for entry in objects],
                }
            )
        return found

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
            {**_lasting("function", function), "tags": client.list_tags(Resource=function["FunctionArn"])["Tags"]}
            for function in client.list_functions()["Functions"]
        ]

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
        found = []
        for summary in sagemaker.list_pipelines()["PipelineSummaries"]:
            pipeline = sagemaker.describe_pipeline(PipelineName=summary["PipelineName"])
            shown = ("PipelineArn", "PipelineDefinition", "PipelineDescription", "RoleArn", "PipelineStatus")
            tags = sagemaker.list_tags(ResourceArn=pipeline["PipelineArn"])["Tags"]
            found.append({**{name: pipeline.get(name) for name in shown}, "tags": _by_key(tags)})
        return found


def _by_key(tags: list[dict[str, str]]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def _lasting(kind: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in _OF_THE_MOMENT[kind]}


def _or_nothing(s3: Any, read: Any) -> Any:
    try:
        return read()
    except s3.exceptions.ClientError as error:
        return error.response["Error"]["Code"]
