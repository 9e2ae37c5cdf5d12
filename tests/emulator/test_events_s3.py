"""What happens in buckets reaches functions and queues."""

from __future__ import annotations

import http.client
import json
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from geopipe_emulator.emulator import default_services
from geopipe_emulator.settings import Settings
from tests.support.emulator_endpoint import Emulator, StartEmulator
from tests.support.events import allow_delivery, allow_invocation, bucket, next_message
from tests.support.functions import TRUST, Functions, make_role, refused

ACCOUNT = "200000000131"
SHOW = "import json\ndef handler(event, context):\n    print(json.dumps(event))\n"


@pytest.fixture(scope="module")
def standing(start_emulator: StartEmulator) -> Emulator:
    return start_emulator(Settings(account_id=ACCOUNT, time_scale=0.001), default_services())


@pytest.fixture
def account(standing: Emulator) -> Iterator[Functions]:
    account = Functions(standing, make_role(standing, TRUST))
    yield account
    account.clear()


def notify(account: Functions, name: str, **configuration: Any) -> None:
    account.client("s3").put_bucket_notification_configuration(Bucket=name, NotificationConfiguration=configuration)


def of_queue(arn: str, *events: str, **filters: str) -> dict[str, Any]:
    rules = [{"Name": name, "Value": value} for name, value in filters.items()]
    key_filter = {"Filter": {"Key": {"FilterRules": rules}}} if rules else {}
    return {"QueueArn": arn, "Events": list(events), **key_filter}


def test_an_upload_invokes_the_function(account: Functions) -> None:
    name, function = bucket(account), account.function(SHOW)
    arn = allow_invocation(account, function, "s3.amazonaws.com", f"arn:aws:s3:::{name}")
    notify(account, name, LambdaFunctionConfigurations=[
        {"Id": "new", "LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}
    ])  # fmt: skip
    account.client("s3").put_object(Bucket=name, Key="in/a b.csv", Body=b"12345")
    [line] = [line for line in account.logged(function, "ObjectCreated") if "ObjectCreated" in line]
    [record] = json.loads(line)["Records"]
    assert (record["eventName"], record["eventSource"], record["eventVersion"]) == (
        "ObjectCreated:Put", "aws:s3", "2.1",
    )  # fmt: skip
    assert record["s3"]["configurationId"] == "new"
    assert record["s3"]["bucket"]["arn"] == f"arn:aws:s3:::{name}"
    assert (record["s3"]["object"]["key"], record["s3"]["object"]["size"]) == ("in/a+b.csv", 5)


def post_form(url: str, fields: dict[str, str]) -> int:
    """Upload a file as a browser's form does. Returns the status."""
    parts = [f'--x\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}' for key, value in fields.items()]
    parts.append('--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n12345')
    body = ("\r\n".join(parts) + "\r\n--x--\r\n").encode()
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=90)
    try:
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        connection.request("POST", urlsplit(url).path, body, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_each_change_of_an_object_is_an_event(account: Functions) -> None:
    name, s3, (url, arn) = bucket(account), account.client("s3"), account.queue()
    allow_delivery(account, url, "s3.amazonaws.com", f"arn:aws:s3:::{name}")
    events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"]
    notify(account, name, QueueConfigurations=[of_queue(arn, *events, prefix="in/", suffix=".csv")])
    test_event = next_message(account, url)
    assert (test_event["Event"], test_event["Bucket"]) == ("s3:TestEvent", name)
    [shown] = s3.get_bucket_notification_configuration(Bucket=name)["QueueConfigurations"]
    rules = [{"Name": "Prefix", "Value": "in/"}, {"Name": "Suffix", "Value": ".csv"}]
    assert (shown["QueueArn"], shown["Events"], shown["Filter"]["Key"]["FilterRules"]) == (arn, events, rules)

    def event() -> tuple[str, str]:
        [record] = next_message(account, url)["Records"]
        return record["eventName"], record["s3"]["object"]["key"]

    s3.put_object(Bucket=name, Key="out/a.csv", Body=b"")
    s3.put_object(Bucket=name, Key="in/a.txt", Body=b"")
    s3.put_object(Bucket=name, Key="in/a.csv", Body=b"")
    assert event() == ("ObjectCreated:Put", "in/a.csv")
    s3.copy_object(Bucket=name, Key="in/b.csv", CopySource={"Bucket": name, "Key": "in/a.csv"})
    assert event() == ("ObjectCreated:Copy", "in/b.csv")
    form = s3.generate_presigned_post(name, "in/d.csv")
    assert post_form(form["url"], form["fields"]) < 300
    assert event() == ("ObjectCreated:Post", "in/d.csv")
    upload = s3.create_multipart_upload(Bucket=name, Key="in/c.csv")["UploadId"]
    part = s3.upload_part(Bucket=name, Key="in/c.csv", UploadId=upload, PartNumber=1, Body=b"x")
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    s3.complete_multipart_upload(Bucket=name, Key="in/c.csv", UploadId=upload, MultipartUpload=parts)
    assert event() == ("ObjectCreated:CompleteMultipartUpload", "in/c.csv")
    s3.put_object_tagging(Bucket=name, Key="in/c.csv", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert event() == ("ObjectTagging:Put", "in/c.csv")
    s3.delete_object(Bucket=name, Key="in/never-there.csv")
    s3.delete_object(Bucket=name, Key="in/a.csv")
    assert event() == ("ObjectRemoved:Delete", "in/a.csv")
    s3.delete_objects(Bucket=name, Delete={"Objects": [{"Key": "in/b.csv"}, {"Key": "in/x.csv"}], "Quiet": True})
    assert event() == ("ObjectRemoved:Delete", "in/b.csv")
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.delete_object(Bucket=name, Key="in/c.csv")
    assert event() == ("ObjectRemoved:DeleteMarkerCreated", "in/c.csv")
    notify(account, name)
    assert "QueueConfigurations" not in s3.get_bucket_notification_configuration(Bucket=name)


def test_aws_checks_the_targets_of_notifications(account: Functions) -> None:
    name, s3, (url, arn) = bucket(account), account.client("s3"), account.queue()

    def refusal(*configurations: dict[str, Any], kind: str = "QueueConfigurations") -> tuple[int, str, str]:
        return refused(
            s3.put_bucket_notification_configuration,
            Bucket=name, NotificationConfiguration={kind: list(configurations)},
        )  # fmt: skip

    unable = (400, "InvalidArgument", "Unable to validate the following destination configurations")
    assert refusal(of_queue(arn, "s3:ObjectCreated:*")) == unable
    allow_delivery(account, url, "s3.amazonaws.com", "arn:aws:s3:::another")
    assert refusal(of_queue(arn, "s3:ObjectCreated:*")) == unable
    allow_delivery(account, url, "s3.amazonaws.com", f"arn:aws:s3:::{name}")
    assert refusal(of_queue(f"{arn}-missing", "s3:ObjectCreated:*")) == unable
    function = f"arn:aws:lambda:us-west-2:{ACCOUNT}:function:{account.function()}"
    unpermitted = {"LambdaFunctionArn": function, "Events": ["s3:ObjectCreated:*"]}
    assert refusal(unpermitted, kind="LambdaFunctionConfigurations") == unable
    assert refusal(of_queue(arn, "s3:ObjectRestore:Post"))[:2] == (501, "NotImplemented")
    assert refusal(of_queue(arn, "s3:Nonsense"))[:2] == (400, "InvalidArgument")
    overlapping = [of_queue(arn, "s3:ObjectCreated:*", prefix="a"), of_queue(arn, "s3:ObjectCreated:Put", prefix="ab")]
    assert "ambiguously" in refusal(*overlapping)[2]
    assert "QueueConfigurations" not in s3.get_bucket_notification_configuration(Bucket=name)
    missing = f"b-{uuid.uuid4().hex}"
    assert refused(s3.get_bucket_notification_configuration, Bucket=missing)[1] == "NoSuchBucket"
