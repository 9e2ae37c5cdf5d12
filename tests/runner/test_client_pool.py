"""Deployments that share clients: each call has the guards of its own deployment."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from geopipe_runner.aws.clients import WriteRefusedError
from geopipe_runner.aws.clock import Interrupted, StoppableClock
from tests.support.pooled_deployments import PooledDeployments

OWNER = "x-amz-expected-bucket-owner"


@pytest.fixture
def deployments() -> PooledDeployments:
    return PooledDeployments()


def test_each_call_has_the_guards_of_its_deployment(deployments: PooledDeployments) -> None:
    assert deployments.sessions == 1
    for aws in (deployments.one, deployments.two):
        aws.client("s3").put_object(Bucket="one", Key="k", Body=b"")
    assert [OWNER in request.headers for request in deployments.sent] == [True, False]
    with deployments.one.read_only():
        with pytest.raises(WriteRefusedError):
            deployments.one.client("s3").put_object(Bucket="one", Key="k", Body=b"")
        deployments.two.client("s3").put_object(Bucket="two", Key="k", Body=b"")
    assert len(deployments.sent) == 3


def test_threads_and_paginators_do_not_mix_deployments(deployments: PooledDeployments) -> None:
    def call(number: int) -> None:
        aws, bucket = ((deployments.one, "one"), (deployments.two, "two"))[number % 2]
        list(aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket))
        aws.client("s3").head_bucket(Bucket="one")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(call, range(40)))
    lists = [request for request in deployments.sent if "list-type" in request.url]
    heads = [request for request in deployments.sent if request.method == "HEAD"]
    assert [OWNER in request.headers for request in lists] == [True] * 40
    assert sum(OWNER in request.headers for request in heads) == 20


def test_one_stopped_deployment_makes_no_more_calls(deployments: PooledDeployments) -> None:
    clock = deployments.one.retrier.time
    assert isinstance(clock, StoppableClock)
    clock.stop("Interrupted.", is_unattended=False)
    with pytest.raises(Interrupted):
        deployments.one.client("s3").head_bucket(Bucket="one")
    deployments.two.client("s3").head_bucket(Bucket="two")
    clock.renew()
    deployments.one.client("s3").head_bucket(Bucket="one")
    assert len(deployments.sent) == 2


def test_whose_the_credentials_are_is_asked_once(deployments: PooledDeployments) -> None:
    """An error is that of all who wait for it. Who comes later asks again."""
    asked: list[str] = []
    may_respond = threading.Event()

    def fail() -> dict[str, str]:
        asked.append("fail")
        may_respond.wait(60)
        raise ConnectionError("no response")

    def respond() -> dict[str, str]:
        asked.append("respond")
        return {"Account": "123456789012"}

    waiting = [deployments.pool.once("identity", fail) for _ in range(2)]
    may_respond.set()
    for response in waiting:
        with pytest.raises(ConnectionError, match="no response"):
            response.result(60)
    assert deployments.pool.once("identity", respond).result(60) == {"Account": "123456789012"}
    assert deployments.pool.once("identity", fail).result(60) == {"Account": "123456789012"}
    assert asked == ["fail", "respond"]


def test_calls_say_that_they_are_ours(deployments: PooledDeployments) -> None:
    deployments.one.client("s3").head_bucket(Bucket="one")
    agent = deployments.sent[0].headers["User-Agent"].decode()
    assert agent.startswith("Botocore/") and agent.endswith(" app/geopipe")
