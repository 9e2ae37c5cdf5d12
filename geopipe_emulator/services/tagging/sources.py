"""The resources that can have tags: one function for each type, which uses only the API of that service.

Roles and policies are left out, as on AWS. A resource that is deleted between the listing and the call for its tags is
left out, and so is a bucket whose policy denies that call.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from ...service import Environment, RequestContext

_CODES_WITHOUT_TAGS = {
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
class Caller:
    """The clients for the account and the region of a request."""

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
class TaggableResource:
    """A resource, and how to read its tags: some listings have them, most do not."""

    arn: str
    read_tags: Callable[[], Tags]

    def tags(self) -> Tags:
        """Return the tags; none for a resource that does not exist any more."""
        try:
            return self.read_tags()
        except ClientError as error:
            if error.response["Error"]["Code"] in _CODES_WITHOUT_TAGS:
                return {}
            raise


Source = Callable[[Caller], Iterator[TaggableResource]]


def queues(caller: Caller) -> Iterator[TaggableResource]:
    sqs = caller.client("sqs")

    def tags_of(url: str) -> Callable[[], Tags]:
        return lambda: sqs.list_queue_tags(QueueUrl=url).get("Tags", {})

    for page in caller.pages("sqs", "list_queues", PaginationConfig={"PageSize": 1000}):
        for url in page.get("QueueUrls", ()):
            yield TaggableResource(caller.arn("sqs", url.rpartition("/")[2]), tags_of(url))


def buckets(caller: Caller) -> Iterator[TaggableResource]:
    s3, context = caller.client("s3"), caller.context

    def tags_of(bucket: str) -> Callable[[], Tags]:
        return lambda: _map(s3.get_bucket_tagging(Bucket=bucket)["TagSet"])

    for page in caller.pages("s3", "list_buckets", BucketRegion=context.region):
        for bucket in page.get("Buckets", ()):
            yield TaggableResource(f"arn:{context.partition}:s3:::{bucket['Name']}", tags_of(bucket["Name"]))


def functions(caller: Caller) -> Iterator[TaggableResource]:
    for page in caller.pages("lambda", "list_functions"):
        for function in page["Functions"]:
            yield TaggableResource(function["FunctionArn"], _lambda_tags(caller, function["FunctionArn"]))


def mappings(caller: Caller) -> Iterator[TaggableResource]:
    for page in caller.pages("lambda", "list_event_source_mappings"):
        for mapping in page["EventSourceMappings"]:
            if mapping["State"] != "Deleting":
                arn = mapping["EventSourceMappingArn"]
                yield TaggableResource(arn, _lambda_tags(caller, arn))


def log_groups(caller: Caller) -> Iterator[TaggableResource]:
    logs = caller.client("logs")

    def tags_of(arn: str) -> Callable[[], Tags]:
        return lambda: logs.list_tags_for_resource(resourceArn=arn).get("tags", {})

    for page in caller.pages("logs", "describe_log_groups"):
        for group in page["logGroups"]:
            arn = group["arn"].removesuffix(":*")
            yield TaggableResource(arn, tags_of(arn))


def pipelines(caller: Caller) -> Iterator[TaggableResource]:
    sagemaker = caller.client("sagemaker")

    def tags_of(arn: str) -> Callable[[], Tags]:
        return lambda: _map(sagemaker.list_tags(ResourceArn=arn)["Tags"])

    for page in caller.pages("sagemaker", "list_pipelines", PaginationConfig={"PageSize": 100}):
        for pipeline in page["PipelineSummaries"]:
            yield TaggableResource(pipeline["PipelineArn"], tags_of(pipeline["PipelineArn"]))


def enrichment_jobs(caller: Caller) -> Iterator[TaggableResource]:
    if caller.context.region != _GEOSPATIAL_REGION or caller.environment.settings.geospatial_refusal != "none":
        return
    for page in caller.pages("sagemaker-geospatial", "list_vector_enrichment_jobs"):
        for job in page["VectorEnrichmentJobSummaries"]:
            if job["Status"] not in ("DELETING", "DELETED"):
                tags = dict(job.get("Tags", {}))
                yield TaggableResource(job["Arn"], lambda tags=tags: tags)  # type: ignore[misc]


# By resource type, in the form of ResourceTypeFilters.
SOURCES: dict[str, Source] = {
    "sqs:queue": queues,
    "s3:bucket": buckets,
    "lambda:function": functions,
    "lambda:event-source-mapping": mappings,
    "logs:log-group": log_groups,
    "sagemaker:pipeline": pipelines,
    "sagemaker-geospatial:vector-enrichment-job": enrichment_jobs,
}


def _lambda_tags(caller: Caller, arn: str) -> Callable[[], Tags]:
    client = caller.client("lambda")
    return lambda: client.list_tags(Resource=arn)["Tags"]


def _map(tags: list[dict[str, str]]) -> Tags:
    return {tag["Key"]: tag["Value"] for tag in tags}
