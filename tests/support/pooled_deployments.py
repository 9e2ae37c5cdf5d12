"""Deployments that share clients, without a network."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import botocore.config
import botocore.session
from botocore.awsrequest import AWSRequest, AWSResponse

from geopipe_runner.aws.account import Account
from geopipe_runner.aws.client_pool import ClientPools
from geopipe_runner.aws.clients import Aws
from geopipe_runner.aws.clock import StoppableClock
from geopipe_runner.aws.retry import Retrier


class RawBody(io.BytesIO):
    """An empty body, as urllib3 gives it."""

    def stream(self) -> Iterator[bytes]:
        yield self.getvalue()


class PooledDeployments:
    """Two deployments in one account, and the requests that leave."""

    def __init__(self) -> None:
        self.sent: list[AWSRequest] = []
        self.respond: Callable[[AWSRequest], AWSResponse] = lambda request: AWSResponse(request.url, 200, {}, RawBody())
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
        return self.respond(request)
