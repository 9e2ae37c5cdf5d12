"""Jobs in parts: started, processed, answered and joined, with S3 and SQS of moto."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import ClientError, IncompleteReadError

import handler
import map_rows
import part_worker
import parts
from aws import Clients, FunctionSettings, InvocationContext
from callbacks import Callback, MalformedInputError
from cutting import Part
from geopipe_emulator.emulator import EmulatorServer
from geopipe_emulator.settings import Settings
from log import JsonLog
from part_store import PartStore
from providers import ProviderRefusedError

# Each test runs an emulator.
pytestmark = pytest.mark.slow

REGION = "us-west-2"
INPUT = "s3://data/input.csv"
OUTPUT = "s3://data/output/run-1/"
MANIFEST = f"{OUTPUT}parts/manifest.json"
GAZETTEER = {"Provider": "gazetteer", "LongitudeColumn": "x", "LatitudeColumn": "y", "PartBytes": 1}
TRANSFORM = {"Provider": "map_rows", "Transform": "doubled", "Columns": ["twice"], "PartBytes": 1}


class Cloud:
    """S3, the work queue with its dead-letter queue, and an invocation of the function."""

    def __init__(self) -> None:
        self.s3 = boto3.client("s3", region_name=REGION)
        self.sqs = boto3.client("sqs", region_name=REGION)
        self.s3.create_bucket(Bucket="data", CreateBucketConfiguration={"LocationConstraint": REGION})
        self.work, self.dead = (self.sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("work", "dead"))
        self.log: list[dict[str, Any]] = []
        self.left = 900.0
        settings = FunctionSettings("", "", 3600, self.work, self.dead)
        log = JsonLog("request", lambda line: self.log.append(json.loads(line)))
        self.invocation = InvocationContext(
            Clients(REGION), settings, log, "request", 900.0, lambda: self.left, lambda: 0.0, self._sleep
        )

    def _sleep(self, seconds: float) -> None:
        self.left -= seconds

    def put(self, text: str | bytes) -> None:
        self.s3.put_object(Bucket="data", Key="input.csv", Body=text)

    def start(self, settings: dict[str, Any]) -> dict[str, str]:
        fields = {"parts_input_uri": INPUT, "parts_output_uri": OUTPUT, "parts_config": json.dumps(settings)}
        return dict(handler.handle(fields, self.invocation))

    def messages(self) -> list[dict[str, Any]]:
        """Take all messages out of the work queue, as events of a mapping."""
        taken = []
        while received := self.sqs.receive_message(QueueUrl=self.work, MaxNumberOfMessages=10).get("Messages"):
            for message in received:
                self.sqs.delete_message(QueueUrl=self.work, ReceiptHandle=message["ReceiptHandle"])
                taken.append(message_event(message["Body"]))
        return taken

    def work_on(self, events: list[dict[str, Any]]) -> list[Any]:
        return [part_worker.handle({"Records": [event]}, self.invocation)["batchItemFailures"] for event in events]

    def check(self, phase: str = "work", token: str = "Token00001") -> Any:
        return parts.check(callback(phase, token), self.invocation)

    def export(self) -> dict[str, str]:
        return dict(handler.handle({"parts_export": "results", "parts_manifest": MANIFEST}, self.invocation))

    def result(self) -> bytes:
        body: bytes = self.s3.get_object(Bucket="data", Key="output/run-1/results_0.csv")["Body"].read()
        return body

    def names(self) -> list[str]:
        listed = self.s3.list_objects_v2(Bucket="data", Prefix="output/").get("Contents", [])
        return [entry["Key"].removeprefix("output/run-1/") for entry in listed]

    def contents(self) -> dict[str, bytes]:
        found = {name: self.s3.get_object(Bucket="data", Key=f"output/run-1/{name}") for name in self.names()}
        return {name: response["Body"].read() for name, response in found.items()}

    def uploads(self) -> list[Any]:
        return list(self.s3.list_multipart_uploads(Bucket="data").get("Uploads", []))


def message_event(body: str, queue: str = "work") -> dict[str, Any]:
    arn = f"arn:aws:sqs:{REGION}:123456789012:{queue}"
    return {"messageId": "m", "receiptHandle": "", "eventSourceARN": arn, "body": body}


def part_event(number: int, queue: str = "work", received: int = 1) -> dict[str, Any]:
    event = message_event(json.dumps({"manifest": MANIFEST, "part": number}), queue)
    return {**event, "attributes": {"ApproximateReceiveCount": str(received)}}


def dead_letter(number: int, message_id: str) -> dict[str, Any]:
    return part_event(number, "dead") | {"messageId": message_id}


def callback(phase: str = "work", token: str = "Token00001") -> Callback:
    return Callback(token, REGION, {"parts_manifest": MANIFEST, "parts_phase": phase})


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    # Not moto's own mocks: they would empty the emulators that other tests run in this process.
    with EmulatorServer(Settings(account_id="200000000081"), services=[]) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "test")
        # Otherwise a small file has one part only.
        monkeypatch.setattr(parts, "_BLOCK_BYTES", 64)
        yield Cloud()


@pytest.fixture
def doubled(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's module: it doubles the column `n`."""

    class Doubled:
        @staticmethod
        def transform(rows: list[dict[str, str]]) -> list[dict[str, Any]]:
            return [{"twice": 2 * int(row["n"])} for row in rows]

    monkeypatch.setitem(sys.modules, "doubled", cast(Any, Doubled))


def numbers(count: int) -> str:
    return "n,text\n" + "".join(
        f'{number},"row\n{number}"\n' if number % 7 == 3 else f"{number},t\n" for number in range(count)
    )


def points(count: int) -> str:
    return "id,x,y\n" + "".join(f"{n},{-120 + n * 0.31:.4f},{30 + n * 0.07:.4f}\n" for n in range(count))


def table(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode(), newline="")))


@pytest.mark.usefixtures("doubled")
def test_all_rows_come_back_once_and_in_order(cloud: Cloud) -> None:
    cloud.put(numbers(200))
    assert cloud.start(TRANSFORM) == {"statusCode": "200", "parts_manifest": MANIFEST}
    events = cloud.messages()
    assert len(events) > 10
    assert cloud.check().outcome == "still running"
    assert cloud.work_on(events[::-1]) == [[]] * len(events)
    verdict = cloud.check()
    assert (verdict.outcome, verdict.outputs) == ("success", {"parts_status": "COMPLETED", "rows": 200})
    assert cloud.export()["results_uri"] == f"{OUTPUT}results_0.csv"
    assert cloud.check("export").outcome == "success"
    header, *rows = table(cloud.result())
    assert header == ["n", "text", "twice"]
    assert [(row[0], row[2]) for row in rows] == [(str(n), str(2 * n)) for n in range(200)]
    assert rows[3][1] == "row\n3"


def test_the_nearest_places_are_those_of_the_gazetteer(cloud: Cloud) -> None:
    from geopipe_gazetteer.gazetteer import default_places

    cloud.put(points(50) + "50,,1\n51,200,1\n52,abc,2\n")
    cloud.start(GAZETTEER)
    cloud.work_on(cloud.messages())
    cloud.export()
    header, *rows = table(cloud.result())
    assert header[-2:] == ["reverse_geo.status", "reverse_geo.distance_km"]
    assert [row[-2:] for row in rows[50:]] == [
        ["Invalid Data: longitude is empty", ""],
        ["Invalid Data: longitude is not between -180 and 180", ""],
        ["Invalid Data: longitude is not a number", ""],
    ]
    places = default_places()
    for row in rows[:50]:
        place = places.gazetteer.place(places.nearest(float(row[2]), float(row[1])))
        assert (row[6], row[9], row[10]) == (place.name, place.region, "Valid Data")
        assert 0 <= float(row[11]) < 3000


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("veh_1,13.4,52.5", "Valid Data"),
        ("Z\u00fcrich,13.4,52.5", "Valid Data"),
        ('"a ""b""\nc",13.4,52.5', "Valid Data"),
        ("a,1_3.4,52.5", "Invalid Data: longitude is not a number"),
        ("a,\u0661\u0663,52.5", "Invalid Data: longitude is not a number"),
        ("a,13.4,nan", "Invalid Data: latitude is not a number"),
        ("a,13.4,inf", "Invalid Data: latitude is not between -90 and 90"),
    ],
)
@pytest.mark.parametrize(("mark", "end"), [("", "\n"), ("\ufeff", "\r\n"), ("\ufeff", "")])
def test_a_file_of_one_row(cloud: Cloud, line: str, status: str, end: str, mark: str) -> None:
    cloud.put(f"{mark}id,x,y{end or chr(10)}{line}{end}".encode())
    cloud.start(GAZETTEER)
    cloud.work_on(cloud.messages())
    assert cloud.check().outputs["rows"] == 1
    cloud.export()
    header, row = table(cloud.result())
    assert header[:3] == ["id", "x", "y"]
    assert row[:3] == table(line.encode())[0]
    assert row[header.index("reverse_geo.status")] == status


@pytest.mark.usefixtures("doubled")
def test_messages_that_come_twice_change_no_byte(cloud: Cloud) -> None:
    cloud.put(numbers(60))
    cloud.start(TRANSFORM)
    events = cloud.messages()
    cloud.work_on(events)
    before = {
        key: cloud.s3.get_object(Bucket="data", Key=f"output/run-1/{key}")["Body"].read() for key in cloud.names()
    }
    assert cloud.work_on(events) == [[]] * len(events)
    assert cloud.contents() == before


@pytest.mark.usefixtures("doubled")
def test_a_part_that_two_workers_finish_is_written_once(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.put(numbers(20))
    cloud.start(TRANSFORM)
    cloud.work_on([part_event(1)])
    monkeypatch.setattr(PartStore, "has_result", lambda self, number: False)
    assert cloud.work_on([part_event(1)]) == [[]]
    assert cloud.log[-1]["written"] is False


def test_a_repeated_start_changes_nothing(cloud: Cloud) -> None:
    cloud.put(numbers(40))
    cloud.start(TRANSFORM)
    manifest = cloud.s3.get_object(Bucket="data", Key="output/run-1/parts/manifest.json")
    sent = len(cloud.messages())
    assert sent
    cloud.put(numbers(90))
    cloud.start(TRANSFORM)
    again = cloud.s3.get_object(Bucket="data", Key="output/run-1/parts/manifest.json")
    assert again["LastModified"] == manifest["LastModified"] and again["ETag"] == manifest["ETag"]
    assert cloud.messages() == []


def test_a_start_that_was_ended_before_all_parts_were_sent_sends_them(cloud: Cloud) -> None:
    cloud.put(numbers(40))
    cloud.start(TRANSFORM)
    sent = {event["body"] for event in cloud.messages()}
    cloud.s3.delete_object(Bucket="data", Key="output/run-1/parts/sent")
    cloud.start(TRANSFORM)
    assert {event["body"] for event in cloud.messages()} == sent


def test_messages_that_the_queue_refuses_are_sent_again(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.put(numbers(40))
    refusals = [3]
    real = cloud.invocation.clients

    class Stubborn:
        def send_message_batch(self, **request: Any) -> Any:
            if refusals[0]:
                refusals[0] -= 1
                kept, refused = request["Entries"][1:], request["Entries"][0]
                response = cloud.sqs.send_message_batch(QueueUrl=request["QueueUrl"], Entries=kept) if kept else {}
                failed = {"Id": refused["Id"], "SenderFault": False, "Code": "InternalError"}
                return {**response, "Failed": [failed]}
            return cloud.sqs.send_message_batch(**request)

    def clients(service: str, region: str, seconds: int) -> Any:
        return Stubborn() if service == "sqs" else real(service, region, seconds)

    cloud.invocation = replace(cloud.invocation, clients=clients)
    cloud.start(TRANSFORM)
    manifest = PartStore(MANIFEST, cloud.invocation).manifest()
    assert manifest is not None
    assert len({event["body"] for event in cloud.messages()}) == len(manifest.parts)
    refusals[0] = 1000
    cloud.s3.delete_object(Bucket="data", Key="output/run-1/parts/sent")
    with pytest.raises(RuntimeError, match="does not take part 0"):
        cloud.start(TRANSFORM)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "is empty"),
        (b"id,x,y\n", "a header line and no rows"),
        (b"\n\n", "no header line"),
        (b"id,lng,lat\n1,2,3\n", "no column 'x'; its columns are 'id', 'lng', 'lat'"),
        ("id,x,y\n1,2,3\n".encode("utf-16"), "UTF-16"),
        (b'id,x,y\n1,"2,3\n', "never closed"),
    ],
)
def test_an_input_that_cannot_be_used_fails_the_start(cloud: Cloud, text: bytes, message: str) -> None:
    cloud.put(text)
    with pytest.raises(ValueError, match=message):
        cloud.start(GAZETTEER)
    assert cloud.names() == []


def test_an_unknown_provider_fails_the_start(cloud: Cloud) -> None:
    cloud.put(points(1))
    with pytest.raises(ValueError, match="Provider is 'google'; known are gazetteer, amazon_location, map_rows"):
        cloud.start({"Provider": "google"})


def test_a_poisoned_part_fails_the_step_with_its_rows_and_a_retry_does_only_what_is_missing(cloud: Cloud) -> None:
    good, bad = points(30).encode(), b"30,1,2\n31,\xff,3\n"
    cloud.put(good + bad)
    cloud.start(GAZETTEER)
    events = cloud.messages()
    assert cloud.work_on(events) == [[]] * len(events)
    verdict = cloud.check()
    assert verdict.outcome == "failure"
    assert verdict.reason.startswith("rows ") and verdict.reason.endswith(
        "the rows are not UTF-8 text (invalid start byte)"
    )
    assert "to 32:" in verdict.reason
    # The same step gets the same response; another one means that the execution was retried.
    assert cloud.check().outcome == "failure"
    done = {key for key in cloud.names() if "/results/" in key}
    assert cloud.check(token="Token00002").outcome == "still running"
    again = cloud.messages()
    assert len(again) == len(events) - len(done) == 1
    cloud.work_on(again)
    assert cloud.check(token="Token00002").outcome == "failure"


@pytest.mark.usefixtures("doubled")
def test_a_part_that_every_worker_fails_reaches_the_step_by_the_dead_letter_queue(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("division by zero")

    cloud.put(numbers(20))
    cloud.start(TRANSFORM)
    good = map_rows.process
    monkeypatch.setattr(map_rows, "process", broken)
    assert cloud.work_on([part_event(1)]) == [[{"itemIdentifier": "m"}]]
    response = handler.handle({"Records": [part_event(1, "dead")]}, cloud.invocation)
    assert response == {"batchItemFailures": []}
    assert cloud.check().reason.endswith("ZeroDivisionError: division by zero")
    monkeypatch.setattr(map_rows, "process", good)
    cloud.check(token="Token00002")
    cloud.work_on(cloud.messages())
    assert cloud.check(token="Token00002").outcome == "success"


def test_a_worker_without_time_keeps_its_progress(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def slow(rows: Any, work: Any) -> list[str]:
        asked.extend(row["n"] for row in rows)
        work.known["asked"] = str(len(asked))
        work.sleep(300)
        return [row["n"] for row in rows]

    monkeypatch.setattr(map_rows, "process", slow)
    monkeypatch.setattr(map_rows, "ROWS_AT_A_TIME", 1)
    monkeypatch.setattr(parts, "_BLOCK_BYTES", 10_000)
    cloud.put(numbers(6))
    cloud.start(TRANSFORM)
    assert cloud.work_on([part_event(0)]) == [[{"itemIdentifier": "m"}]]
    # A part that has got further is sent again, even from the dead-letter queue.
    cloud.messages()
    handler.handle({"Records": [dead_letter(0, "first")]}, cloud.invocation)
    assert len(cloud.messages()) == 1
    handler.handle({"Records": [dead_letter(0, "second")]}, cloud.invocation)
    assert cloud.check().outcome == "failure"
    for key in ("failed/00000000.json", "ended.json"):
        cloud.s3.delete_object(Bucket="data", Key=f"output/run-1/parts/{key}")
    while cloud.work_on([part_event(0)]) != [[]]:
        cloud.left = 900.0
    assert asked == [str(n) for n in range(6)]
    assert cloud.check().outcome == "success"
    cloud.export()
    assert [row[0] for row in table(cloud.result())] == ["n", *(str(n) for n in range(6))]
    assert not any("progress" in key for key in cloud.names())


def test_a_worker_repeats_calls_longer_than_the_function_that_answers_callbacks() -> None:
    retries = part_worker.CLIENTS("s3", REGION).meta.config.retries
    assert retries["total_max_attempts"] > handler.CLIENTS("s3", REGION).meta.config.retries["total_max_attempts"]


@pytest.fixture
def half_done(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """A part of six rows, of which a worker that had no more time has kept some. From now on there is time."""
    good = map_rows.process

    def slow(rows: Any, work: Any) -> Any:
        work.sleep(300)
        return good(rows, work)

    monkeypatch.setattr(map_rows, "ROWS_AT_A_TIME", 1)
    monkeypatch.setattr(parts, "_BLOCK_BYTES", 10_000)
    cloud.put(numbers(6))
    cloud.start(TRANSFORM)
    with monkeypatch.context() as patch:
        patch.setattr(map_rows, "process", slow)
        assert cloud.work_on([part_event(0)]) == [[{"itemIdentifier": "m"}]]
    assert len(kept_rows(cloud)) == 1
    cloud.left = 900.0
    return cloud


def kept_rows(cloud: Cloud) -> list[str]:
    return [f"output/run-1/{name}" for name in cloud.names() if "/progress/" in name and name.endswith(".csv")]


def kept_counts(cloud: Cloud) -> list[int]:
    return [int(key.rpartition("-")[2].removesuffix(".csv")) for key in kept_rows(cloud)]


def doubled_numbers(cloud: Cloud) -> list[list[str]]:
    cloud.export()
    return [row[::2] for row in table(cloud.result())[1:]]


@pytest.mark.usefixtures("doubled")
@pytest.mark.parametrize("calls", range(4))
def test_a_worker_that_is_ended_while_it_saves_loses_nothing(
    half_done: Cloud, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    """Between its calls: the rows, the note that counts on them, the deletion of what was kept before."""
    cloud = half_done
    (before,) = kept_rows(cloud)

    unreliable = UnreliableS3(cloud, writes=calls)
    with monkeypatch.context() as patch, pytest.raises(WorkerEnded):
        patch.setattr(part_worker, "_SAVE_SECONDS", 0.0)
        cloud.work_on([part_event(0)])
    unreliable.writes = None
    assert (before in kept_rows(cloud)) == (calls < 3)
    cloud.log.clear()
    assert cloud.work_on([part_event(0)]) == [[]]
    assert "begins again" not in json.dumps(cloud.log)
    assert doubled_numbers(cloud) == [[str(n), str(2 * n)] for n in range(6)]
    assert not any("/progress/" in key for key in cloud.names())


@pytest.mark.usefixtures("doubled")
@pytest.mark.parametrize("calls", range(5))
def test_a_worker_that_is_ended_leaves_no_progress_behind(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, calls: int
) -> None:
    """Between its calls: the first rows, their note, the result, the deletion of the note and of the rows."""
    monkeypatch.setattr(map_rows, "ROWS_AT_A_TIME", 5)
    cloud.put(numbers(6))
    cloud.start(TRANSFORM)
    unreliable = UnreliableS3(cloud, writes=calls)
    with monkeypatch.context() as patch, pytest.raises(WorkerEnded):
        patch.setattr(part_worker, "_SAVE_SECONDS", 0.0)
        cloud.work_on([part_event(0)])
    unreliable.writes = None
    assert any("/progress/" in key for key in cloud.names()) == (calls > 0)
    assert cloud.work_on([part_event(0, received=2)]) == [[]]
    assert doubled_numbers(cloud) == [[str(n), str(2 * n)] for n in range(6)]
    assert not any("/progress/" in key for key in cloud.names())


@pytest.mark.usefixtures("doubled")
def test_workers_that_are_ended_soon_get_further_all_the_same(half_done: Cloud) -> None:
    """The second attempt saves after its first rows: it writes them and a note, and deletes what they replace."""
    before = PartStore(MANIFEST, half_done.invocation).read_note("progress", 0)
    unreliable = UnreliableS3(half_done, writes=3)
    with pytest.raises(WorkerEnded):
        half_done.work_on([part_event(0)])
    unreliable.writes = None
    after = PartStore(MANIFEST, half_done.invocation).read_note("progress", 0)
    assert before is not None and after is not None
    assert after["rows"] == before["rows"] + 1


@pytest.mark.usefixtures("doubled")
@pytest.mark.parametrize("refused", [[], ["put_object"], ["send_message_batch"]])
def test_a_dead_letter_that_comes_twice_does_not_fail_its_part(
    half_done: Cloud, monkeypatch: pytest.MonkeyPatch, refused: list[str]
) -> None:
    """SQS delivers at least once. It also comes again if the first attempt could not note it, or not send the part."""
    cloud = half_done
    cloud.messages()
    client = cloud.invocation.clients("s3" if "put_object" in refused else "sqs", REGION, 1)

    def refuse(**_: Any) -> None:
        refused.clear()
        raise ClientError({"Error": {"Code": "SlowDown"}}, "Call")

    for _ in range(3):
        with monkeypatch.context() as patch:
            for name in refused:
                patch.setattr(client, name, refuse)
            handler.handle({"Records": [dead_letter(0, "first")]}, cloud.invocation)
    assert 1 <= len(cloud.messages()) <= 2
    assert cloud.check().outcome == "still running"
    assert cloud.work_on([part_event(0)]) == [[]]
    assert doubled_numbers(cloud) == [[str(n), str(2 * n)] for n in range(6)]
    assert not any("given_up" in name for name in cloud.names())


@pytest.mark.usefixtures("doubled")
def test_a_part_whose_kept_rows_are_missing_begins_again(half_done: Cloud) -> None:
    (kept,) = kept_rows(half_done)
    half_done.s3.delete_object(Bucket="data", Key=kept)
    assert half_done.work_on([part_event(0)]) == [[]]
    assert "begins again" in json.dumps(half_done.log)
    assert doubled_numbers(half_done) == [[str(n), str(2 * n)] for n in range(6)]


@pytest.mark.usefixtures("doubled")
@pytest.mark.parametrize("first", ["fails", "has no time"])
@pytest.mark.parametrize("moment", range(9))
def test_another_worker_with_the_same_part_loses_no_rows_at_any_moment(
    half_done: Cloud, monkeypatch: pytest.MonkeyPatch, first: str, moment: int
) -> None:
    """SQS delivers a part twice. Before one of the calls of the first worker, the other one keeps two rows more.

    The last of these calls is the one that keeps a row, or notes the error.
    """
    cloud, good = half_done, map_rows.process
    (kept,) = kept_counts(cloud)
    rows_of: dict[str, list[int]] = {"first": [], "other": [], "last": []}
    worker, again = "first", []

    def process(rows: Any, work: Any) -> Any:
        rows_of[worker].extend(int(row["n"]) for row in rows)
        if worker == "other" and len(rows_of["other"]) == 3:
            raise ArithmeticError("the other worker ends")
        if worker == "first" and first == "fails":
            raise ArithmeticError("the first worker fails")
        if worker == "first":
            cloud.left = 1.0
        return good(rows, work)

    def work_as_other() -> None:
        nonlocal worker
        worker, left = "other", cloud.left
        cloud.left = 900.0
        again.extend(part_worker.handle({"Records": [part_event(0)]}, undisturbed)["batchItemFailures"])
        worker, cloud.left = "first", left

    monkeypatch.setattr(map_rows, "process", process)
    undisturbed = cloud.invocation
    disturbed = DisturbedS3(cloud, moment, work_as_other)
    is_done = cloud.work_on([part_event(0)]) == [[]]
    assert is_done == (first == "has no time" and rows_of["first"] == [5])  # where it began after the other one
    assert disturbed.calls > moment
    assert again == [{"itemIdentifier": "m"}]
    worker, cloud.invocation, cloud.left = "last", undisturbed, 900.0
    cloud.log.clear()
    assert cloud.work_on([part_event(0, received=2)]) == [[]]
    assert "begins again" not in json.dumps(cloud.log)
    assert rows_of["last"] == ([] if is_done else [*range(kept + 2, 6)])
    assert doubled_numbers(cloud) == [[str(n), str(2 * n)] for n in range(6)]
    assert not any("/progress/" in name for name in cloud.names())


@pytest.mark.usefixtures("doubled")
def test_rows_that_another_worker_has_replaced_meanwhile_are_read(
    half_done: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other worker deletes what this one has listed."""
    cloud, listed = half_done, PartStore.kept_rows
    (kept,) = kept_rows(cloud)
    (count,) = kept_counts(cloud)
    more = cloud.s3.get_object(Bucket="data", Key=kept)["Body"].read() + f"{count},text,{2 * count}\n".encode()
    cloud.s3.put_object(Bucket="data", Key=kept.replace(f"-{count}.csv", f"-{count + 1}.csv"), Body=more)
    cloud.s3.delete_object(Bucket="data", Key=kept)
    counts = iter([[count]])
    monkeypatch.setattr(PartStore, "kept_rows", lambda *arguments: next(counts, None) or listed(*arguments))
    assert cloud.work_on([part_event(0, received=2)]) == [[]]
    assert next(counts, None) is None
    assert "begins again" not in json.dumps(cloud.log)
    assert doubled_numbers(cloud) == [[str(n), str(2 * n)] for n in range(6)]


@pytest.mark.usefixtures("doubled")
def test_rows_whose_worker_was_ended_before_it_wrote_the_note_are_used(half_done: Cloud) -> None:
    half_done.s3.delete_object(Bucket="data", Key="output/run-1/parts/progress/00000000.json")
    (count,) = kept_counts(half_done)
    assert half_done.work_on([part_event(0, received=2)]) == [[]]
    assert count > 0
    assert doubled_numbers(half_done) == [[str(n), str(2 * n)] for n in range(6)]
    assert kept_rows(half_done) == []


def test_a_refusal_by_the_provider_fails_the_part_immediately(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any) -> Any:
        raise ProviderRefusedError("not for this account")

    monkeypatch.setattr(map_rows, "process", refused)
    cloud.put(numbers(20))
    cloud.start(TRANSFORM)
    assert cloud.work_on([part_event(0)]) == [[]]
    assert "not for this account" in cloud.check().reason


@pytest.mark.usefixtures("doubled")
def test_after_a_stop_workers_drop_what_is_left(cloud: Cloud) -> None:
    cloud.put(numbers(60))
    cloud.start(TRANSFORM)
    events = cloud.messages()
    cloud.work_on(events[:2])
    parts.stop(callback(), cloud.invocation)
    assert cloud.work_on(events) == [[]] * len(events)
    assert sum("/results/" in key for key in cloud.names()) == 2
    assert cloud.log[-1]["message"] == "the job has ended, so its part is dropped"


def test_a_changed_input_fails_the_part(cloud: Cloud) -> None:
    cloud.put(points(40))
    cloud.start(GAZETTEER)
    cloud.put(points(41))
    cloud.work_on([part_event(0)])
    assert "the input was changed" in cloud.check().reason


class Wide:
    """Rows so long that their parts are pieces that S3 copies."""

    BYTES = 6 * 1024 * 1024

    @staticmethod
    def transform(rows: list[dict[str, str]]) -> list[dict[str, str]]:
        return [{"twice": row["n"] * Wide.BYTES} for row in rows]


def wide_job(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, digits: str) -> bytes:
    monkeypatch.setitem(sys.modules, "doubled", cast(Any, Wide))
    monkeypatch.setattr(parts, "_BLOCK_BYTES", 2)
    cloud.put("n\n" + "".join(f"{digit}\n" for digit in digits))
    cloud.start(TRANSFORM)
    cloud.work_on(cloud.messages())
    return b"n,twice\n" + b"".join(f"{digit},{digit * Wide.BYTES}\n".encode() for digit in digits)


def test_large_results_are_joined_by_copies(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = wide_job(cloud, monkeypatch, "123")
    cloud.export()
    assert cloud.result() == expected
    assert cloud.uploads() == []
    cloud.export()
    assert cloud.result() == expected


def test_a_join_without_time_is_continued_by_its_callback(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = wide_job(cloud, monkeypatch, "12")
    cloud.left = 0.0
    cloud.export()
    assert cloud.check("export").outcome == "still running"
    assert len(cloud.uploads()) == 1
    cloud.left = 900.0
    assert cloud.check("export").outcome == "success"
    assert cloud.result() == expected
    assert cloud.uploads() == []


def test_a_stop_leaves_no_upload(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    wide_job(cloud, monkeypatch, "12")
    cloud.left = 0.0
    cloud.export()
    parts.stop(callback("export"), cloud.invocation)
    assert cloud.uploads() == []


def test_rows_of_a_part_are_named_as_people_count_them() -> None:
    from part_store import Location, Manifest

    manifest = Manifest(Location("b", "k"), "e", ("n",), (Part(0, 10, 4), Part(10, 30, 2500)), {})
    assert manifest.rows_of(0) == "rows 1 to 4"
    assert manifest.rows_of(1) == "rows 5 to 2,504"
    assert Manifest.from_json(manifest.to_json().encode()) == manifest


@pytest.mark.parametrize("arguments", [{}, {"parts_manifest": "s3://b/k"}, {"parts_manifest": "no"}])
def test_arguments_that_name_no_job_are_malformed(cloud: Cloud, arguments: dict[str, Any]) -> None:
    with pytest.raises(MalformedInputError):
        parts.check(Callback("Token00001", REGION, {"parts_phase": "work", **arguments}), cloud.invocation)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda rows: [], "returned 0 items for"),
        (lambda rows: ["x"] * len(rows), "must be a mapping or None"),
        (lambda rows: [{"other": 1}] * len(rows), "returned the column 'other'; job.columns has twice"),
    ],
)
def test_a_transform_that_returns_something_else_is_said(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, returned: Any, message: str
) -> None:
    module = type("Module", (), {"transform": staticmethod(returned)})
    monkeypatch.setitem(sys.modules, "doubled", cast(Any, module))
    cloud.put(numbers(3))
    cloud.start(TRANSFORM)
    cloud.work_on(cloud.messages())
    handler.handle({"Records": [part_event(0, "dead")]}, cloud.invocation)
    assert message in cloud.check().reason


def test_a_row_that_the_transform_leaves_out_keeps_its_place(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    module = type(
        "Module", (), {"transform": staticmethod(lambda rows: [None if row["n"] == "1" else {} for row in rows])}
    )
    monkeypatch.setitem(sys.modules, "doubled", cast(Any, module))
    cloud.put(numbers(3))
    cloud.start(TRANSFORM)
    cloud.work_on(cloud.messages())
    cloud.export()
    assert [row[::2] for row in table(cloud.result())[1:]] == [["0", ""], ["1", ""], ["2", ""]]


# A Lambda step is not repeated by SageMaker, so the function repeats what can pass


def failing(code: str, status: int, times: int) -> tuple[Any, list[int]]:
    """Returns a step that fails so many times, and its attempts."""
    attempts: list[int] = []

    def step() -> str:
        attempts.append(len(attempts) + 1)
        if len(attempts) <= times:
            response: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
            raise ClientError(response, "GetObject")
        return "done"

    return step, attempts


@pytest.mark.parametrize(
    ("code", "status"), [("InternalError", 500), ("SlowDown", 503), ("ThrottlingException", 400), ("AccessDenied", 403)]
)
def test_a_step_outlasts_errors_that_pass(cloud: Cloud, code: str, status: int) -> None:
    step, attempts = failing(code, status, 4)
    assert parts._repeat(step, "starting", cloud.invocation) == "done"
    assert len(attempts) == 5
    assert [entry["level"] for entry in cloud.log] == ["WARNING"] * 4


@pytest.mark.parametrize(("code", "status", "tries"), [("NoSuchBucket", 404, 1), ("InternalError", 500, 10)])
def test_a_step_gives_up(cloud: Cloud, code: str, status: int, tries: int) -> None:
    step, attempts = failing(code, status, 100)
    with pytest.raises(ClientError):
        parts._repeat(step, "starting", cloud.invocation)
    assert len(attempts) == tries


def test_a_step_short_of_time_fails_with_its_reason(cloud: Cloud) -> None:
    cloud.left = 5.0
    step, attempts = failing("InternalError", 500, 100)
    with pytest.raises(ClientError):
        parts._repeat(step, "starting", cloud.invocation)
    assert len(attempts) == 1


# Errors between the function and S3


class WorkerEnded(BaseException):
    """Lambda ended the process."""


class UnreliableS3:
    """S3 whose operations raise these errors first. With `breaks`, so many reads end after `length` bytes.

    With `writes`, the worker is ended after so many of them.
    """

    def __init__(
        self, cloud: Cloud, breaks: int = 0, length: int = 50, writes: int | None = None, **errors: list[str]
    ) -> None:
        self._real, self._length = cloud.s3, length
        self.errors, self.breaks, self.writes = errors, breaks, writes
        real = cloud.invocation.clients

        def clients(service: str, region: str, seconds: int) -> Any:
            return self if service == "s3" else real(service, region, seconds)

        cloud.invocation = replace(cloud.invocation, clients=clients)

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> Any:
            if self.errors.get(name):
                raise ClientError({"Error": {"Code": self.errors[name].pop(0)}}, name)
            if self.writes is not None and name in ("put_object", "delete_object"):
                if not self.writes:
                    raise WorkerEnded
                self.writes -= 1
            response = getattr(self._real, name)(**request)
            if name == "get_object" and self.breaks and not request.get("Range", "bytes=0-").startswith("bytes=0-"):
                self.breaks -= 1
                response["Body"] = BrokenBody(response["Body"].read()[: self._length])
            return response

        return getattr(self._real, name) if name in ("get_paginator", "meta") else call


class DisturbedS3:
    """S3 as one worker sees it: before call number `moment`, counted from 0, `other` happens."""

    def __init__(self, cloud: Cloud, moment: int, other: Callable[[], None]) -> None:
        self._real, self._moment, self._other = cloud.s3, moment, other
        self.calls = 0
        real = cloud.invocation.clients

        def clients(service: str, region: str, seconds: int) -> Any:
            return self if service == "s3" else real(service, region, seconds)

        cloud.invocation = replace(cloud.invocation, clients=clients)

    def __getattr__(self, name: str) -> Any:
        if name != "meta":
            self.calls += 1
            if self.calls == self._moment + 1:
                self._other()
        return getattr(self._real, name)


class BrokenBody:
    """A response whose connection ends early."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def iter_chunks(self, size: int) -> Iterator[bytes]:
        yield from [self._content] if self._content else []
        raise IncompleteReadError(actual_bytes=len(self._content), expected_bytes=10_000)


def test_a_broken_connection_is_continued_where_it_ended(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "_RANGE_BYTES", 200)
    cloud.put(numbers(100))
    unreliable = UnreliableS3(cloud, breaks=5)
    cloud.start(TRANSFORM)
    assert unreliable.breaks == 0
    manifest = PartStore(MANIFEST, cloud.invocation).manifest()
    assert manifest is not None
    assert sum(part.lines for part in manifest.parts) == numbers(100).count("\n") - 1 - numbers(100).count('"row')
    assert manifest.parts[-1].end == len(numbers(100))
    assert all(part.end == after.start for part, after in zip(manifest.parts, manifest.parts[1:], strict=False))


def test_an_input_that_never_arrives_fails_the_start(cloud: Cloud) -> None:
    cloud.put(numbers(100))
    unreliable = UnreliableS3(cloud, breaks=1000, length=0)
    with pytest.raises(IncompleteReadError):
        cloud.start(TRANSFORM)
    assert unreliable.breaks > 0 and cloud.names() == []


def test_an_input_that_is_changed_while_it_is_read_fails_the_start(cloud: Cloud) -> None:
    cloud.put(numbers(100))
    etag = cloud.s3.head_object(Bucket="data", Key="input.csv")["ETag"]
    cloud.put(numbers(101))
    source = parts.Location("data", "input.csv")
    with pytest.raises(ValueError, match=r"input\.csv was changed while it was read"):
        list(parts._read(source, etag, 7, 500, 64, cloud.invocation))


def test_an_input_that_does_not_exist_is_named(cloud: Cloud) -> None:
    with pytest.raises(ValueError, match=r"there is no input s3://data/input\.csv"):
        cloud.start(TRANSFORM)


def test_a_write_that_conflicts_with_another_one_is_repeated(cloud: Cloud) -> None:
    # The other write may fail. To take it for done would lose the part.
    unreliable = UnreliableS3(cloud, put_object=["ConditionalRequestConflict"] * 2)
    store = PartStore(MANIFEST, cloud.invocation)
    assert store.write_once("a", b"1") is True
    assert store.write_once("a", b"2") is False
    unreliable.errors["put_object"] = ["ConditionalRequestConflict"] * 5
    with pytest.raises(ClientError):
        store.write_once("b", b"1")
    assert store.read("a") == b"1" and store.read("b") is None


@pytest.mark.parametrize("code", ["NoSuchUpload", "InvalidPart"])
def test_a_join_that_meets_another_one_is_looked_at_again(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    expected = wide_job(cloud, monkeypatch, "12")
    UnreliableS3(cloud, complete_multipart_upload=[code])
    cloud.export()
    assert cloud.check("export").outcome == "success"
    assert cloud.result() == expected


def test_a_join_leaves_no_upload_of_an_earlier_attempt(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    wide_job(cloud, monkeypatch, "12")
    for _ in range(3):
        cloud.s3.create_multipart_upload(Bucket="data", Key="output/run-1/results_0.csv")
    cloud.export()
    assert cloud.check("export").outcome == "success"
    assert cloud.uploads() == []


@pytest.mark.usefixtures("doubled")
def test_a_worker_that_cannot_save_its_progress_continues(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_rows, "ROWS_AT_A_TIME", 1)
    monkeypatch.setattr(part_worker, "_SAVE_SECONDS", 0.0)
    monkeypatch.setattr(parts, "_BLOCK_BYTES", 10_000)
    cloud.put(numbers(4))
    cloud.start(TRANSFORM)
    unreliable = UnreliableS3(cloud, put_object=["SlowDown"])
    reads = iter([None])
    real = PartStore.read

    def read(store: PartStore, name: str) -> bytes | None:
        if name == "ended.json" and next(reads, "no more") == "no more":
            raise ClientError({"Error": {"Code": "SlowDown"}}, "GetObject")
        return real(store, name)

    monkeypatch.setattr(PartStore, "read", read)
    assert cloud.work_on([part_event(0)]) == [[]]
    assert unreliable.errors["put_object"] == []
    assert {"the progress could not be saved", "part done"} <= {line["message"] for line in cloud.log}
