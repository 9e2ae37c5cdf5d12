"""Where tagged things are: one function per resource type, each asking that service's own API and nothing else.

Roles and policies are absent on purpose: AWS does not answer IAM's here either. What goes away between the listing
and the question for its tags is left out, as is a bucket whose policy denies even that question.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from ..service import Environment, RequestContext

_NO_TAGS_TO_BE_HAD = {
    "AccessDenied",
    "AWS.SimpleQueueService.NonExistentQueue",
    "NoSuchBucket",
    "NoSuchTagSet",
    "ResourceNotFound",
    "ResourceNotFoundException",
}
_GEOSPATIAL_REGION = "us-west-2"

Tags = dict[str, str]


@dataclass(frozen=True)
class Asking:
    """Whom to ask, and for which account and region."""

    environment: Environment
    context: RequestContext

    def client(self, service: str) -> Any:
        return self.environment.client(service, self.context.region)

    def pages(self, service: str, operation: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        pages: Iterator[dict[str, Any]] = iter(self.client(service).get_paginator(operation).paginate(**parameters))
        return pages

    def arn(self, service: str, resource: str) -> str:
        context = self.context
        return f"arn:{context.partition}:{service}:{context.region}:{context.account_id}:{resource}"


@dataclass(frozen=True)
class Found:
    """A resource, and how to learn its tags: some listings tell them, most do not."""

    arn: str
    read_tags: Callable[[], Tags]

    def tags(self) -> Tags:
        """Empty for what is gone meanwhile."""
        try:
            return self.read_tags()
        except ClientError as error:
            if error.response["Error"]["Code"] in _NO_TAGS_TO_BE_HAD:
                return {}
            raise


Source = Callable[[Asking], Iterator[Found]]


def queues(asking: Asking) -> Iterator[Found]:
    sqs = asking.client("sqs")

    def tags_of(url: str) -> Callable[[], Tags]:
        return lambda: sqs.list_queue_tags(QueueUrl=url).get("Tags", {})

    for page in asking.pages("sqs", "list_queues", PaginationConfig={"PageSize": 1000}):
        for url in page.get("QueueUrls", ()):
            yield Found(asking.arn("sqs", url.rpartition("/")[2]), tags_of(url))


def buckets(asking: Asking) -> Iterator[Found]:
    s3, context = asking.client("s3"), asking.context

    def tags_of(bucket: str) -> Callable[[], Tags]:
        return lambda: _map(s3.get_bucket_tagging(Bucket=bucket)["TagSet"])

    for page in asking.pages("s3", "list_buckets", BucketRegion=context.region):
        for bucket in page.get("Buckets", ()):
            yield Found(f"arn:{context.partition}:s3:::{bucket['Name']}", tags_of(bucket["Name"]))


def functions(asking: Asking) -> Iterator[Found]:
    for page in asking.pages("lambda", "list_functions"):
        for function in page["Functions"]:
            yield Found(function["FunctionArn"], _lambda_tags(asking, function["FunctionArn"]))


def mappings(asking: Asking) -> Iterator[Found]:
    for page in asking.pages("lambda", "list_event_source_mappings"):
        for mapping in page["EventSourceMappings"]:
            if mapping["State"] != "Deleting":
                arn = mapping["EventSourceMappingArn"]
                yield Found(arn, _lambda_tags(asking, arn))


def log_groups(asking: Asking) -> Iterator[Found]:
    logs = asking.client("logs")

    def tags_of(arn: str) -> Callable[[], Tags]:
        return lambda: logs.list_tags_for_resource(resourceArn=arn).get("tags", {})

    for page in asking.pages("logs", "describe_log_groups"):
        for group in page["logGroups"]:
            arn = group["arn"].removesuffix(":*")
            yield Found(arn, tags_of(arn))


def pipelines(asking: Asking) -> Iterator[Found]:
    sagemaker = asking.client("sagemaker")

    def tags_of(arn: str) -> Callable[[], Tags]:
        return lambda: _map(sagemaker.list_tags(ResourceArn=arn)["Tags"])

    for page in asking.pages("sagemaker", "list_pipelines", PaginationConfig={"PageSize": 100}):
        for pipeline in page["PipelineSummaries"]:
            yield Found(pipeline["PipelineArn"], tags_of(pipeline["PipelineArn"]))


def enrichment_jobs(asking: Asking) -> Iterator[Found]:
    if asking.context.region != _GEOSPATIAL_REGION:
        return
    for page in asking.pages("sagemaker-geospatial", "list_vector_enrichment_jobs"):
        for job in page["VectorEnrichmentJobSummaries"]:
            if job["Status"] not in ("DELETING", "DELETED"):
                tags = dict(job.get("Tags", {}))
                yield Found(job["Arn"], lambda tags=tags: tags)  # type: ignore[misc]


SOURCES: dict[str, Source] = {
    "sqs:queue": queues,
    "s3:bucket": buckets,
    "lambda:function": functions,
    "lambda:event-source-mapping": mappings,
    "logs:log-group": log_groups,
    "sagemaker:pipeline": pipelines,
    "sagemaker-geospatial:vector-enrichment-job": enrichment_jobs,
}
"""By resource type, as ResourceTypeFilters names it."""


def _lambda_tags(asking: Asking, arn: str) -> Callable[[], Tags]:
    client = asking.client("lambda")
    return lambda: client.list_tags(Resource=arn)["Tags"]


def _map(tags: list[dict[str, str]]) -> Tags:
    return {tag["Key"]: tag["Value"] for tag in tags}
