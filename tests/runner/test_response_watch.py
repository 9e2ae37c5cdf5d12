"""An endpoint that hangs is announced, and a call to it ends."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import botocore.config
import botocore.session
import pytest
from botocore.exceptions import ReadTimeoutError

from geopipe_runner.aws.account import Account
from geopipe_runner.aws.clients import Aws
from geopipe_runner.aws.poll import TimedOut
from geopipe_runner.aws.response_watch import ResponseWatch
from geopipe_runner.aws.retry import Retrier
from geopipe_runner.pipeline import execution
from tests.support.kinds import Hurried
from tests.support.runner_fakes import ACCOUNT_ID
from tests.support.wait import eventually

pytestmark = pytest.mark.slow


class Events:
    """Event hooks that a test emits itself."""

    def __init__(self) -> None:
        self.handlers: dict[str, Any] = {}

    def register(self, name: str, handler: Any) -> None:
        self.handlers[name] = handler


@pytest.fixture
def hung() -> Iterator[tuple[str, list[float]]]:
    """A server that takes connections and requests, and never responds."""
    listener = socket.create_server(("127.0.0.1", 0))
    requests: list[float] = []
    connections: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            requests.append(time.monotonic())

    threading.Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
    listener.close()
    for connection in connections:
        connection.close()


def aws_at(url: str, read_timeout: float, said: list[str]) -> Aws:
    session = botocore.session.Session()
    session.set_credentials("AKIAEXAMPLE", "secret")
    config = botocore.config.Config(
        retries={"mode": "standard", "total_max_attempts": 8}, read_timeout=read_timeout, proxies={}
    )
    retrier = Retrier(said.append, time=Hurried())
    return Aws(session, Account(ACCOUNT_ID, "us-west-2", url), "ours", retrier, config)


def watch_events(watch: ResponseWatch, events: Events) -> None:
    for event, hook in watch.hooks:
        events.register(event, hook)


def test_silence_is_announced_once() -> None:
    said: list[str] = []
    events = Events()
    watch_events(ResponseWatch(said.append, silence=0.1), events)
    request = SimpleNamespace(url="http://127.0.0.1:4566/x")
    events.handlers["before-send"](request, event_name="before-send.sagemaker.DescribePipeline")
    eventually(lambda: said, what="the announcement")
    time.sleep(0.4)
    assert said == ["No response from 127.0.0.1:4566 for 0 s (sagemaker:DescribePipeline). Still waiting."]


def test_a_response_and_a_body_that_is_being_sent_are_no_silence() -> None:
    said: list[str] = []
    events = Events()
    watch = ResponseWatch(said.append, silence=0.5)
    watch_events(watch, events)
    request = SimpleNamespace(url="http://127.0.0.1:4566/x")
    events.handlers["before-send"](request, event_name="before-send.s3.PutObject")
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        watch.keep_alive()
        time.sleep(0.01)
    events.handlers["response-received"]()
    time.sleep(0.8)
    assert said == []


def test_a_hung_call_is_sent_twice_and_ends(hung: tuple[str, list[float]]) -> None:
    url, requests = hung
    with pytest.raises(ReadTimeoutError):
        aws_at(url, 0.3, []).client("sagemaker").list_pipelines()
    assert len(requests) == 2


def test_the_execution_timeout_bounds_a_hung_call(
    hung: tuple[str, list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, _ = hung
    monkeypatch.setattr(execution, "_SHORTEST_READ", 0.2)
    aws = aws_at(url, 60, [])
    arn = f"arn:aws:sagemaker:us-west-2:{ACCOUNT_ID}:pipeline/p/execution/abcdefghijkl"
    started = time.monotonic()
    with pytest.raises(TimedOut):
        execution.follow(aws, arn, every=0.1, within=0.5, with_steps=True, seen=lambda _view: None)
    assert time.monotonic() - started < 20
