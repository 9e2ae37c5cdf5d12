"""Calls while an emulator with a state folder ends: what had a success as response is there after the restart."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from geopipe_emulator import Emulator
from geopipe_emulator.emulator import EmulatorServer
from geopipe_emulator.settings import Settings
from tests.support.emulator_endpoint import Emulator as Endpoint
from tests.support.functions import TRUST, zipped
from tests.support.kept_account import REGION
from tests.support.wait import eventually

ROUNDS = 3
FUNCTION = "f"
HANDLER = """
import time

def handler(event, context):
    print("it began")
    time.sleep(600)
"""
Write = Callable[[str], Any]


def writes_of(client: Callable[[str], Any], queue_url: str) -> dict[str, Write]:
    """One call of each kind of storage: moto's services, our records, contents of objects, and the log."""
    s3, sqs, iam, functions = client("s3"), client("sqs"), client("iam"), client("lambda")
    logs, alias = client("logs"), {"FunctionName": FUNCTION, "FunctionVersion": "$LATEST"}
    return {
        "object": lambda name: s3.put_object(Bucket="at-the-end", Key=name, Body=name.encode()),
        "message": lambda name: sqs.send_message(QueueUrl=queue_url, MessageBody=name),
        "user": lambda name: iam.create_user(UserName=name),
        "alias": lambda name: functions.create_alias(Name=name, **alias),
        "stream": lambda name: logs.create_log_stream(logGroupName="g", logStreamName=name),
    }


def names_in(client: Callable[[str], Any], queue_url: str) -> dict[str, set[str]]:
    """Returns all that these calls have written."""
    objects = client("s3").get_paginator("list_objects_v2").paginate(Bucket="at-the-end")
    users = client("iam").get_paginator("list_users").paginate()
    streams = client("logs").get_paginator("describe_log_streams").paginate(logGroupName="g")
    aliases = client("lambda").get_paginator("list_aliases").paginate(FunctionName=FUNCTION)
    messages: set[str] = set()
    receive = {"QueueUrl": queue_url, "MaxNumberOfMessages": 10, "VisibilityTimeout": 600}
    while received := client("sqs").receive_message(**receive).get("Messages"):
        messages |= {message["Body"] for message in received}
    return {
        "object": {each["Key"] for page in objects for each in page.get("Contents", [])},
        "message": messages,
        "user": {user["UserName"] for page in users for user in page["Users"]},
        "alias": {alias["Name"] for page in aliases for alias in page["Aliases"]},
        "stream": {stream["logStreamName"] for page in streams for stream in page["logStreams"]},
    }


def set_up(client: Callable[[str], Any]) -> str:
    """Returns the URL of a queue."""
    created = client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(TRUST))
    client("s3").create_bucket(Bucket="at-the-end", CreateBucketConfiguration={"LocationConstraint": REGION})
    client("logs").create_log_group(logGroupName="g")
    code, role = {"ZipFile": zipped(main=HANDLER)}, created["Role"]["Arn"]
    client("lambda").create_function(
        FunctionName=FUNCTION, Runtime="python3.11", Handler="main.handler", Role=role, Code=code, Timeout=600
    )
    return str(client("sqs").create_queue(QueueName="q")["QueueUrl"])


def has_begun(emulator: Emulator | Endpoint) -> bool:
    """Whether the function runs."""
    logs, group = emulator.client("logs"), f"/aws/lambda/{FUNCTION}"
    if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
        return False
    return "it began" in str(logs.filter_log_events(logGroupName=group)["events"])


@pytest.mark.process
@pytest.mark.slow
def test_no_success_is_lost_when_the_emulator_ends_meanwhile(tmp_path: Path) -> None:
    acknowledged: dict[str, set[str]] = {}
    refusals: Counter[str] = Counter()
    queue_url = ""
    for round_number in range(ROUNDS):
        emulator = Emulator(state_dir=tmp_path / "account").start()
        queue_url = queue_url or set_up(emulator.client)
        done = [threading.Event() for _ in range(5)]

        def write(kind: str, call: Write, enough: threading.Event, round_number: int = round_number) -> None:
            """Write until the emulator is gone."""
            for number in range(100_000):
                name = f"{round_number}-{number}"
                try:
                    call(name)
                except ClientError as error:
                    refusals[error.response["Error"]["Code"]] += 1
                except BotoCoreError:
                    return
                else:
                    acknowledged.setdefault(kind, set()).add(name)
                    if number == 10:
                        enough.set()

        threads = [
            threading.Thread(target=write, args=(kind, call, enough))
            for (kind, call), enough in zip(writes_of(emulator.client, queue_url).items(), done, strict=True)
        ]
        # A function that runs makes the end take longer.
        emulator.client("lambda").invoke(FunctionName=FUNCTION, InvocationType="Event", Payload=b"{}")
        eventually(lambda emulator=emulator: has_begun(emulator))
        for thread in threads:
            thread.start()
        assert all(enough.wait(120) for enough in done)
        emulator.stop()
        for thread in threads:
            thread.join(120)
    with Emulator(state_dir=tmp_path / "account") as emulator:
        kept = names_in(emulator.client, queue_url)
    assert {kind: names - kept[kind] for kind, names in acknowledged.items() if names - kept[kind]} == {}
    assert set(refusals) <= {"ServiceUnavailable"} and len(acknowledged) == 5


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    server = EmulatorServer(Settings(account_id="200000000071"), state_dir=tmp_path / "account")
    yield Endpoint(server, server.start())
    server.stop()


def impatient(endpoint: Endpoint, service: str) -> Any:
    return endpoint.session.client(
        service,
        region_name=REGION,
        endpoint_url=endpoint.url,
        aws_access_key_id="AKIATEST",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )


CALLS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "JSON": ("sqs", "create_queue", {"QueueName": "late"}),
    "query": ("iam", "create_user", {"UserName": "late"}),
    "XML": ("s3", "create_bucket", {"Bucket": "late", "CreateBucketConfiguration": {"LocationConstraint": REGION}}),
    "REST": ("lambda", "create_alias", {"FunctionName": "late", "Name": "late", "FunctionVersion": "1"}),
    "own JSON": ("sagemaker", "start_pipeline_execution", {"PipelineName": "late"}),
    "moto REST": ("scheduler", "create_schedule_group", {"Name": "late"}),
}


def test_late_calls_get_503_in_their_protocol(endpoint: Endpoint) -> None:
    endpoint.server.gateway.end(0)
    codes = {}
    for protocol, (service, operation, parameters) in CALLS.items():
        with pytest.raises(ClientError) as refusal:
            getattr(impatient(endpoint, service), operation)(**parameters)
        response = refusal.value.response
        codes[protocol] = (response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"])
        assert "about to end" in response["Error"]["Message"]
    assert codes == dict.fromkeys(CALLS, ("ServiceUnavailable", 503))
    for path in ("/_geopipe/reset", "/_console/", "/_geopipe/steps"):
        with pytest.raises(urllib.error.HTTPError, match="503") as refused:
            urllib.request.urlopen(urllib.request.Request(endpoint.url + path, method="POST"), timeout=60)
        refused.value.close()


def test_a_call_that_runs_may_end_and_one_that_takes_too_long_does_not_count(endpoint: Endpoint) -> None:
    set_up(endpoint.client)
    endpoint.client("lambda").get_waiter("function_active_v2").wait(FunctionName=FUNCTION)
    results: dict[str, Any] = {}

    def poll() -> None:
        url = impatient(endpoint, "sqs").get_queue_url(QueueName="q")["QueueUrl"]
        results["poll"] = impatient(endpoint, "sqs").receive_message(QueueUrl=url, WaitTimeSeconds=20)

    def invoke() -> None:
        with suppress(BotoCoreError):
            try:
                results["invoke"] = impatient(endpoint, "lambda").invoke(FunctionName=FUNCTION, Payload=b"{}")
            except ClientError as error:
                results["refusal"] = error.response["Error"]["Code"]

    threads = [threading.Thread(target=work) for work in (poll, invoke)]
    for thread in threads:
        thread.start()
    report = endpoint.server.gateway.call_log.report
    eventually(lambda: {"ReceiveMessage", "Invoke"} <= {each["operation"] for each in report()["external"]})
    eventually(lambda: has_begun(endpoint))
    endpoint.server.stop()
    for thread in threads:
        thread.join(60)
    assert "Messages" not in results["poll"] and "invoke" not in results
    assert results.get("refusal", "ServiceUnavailable") == "ServiceUnavailable"
