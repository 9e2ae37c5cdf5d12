"""Threads make their requests in turn, and none of them has the turn while it waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.exceptions import ClientError, ParamValidationError

from geopipe_runner.aws.parallel import in_background
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
    in_background(partial(head, deployments)).result(SECONDS)


def test_requests_wait_for_their_responses_at_the_same_time(deployments: PooledDeployments) -> None:
    all_sent = threading.Barrier(8, timeout=SECONDS)

    def respond(request: AWSRequest) -> AWSResponse:
        all_sent.wait()
        return AWSResponse(request.url, 200, {}, RawBody())

    deployments.respond = respond
    for call in [in_background(partial(head, deployments)) for _ in range(8)]:
        call.result(SECONDS)


def test_one_thread_makes_a_request_at_a_time(deployments: PooledDeployments) -> None:
    making = threading.Semaphore(1)
    alone: list[bool] = []
    never = threading.Event()

    def make(**_: Any) -> None:
        is_alone = making.acquire(blocking=False)
        alone.append(is_alone)
        never.wait(0.01)  # long enough for another thread to come here too
        if is_alone:
            making.release()

    on(deployments, "request-created", make)
    for call in [in_background(partial(head, deployments)) for _ in range(20)]:
        call.result(SECONDS)
    assert alone == [True] * 20


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
    other = in_background(partial(head, deployments))
    assert has_turn.wait(SECONDS)
    upload = partial(deployments.one.client("s3").put_object, Bucket="one", Key="k", Body=b"rows")
    in_background(upload).result(SECONDS)
    other.result(SECONDS)


def test_no_one_has_the_turn_while_credentials_are_refreshed(
    deployments: PooledDeployments, monkeypatch: pytest.MonkeyPatch
) -> None:
    credentials = deployments.pool.session.get_credentials()
    freeze, refreshed = credentials.get_frozen_credentials, threading.Event()

    def refresh() -> Any:
        if not refreshed.is_set():
            refreshed.set()
            await_other_call(deployments)
        return freeze()

    monkeypatch.setattr(credentials, "get_frozen_credentials", refresh)
    deployments.one.client("s3").head_bucket(Bucket="one")
    assert refreshed.is_set() and len(deployments.sent) == 2
