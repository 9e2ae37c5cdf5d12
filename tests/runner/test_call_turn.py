"""Threads make their requests in turn, and none of them has the turn while it waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.exceptions import ClientError, ParamValidationError

from tests.support.pooled_deployments import PooledDeployments, RawBody

SECONDS = 60
"""After so long, a thread that is kept waiting gives up, and its test fails."""


@pytest.fixture
def deployments() -> PooledDeployments:
    return PooledDeployments()


def on(deployments: PooledDeployments, event: str, handle: Callable[..., Any]) -> None:
    deployments.one.client("s3").meta.events.register_last(event, handle, unique_id=f"test {event}")


def head(deployments: PooledDeployments) -> None:
    deployments.two.client("s3").head_bucket(Bucket="two")


def await_other_call(deployments: PooledDeployments) -> None:
    """Make a call on another thread and wait for its end: the turn must be free."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(head, deployments).result(SECONDS)


def test_requests_wait_for_their_responses_at_the_same_time(deployments: PooledDeployments) -> None:
    all_sent = threading.Barrier(8, timeout=SECONDS)

    def respond(request: AWSRequest) -> AWSResponse:
        all_sent.wait()
        return AWSResponse(request.url, 200, {}, RawBody())

    deployments.respond = respond
    with ThreadPoolExecutor(8) as threads:
        for call in [threads.submit(head, deployments) for _ in range(8)]:
            call.result(SECONDS)


def test_one_thread_makes_a_request_at_a_time(deployments: PooledDeployments) -> None:
    computing: list[int] = []
    at_the_same_time: set[int] = set()

    def compute(**_: Any) -> None:
        computing.append(1)
        for _ in range(1000):
            at_the_same_time.add(len(computing))
        computing.pop()

    on(deployments, "request-created", compute)
    with ThreadPoolExecutor(8) as threads:
        for call in [threads.submit(head, deployments) for _ in range(80)]:
            call.result(SECONDS)
    assert at_the_same_time == {1}


def test_a_call_that_is_refused_before_it_leaves_gives_the_turn_back(deployments: PooledDeployments) -> None:
    with pytest.raises(ParamValidationError):
        deployments.one.client("s3").head_bucket()
    await_other_call(deployments)


def test_an_error_gives_the_turn_back(deployments: PooledDeployments) -> None:
    deployments.respond = lambda request: AWSResponse(request.url, 404, {}, RawBody())
    with pytest.raises(ClientError, match="404"):
        deployments.one.client("s3").head_bucket(Bucket="one")
    deployments.respond = lambda request: AWSResponse(request.url, 200, {}, RawBody())
    await_other_call(deployments)


def test_no_one_has_the_turn_while_a_call_waits_to_be_repeated(deployments: PooledDeployments) -> None:
    waited: list[int] = []

    def wait(attempts: int, request_dict: dict[str, Any], **_: Any) -> None:
        if request_dict["url"].endswith("/one"):
            waited.append(attempts)
            await_other_call(deployments)

    on(deployments, "needs-retry", wait)
    deployments.one.client("s3").head_bucket(Bucket="one")
    assert waited == [1]


def test_no_one_has_the_turn_while_a_call_waits_for_the_lock_of_its_deployment(deployments: PooledDeployments) -> None:
    waited: list[str] = []

    def wait() -> None:
        await_other_call(deployments)
        waited.append("for the lock")

    deployments.one.require_lock("lock.json", wait)
    deployments.one.client("s3").delete_object(Bucket="one", Key="k")
    assert waited == ["for the lock"]


def test_an_upload_needs_no_turn(deployments: PooledDeployments) -> None:
    has_turn, is_uploaded = threading.Event(), threading.Event()

    def compute_until_uploaded(operation_name: str, **_: Any) -> None:
        if operation_name == "HeadBucket":
            has_turn.set()
            assert is_uploaded.wait(SECONDS)

    def respond(request: AWSRequest) -> AWSResponse:
        if request.method == "PUT":
            is_uploaded.set()
        return AWSResponse(request.url, 200, {}, RawBody())

    on(deployments, "request-created", compute_until_uploaded)
    deployments.respond = respond
    with ThreadPoolExecutor(1) as thread:
        other = thread.submit(head, deployments)
        assert has_turn.wait(SECONDS)
        deployments.one.client("s3").put_object(Bucket="one", Key="k", Body=b"rows")
        other.result(SECONDS)
