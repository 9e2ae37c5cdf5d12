"""Who and where we are: what every computed ARN and URL is made from. No calls are made here."""

from __future__ import annotations

from dataclasses import dataclass

_PARTITIONS = {"cn-": ("aws-cn", "amazonaws.com.cn"), "us-gov-": ("aws-us-gov", "amazonaws.com")}


@dataclass(frozen=True)
class Account:
    """One account in one region at one endpoint.

    `endpoint_url` is None for AWS itself. `caller_arn` is what GetCallerIdentity answered, "" when nobody asked.
    """

    account_id: str
    region: str
    endpoint_url: str | None = None
    caller_arn: str = ""

    @property
    def partition(self) -> str:
        """The part of AWS that ARNs begin with."""
        return self._partition[0]

    @property
    def dns_suffix(self) -> str:
        """What host names of this partition end with."""
        return self._partition[1]

    @property
    def _partition(self) -> tuple[str, str]:
        known = (names for prefix, names in _PARTITIONS.items() if self.region.startswith(prefix))
        return next(known, ("aws", "amazonaws.com"))

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a regional resource."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account_id}:{resource}"

    def iam_arn(self, resource: str) -> str:
        """The ARN of an IAM resource, which has no region."""
        return f"arn:{self.partition}:iam::{self.account_id}:{resource}"

    def bucket_arn(self, bucket: str) -> str:
        """The ARN of a bucket, which has neither region nor account."""
        return f"arn:{self.partition}:s3:::{bucket}"

    def queue_url(self, name: str) -> str:
        """The URL a queue of that name has."""
        host = self.endpoint_url or f"https://sqs.{self.region}.{self.dns_suffix}"
        return f"{host.rstrip('/')}/{self.account_id}/{name}"
