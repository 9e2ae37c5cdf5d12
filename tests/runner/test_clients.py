"""The guards around every call: nothing is written during a plan, our bucket is ours, the account is the right one."""

from __future__ import annotations

import threading
from typing import Any

import botocore.config
import botocore.loaders
import botocore.session
import pytest
from botocore.awsrequest import AWSResponse

from geopipe_runner.aws.account import Account
from geopipe_runner.aws.clients import Aws, WriteRefusedError, is_read
from geopipe_runner.aws.endpoint import on_loopback
from geopipe_runner.aws.parallel import in_parallel
from geopipe_runner.aws.retry import Retrier
from geopipe_runner.aws.session import _use_short_models
from tests.support.runner_fakes import ACCOUNT_ID, FakeTime

pytestmark = pytest.mark.slow

BUCKET = "ours"


class Wire:
    """The place where requests would leave the process. It keeps them and returns empty responses."""

    def __init__(self) -> None:
        self.requests: list[Any] = []

    def send(self, request: Any, **_: Any) -> AWSResponse:
        self.requests.append(request)
        return AWSResponse(request.url, 200, {}, Empty())


class Empty:
    """A body with nothing in it."""

    def read(self, *_: Any) -> bytes:
        return b""

    def stream(self, **_: Any) -> list[bytes]:
        return []


@pytest.fixture(scope="module")
def session() -> botocore.session.Session:
    made = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    made.set_credentials("key", "secret")
    return made


@pytest.fixture
def aws(session: botocore.session.Session) -> Aws:
    config = botocore.config.Config(proxies={}, s3={"addressing_style": "path"})
    retrier = Retrier(lambda _text: None, time=FakeTime())
    return Aws(session, Account(ACCOUNT_ID, "us-west-2", "http://127.0.0.1:9"), BUCKET, retrier, config)


@pytest.fixture
def wire(aws: Aws) -> Wire:
    made = Wire()
    for service in ("s3", "sqs", "sagemaker"):
        aws.client(service).meta.events.register("before-send", made.send)
    return made


def owner(wire: Wire) -> str | None:
    header = wire.requests[-1].headers.get("x-amz-expected-bucket-owner")
    return header.decode() if isinstance(header, bytes) else header


def test_a_client_is_made_once(aws: Aws) -> None:
    assert aws.client("s3") is aws.client("s3")
    assert aws.client("s3") is not aws.client("sqs")


def test_during_a_plan_a_write_never_leaves(aws: Aws, wire: Wire) -> None:
    with aws.read_only():
        for write in (
            lambda: aws.client("s3").put_object(Bucket=BUCKET, Key="k"),
            lambda: aws.client("s3").delete_bucket(Bucket=BUCKET),
            lambda: aws.client("sqs").create_queue(QueueName="q"),
            lambda: aws.client("sagemaker").stop_pipeline_execution(PipelineExecutionArn="a" * 20),
        ):
            with pytest.raises(WriteRefusedError, match="during a plan"):
                write()
        assert wire.requests == []
        aws.client("s3").head_bucket(Bucket=BUCKET)
        aws.client("sagemaker").list_pipelines()
    assert len(wire.requests) == 2


def test_after_a_plan_writes_leave_again_even_if_it_failed(aws: Aws, wire: Wire) -> None:
    with pytest.raises(KeyError), aws.read_only():
        raise KeyError
    aws.client("s3").put_object(Bucket=BUCKET, Key="k")
    assert len(wire.requests) == 1


def test_equal_reads_of_a_plan_are_one(aws: Aws) -> None:
    reads: list[int] = []
    are_all_there = threading.Barrier(4, timeout=60)

    def read() -> int:
        reads.append(1)
        return len(reads)

    def ask() -> int:
        are_all_there.wait()
        return aws.read_once("what", read)

    assert [aws.read_once("what", read) for _ in range(2)] == [1, 2]
    for expected in (3, 4):  # a later plan reads again
        with aws.read_only():
            assert set(in_parallel(dict.fromkeys("abcd", ask)).values()) == {expected}
            assert aws.read_once("something else", lambda: "else") == "else"
    assert aws.read_once("what", read) == 5


def test_an_error_of_a_shared_read_is_that_of_all_who_ask_for_it(aws: Aws) -> None:
    with aws.read_only():
        for _ in range(2):
            with pytest.raises(KeyError, match="first"):
                aws.read_once("what", lambda: {}["first"])
    assert aws.read_once("what", lambda: "found") == "found"


def test_the_guard_holds_for_paginators_and_waiters_too(aws: Aws, wire: Wire) -> None:
    with aws.read_only():
        aws.client("s3").get_waiter("bucket_exists").wait(Bucket=BUCKET)
    assert len(wire.requests) == 1


def test_a_call_on_our_bucket_names_its_owner(aws: Aws, wire: Wire) -> None:
    s3 = aws.client("s3")
    for call in (
        lambda: s3.head_bucket(Bucket=BUCKET),
        lambda: s3.put_object(Bucket=BUCKET, Key="k", Body=b"x"),
        lambda: s3.list_object_versions(Bucket=BUCKET),
        lambda: s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "k"}]}),
        lambda: s3.put_bucket_policy(Bucket=BUCKET, Policy="{}"),
        lambda: s3.delete_bucket(Bucket=BUCKET),
    ):
        call()
        assert owner(wire) == ACCOUNT_ID


def test_a_call_on_another_bucket_or_with_an_owner_is_left_alone(aws: Aws, wire: Wire) -> None:
    aws.client("s3").get_object(Bucket="theirs", Key="k")
    assert owner(wire) is None
    aws.client("s3").head_bucket(Bucket=BUCKET, ExpectedBucketOwner="999999999999")
    assert owner(wire) == "999999999999"


WRITES = [
    ("sagemaker", "add_tags", {"ResourceArn": "a" * 20, "Tags": [{"Key": "k", "Value": "v"}]}, True),
    ("sqs", "create_queue", {"QueueName": "q", "tags": {"k": "v"}}, True),
    ("sqs", "create_queue", {"QueueName": "q"}, False),
    ("sagemaker", "list_tags", {"ResourceArn": "a" * 20}, False),
    ("s3", "put_object", {"Bucket": BUCKET, "Key": "k"}, False),
]


@pytest.mark.parametrize(("service", "operation", "parameters", "is_change"), WRITES)
def test_a_write_of_rights_or_tags_is_noted(
    aws: Aws, wire: Wire, service: str, operation: str, parameters: dict[str, Any], is_change: bool
) -> None:
    getattr(aws.client(service), operation)(**parameters)
    assert len(wire.requests) == 1
    assert aws.retrier.changed_recently() is is_change


def test_creating_a_bucket_has_no_owner_to_expect(aws: Aws, wire: Wire) -> None:
    aws.client("s3").create_bucket(Bucket=BUCKET)
    assert owner(wire) is None


@pytest.mark.parametrize("service", ["iam", "sqs", "s3", "logs", "lambda", "sagemaker", "sagemaker-geospatial", "sts"])
def test_what_counts_as_a_read_does_by_the_service_s_own_words(service: str) -> None:
    """No operation of a service we use reads by its name and writes by its HTTP method."""
    operations = botocore.loaders.Loader().load_service_model(service, "service-2")["operations"]
    reads = {name for name in operations if is_read(service, name)}
    assert reads
    assert {name for name in reads if operations[name]["http"]["method"] in ("PUT", "DELETE", "PATCH")} == set()
    verbs = ("Create", "Delete", "Put", "Update", "Start", "Stop", "Send", "Tag", "Untag", "Attach", "Invoke")
    assert not any(name.startswith(verbs) for name in reads)


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        (None, False),
        ("http://127.0.0.1:4566", True),
        ("http://localhost:1", True),
        ("http://[::1]:1", True),
        ("https://example.com", False),
        ("http://127.0.0.1.example.com", False),
        ("https://vpce-1.sagemaker.us-west-2.vpce.amazonaws.com", False),
    ],
)
def test_what_is_on_this_machine(url: str | None, loopback: bool) -> None:
    assert on_loopback(url) is loopback


def test_models_below_the_home_of_an_unknown_user_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DATA_PATH", "~no-such-user/models")
    session = botocore.session.Session()
    _use_short_models(session)
    assert "s3" in session.get_component("data_loader").list_available_services("service-2")
