"""Deployments that share clients: each call has the guards of its own deployment."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import botocore.config
import botocore.session
import pytest
from botocore.awsrequest import AWSRequest, AWSResponse

from geopipe_runner.aws.account import Account
from geopipe_runner.aws.client_pool import ClientPools
from geopipe_runner.aws.clients import Aws, WriteRefusedError
from geopipe_runner.aws.clock import Interrupted, StoppableClock
from geopipe_runner.aws.retry import Retrier

OWNER = "x-amz-expected-bucket-owner"


class RawBody(io.BytesIO):
    """An empty body, as urllib3 gives it."""

    def stream(self) -> Iterator[bytes]:
        yield self.getvalue()


class TwoDeployments:
    """Two deployments in one account, and the requests that leave."""

    def __init__(self) -> None:
        self.sent: list[AWSRequest] = []
        self.sessions = 0
        pools = ClientPools(2)
        self.pool, again = (pools.pool("the same", self._make_session) for _ in range(2))
        assert again is self.pool
        self.one, self.two = (self._connect(bucket) for bucket in ("one", "two"))

    def _connect(self, bucket: str) -> Aws:
        pool = self.pool
        account = Account("123456789012", "us-west-2", "http://127.0.0.1:9")
        retrier = Retrier(lambda text: None, time=StoppableClock())
        aws = Aws(pool.session, account, bucket, retrier, botocore.config.Config(), pool=pool)
        aws.client("s3").meta.events.register_last("before-send", self._respond, unique_id="test")
        return aws

    def _make_session(self) -> botocore.session.Session:
        self.sessions += 1
        session = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
        session.set_credentials("AKIATEST", "secret")
        return session

    def _respond(self, request: AWSRequest, **_: Any) -> AWSResponse:
        self.sent.append(request)
        return AWSResponse(request.url, 200, {}, RawBody())


@pytest.fixture
def deployments() -> TwoDeployments:
    return TwoDeployments()


def test_each_call_has_the_guards_of_its_deployment(deployments: TwoDeployments) -> None:
    assert deployments.sessions == 1
    for aws in (deployments.one, deployments.two):
        aws.client("s3").put_object(Bucket="one", Key="k", Body=b"")
    assert [OWNER in request.headers for request in deployments.sent] == [True, False]
    with deployments.one.read_only():
        with pytest.raises(WriteRefusedError):
            deployments.one.client("s3").put_object(Bucket="one", Key="k", Body=b"")
        deployments.two.client("s3").put_object(Bucket="two", Key="k", Body=b"")
    assert len(deployments.sent) == 3


def test_threads_and_paginators_do_not_mix_deployments(deployments: TwoDeployments) -> None:
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


def test_one_stopped_deployment_makes_no_more_calls(deployments: TwoDeployments) -> None:
    clock = deployments.one.retrier.time
    assert isinstance(clock, StoppableClock)
    clock.stop("Interrupted.", is_unattended=False)
    with pytest.raises(Interrupted):
        deployments.one.client("s3").head_bucket(Bucket="one")
    deployments.two.client("s3").head_bucket(Bucket="two")
    clock.renew()
    deployments.one.client("s3").head_bucket(Bucket="one")
    assert len(deployments.sent) == 2


def test_whose_the_credentials_are_is_asked_once(deployments: TwoDeployments) -> None:
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


def test_calls_say_that_they_are_ours(deployments: TwoDeployments) -> None:
    deployments.one.client("s3").head_bucket(Bucket="one")
    agent = deployments.sent[0].headers["User-Agent"].decode()
    assert agent.startswith("Botocore/") and agent.endswith(" app/geopipe")
