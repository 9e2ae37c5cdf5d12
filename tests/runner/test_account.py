"""ARNs and URLs that account, partition, region and name determine."""

from __future__ import annotations

import pytest

from geopipe_runner.aws.account import Account, partition_of


@pytest.mark.parametrize(
    ("region", "partition", "suffix"),
    [
        ("us-west-2", "aws", "amazonaws.com"),
        ("eu-central-1", "aws", "amazonaws.com"),
        ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
        ("us-iso-east-1", "aws-iso", "c2s.ic.gov"),
        ("us-isob-east-1", "aws-iso-b", "sc2s.sgov.gov"),
        ("eu-isoe-west-1", "aws-iso-e", "cloud.adc-e.uk"),
        ("us-isof-south-1", "aws-iso-f", "csp.hci.ic.gov"),
        ("eusc-de-east-1", "aws-eusc", "amazonaws.eu"),
        ("us-gov-north-9", "aws-us-gov", "amazonaws.com"),
        ("mars-north-1", "aws", "amazonaws.com"),
    ],
)
def test_partitions(region: str, partition: str, suffix: str) -> None:
    account = Account("123456789012", region)
    assert account.partition == partition
    assert account.arn("lambda", "function:f") == f"arn:{partition}:lambda:{region}:123456789012:function:f"
    assert account.iam_arn("role/r") == f"arn:{partition}:iam::123456789012:role/r"
    assert account.bucket_arn("b") == f"arn:{partition}:s3:::b"
    assert account.queue_url("q") == f"https://sqs.{region}.{suffix}/123456789012/q"


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:4566", "http://127.0.0.1:4566/"])
def test_queue_urls_are_the_endpoints(endpoint: str) -> None:
    assert Account("123456789012", "us-west-2", endpoint).queue_url("q") == "http://127.0.0.1:4566/123456789012/q"


def test_every_region_of_botocore_has_botocores_partition() -> None:
    import botocore.session

    session = botocore.session.get_session()
    for name in session.get_available_partitions():
        for region in session.get_available_regions("s3", partition_name=name):
            assert partition_of(region).name == session.get_partition_for_region(region)
