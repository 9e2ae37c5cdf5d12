"""Adds and removes tags of resources by their ARNs, through the API of each service.

Like the sources, one function for each type, which uses only the API of that service.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from .filters import invalid
from .sources import Caller

_SERVICE_PREFIX = "aws:"

Change = Callable[[Caller, str, Mapping[str, str], Sequence[str]], None]
"""Adds tags to the resource with this ARN, and removes those with these keys. Raises botocore's ClientError."""


def change_tags(caller: Caller, arn: str, added: Mapping[str, str], removed: Sequence[str]) -> dict[str, Any] | None:
    """Change the tags of one resource. Returns None, or why it failed, as an entry of FailedResourcesMap."""
    service, resource = arn.split(":", 5)[2], arn.split(":", 5)[5]
    change = next((change for prefix, change in _CHANGES.items() if f"{service}:{resource}".startswith(prefix)), None)
    if change is None:
        return _failure(400, "InvalidParameterException", f"Tagging {service} resources of this type is not emulated.")
    try:
        change(caller, arn, added, removed)
    except ClientError as error:
        status = int(error.response["ResponseMetadata"].get("HTTPStatusCode", 500))
        code = "InvalidParameterException" if status < 500 else "InternalServiceException"
        details = error.response["Error"]
        return _failure(status, code, f"{details.get('Code')}: {details.get('Message')}")
    return None


def check_arns(arns: Sequence[str]) -> None:
    """Raise AWS's error for what is no ARN."""
    for arn in arns:
        if not arn.startswith("arn:") or len(arn.split(":", 5)) < 6:
            raise invalid(f"{arn} is not an ARN.")


def check_keys(keys: Sequence[str]) -> None:
    """Raise AWS's error for the keys of AWS's own tags."""
    if reserved := [key for key in keys if key.lower().startswith(_SERVICE_PREFIX)]:
        raise invalid(f"Tag keys cannot start with aws: {', '.join(reserved)}")


def _queue(caller: Caller, arn: str, added: Mapping[str, str], removed: Sequence[str]) -> None:
    sqs = caller.client("sqs")
    url = sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
    if added:
        sqs.tag_queue(QueueUrl=url, Tags=dict(added))
    if removed:
        sqs.untag_queue(QueueUrl=url, TagKeys=list(removed))


def _bucket(caller: Caller, arn: str, added: Mapping[str, str], removed: Sequence[str]) -> None:
    """S3 replaces all tags, so the others are read first."""
    s3, bucket = caller.client("s3"), arn.rpartition(":")[2]
    try:
        tags = {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket=bucket)["TagSet"]}
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchTagSet":
            raise
        tags = {}
    tags = {key: value for key, value in {**tags, **added}.items() if key not in removed}
    if tags:
        s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": _list(tags)})
    else:
        s3.delete_bucket_tagging(Bucket=bucket)


def _lambda(caller: Caller, arn: str, added: Mapping[str, str], removed: Sequence[str]) -> None:
    client = caller.client("lambda")
    if added:
        client.tag_resource(Resource=arn, Tags=dict(added))
    if removed:
        client.untag_resource(Resource=arn, TagKeys=list(removed))


def _log_group(caller: Caller, arn: str, added: Mapping[str, str], removed: Sequence[str]) -> None:
    logs, group = caller.client("logs"), arn.removesuffix(":*")
    if added:
        logs.tag_resource(resourceArn=group, tags=dict(added))
    if removed:
        logs.untag_resource(resourceArn=group, tagKeys=list(removed))


def _sagemaker(caller: Caller, arn: str, added: Mapping[str, str], removed: Sequence[str]) -> None:
    sagemaker = caller.client("sagemaker")
    if added:
        sagemaker.add_tags(ResourceArn=arn, Tags=_list(added))
    if removed:
        sagemaker.delete_tags(ResourceArn=arn, TagKeys=list(removed))


def _geospatial_job(caller: Caller, arn: str, added: Mapping[str, str], removed: Sequence[str]) -> None:
    geospatial = caller.client("sagemaker-geospatial")
    if added:
        geospatial.tag_resource(ResourceArn=arn, Tags=dict(added))
    if removed:
        geospatial.untag_resource(ResourceArn=arn, TagKeys=list(removed))


def _list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _failure(status: int, code: str, message: str) -> dict[str, Any]:
    return {"StatusCode": status, "ErrorCode": code, "ErrorMessage": message}


# By the beginning of "service:resource".
_CHANGES: dict[str, Change] = {
    "sqs:": _queue,
    "s3:": _bucket,
    "lambda:function:": _lambda,
    "lambda:event-source-mapping:": _lambda,
    "logs:log-group:": _log_group,
    "sagemaker:": _sagemaker,
    "sagemaker-geospatial:": _geospatial_job,
}
