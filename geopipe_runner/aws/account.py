"""Who and where we are: the parts of every computed ARN and URL. Makes no calls."""

from __future__ import annotations

import gzip
import importlib.util
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

# From the AWS General Reference, "AWS Management Console endpoints", and the guides to GovCloud, China and the
# European Sovereign Cloud.
_CONSOLES = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-eusc": "console.amazonaws-eusc.eu",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}


@dataclass(frozen=True)
class Partition:
    """A part of AWS with its own ARNs and host names, such as `aws-cn`."""

    name: str
    dns_suffix: str


@dataclass(frozen=True)
class Account:
    """One account in one region at one endpoint.

    `endpoint_url` is None for AWS itself. `caller_arn` is GetCallerIdentity's, or "" before that call.
    """

    account_id: str
    region: str
    endpoint_url: str | None = None
    caller_arn: str = ""

    @property
    def partition(self) -> str:
        """The first part of this account's ARNs, after `arn:`."""
        return partition_of(self.region).name

    @property
    def dns_suffix(self) -> str:
        """The end of this partition's host names."""
        return partition_of(self.region).dns_suffix

    @property
    def console_url(self) -> str | None:
        """The address of this region in AWS's console; None for a partition whose console's address is not public."""
        host = _CONSOLES.get(self.partition)
        return f"https://{self.region}.{host}" if host else None

    def arn(self, service: str, resource: str) -> str:
        """Returns the ARN of a regional resource."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account_id}:{resource}"

    def iam_arn(self, resource: str) -> str:
        """Returns the ARN of an IAM resource, which has no region."""
        return f"arn:{self.partition}:iam::{self.account_id}:{resource}"

    def bucket_arn(self, bucket: str) -> str:
        """Returns the ARN of a bucket, which has neither region nor account."""
        return f"arn:{self.partition}:s3:::{bucket}"

    def queue_url(self, name: str) -> str:
        """Returns the URL of the queue with this name."""
        host = self.endpoint_url or f"https://sqs.{self.region}.{self.dns_suffix}"
        return f"{host.rstrip('/')}/{self.account_id}/{name}"


@cache
def partition_of(region: str) -> Partition:
    """Returns a region's partition as botocore's endpoint data has it; for an unknown region, that of most regions."""
    partitions = _botocore_partitions()
    by_name = (entry for entry in partitions if region in entry["regions"])
    by_form = (entry for entry in partitions if re.match(entry["regionRegex"], region))
    entry = next(by_name, None) or next(by_form, partitions[0])
    return Partition(entry["id"], entry["outputs"]["dnsSuffix"])


@cache
def _botocore_partitions() -> list[dict[str, Any]]:
    """Returns botocore's `partitions.json`, read without the time that importing botocore takes."""
    package = importlib.util.find_spec("botocore")
    assert package is not None and package.submodule_search_locations is not None
    path = Path(package.submodule_search_locations[0], "data", "partitions.json")
    content = path.read_bytes() if path.exists() else gzip.decompress(Path(f"{path}.gz").read_bytes())
    partitions: list[dict[str, Any]] = json.loads(content)["partitions"]
    return partitions
