"""The state folder: an account survives the end and the kill of its emulator, and unusable folders are refused."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from geopipe_emulator import Emulator
from geopipe_emulator.emulator import EmulatorServer
from geopipe_emulator.protocol.errors import ServiceError
from geopipe_emulator.service import Environment, RequestContext
from geopipe_emulator.services.sagemaker.steps.base import StepResult, Task
from geopipe_emulator.services.sagemaker.steps.callback import CallbackStep
from geopipe_emulator.services.sagemaker.store import ClientToken, Store
from geopipe_emulator.services.sqs.moto_patch import DELETED_HANDLES
from geopipe_emulator.settings import Settings
from geopipe_emulator.state.errors import StateError
from geopipe_emulator.state.file import FORMAT, StateFile, create
from geopipe_emulator.state.folder import STATE_FILE, StateFolder
from geopipe_emulator.state.owner import OWNER_FILE
from geopipe_emulator.state.records import RecordTables
from tests.support import kept_account as kept
from tests.support.wait import eventually

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state") / "account"


@pytest.fixture(scope="module")
def before(folder: Path) -> dict[str, Any]:
    """What the account had when its emulator was killed."""
    with Emulator(state_dir=folder) as emulator:
        known = kept.fill(emulator.client)
        known |= kept.start_pipelines(emulator.client, known["queue"])
        known["token"] = receive_token(emulator, known["queue"])
        eventually(lambda: steps_of(emulator, known["hanging"]).get("Hang") == "Executing")
        eventually(lambda: log_lines(emulator, '"hang"'), what="the hanging function to begin")
        emulator.client("lambda").invoke(FunctionName=kept.FUNCTION, InvocationType="Event", Payload=b'{"hang": 1}')
        eventually(lambda: len(log_lines(emulator, '"hang"')) == 2)
        known["account"] = kept.describe(emulator.client, known)
        known["killed"] = time.time()
        os.kill(owner(folder)["pid"], signal.SIGKILL)
    return known


@pytest.fixture(scope="module")
def restarted(folder: Path, before: dict[str, Any]) -> Iterator[Emulator]:
    with Emulator(state_dir=folder) as emulator:
        yield emulator


def owner(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / OWNER_FILE).read_bytes())
    return content


def receive_token(emulator: Emulator, queue_url: str) -> str:
    def message() -> Any:
        sqs = emulator.client("sqs")
        return sqs.receive_message(QueueUrl=queue_url, WaitTimeSeconds=5, VisibilityTimeout=3600).get("Messages")

    (received,) = eventually(message)
    return str(json.loads(received["Body"])["token"])


def steps_of(emulator: Emulator, arn: str) -> dict[str, str]:
    steps = emulator.client("sagemaker").list_pipeline_execution_steps(PipelineExecutionArn=arn)
    return {step["StepName"]: step["StepStatus"] for step in steps["PipelineExecutionSteps"]}


def log_lines(emulator: Emulator, text: str, since: float = 0.0) -> list[str]:
    """Returns the lines of the function with this text, since this time in seconds since 1970."""
    group = {"logGroupName": f"/aws/lambda/{kept.FUNCTION}", "startTime": int(since * 1000)}
    try:
        events = emulator.client("logs").filter_log_events(**group)["events"]
    except ClientError:
        return []
    return [event["message"] for event in events if text in event["message"]]


def test_everything_is_as_before_the_kill(restarted: Emulator, before: dict[str, Any]) -> None:
    after = kept.describe(restarted.client, before)
    assert {name: after[name] for name in after if after[name] != before["account"][name]} == {}
    assert before["account"]["role"]["Role"]["RoleId"].startswith("AROA")
    assert restarted.url == before["queue"].rsplit("/", 2)[0]


def test_handles_uploads_and_sessions_still_work(restarted: Emulator, before: dict[str, Any]) -> None:
    sqs, s3, session = restarted.client("sqs"), restarted.client("s3"), before["session"]
    sqs.delete_message(QueueUrl=before["queue"], ReceiptHandle=before["receipt"])
    counts = sqs.get_queue_attributes(QueueUrl=before["queue"], AttributeNames=["All"])["Attributes"]
    # The message with the token is still in flight, and the delayed one is delayed.
    assert counts["ApproximateNumberOfMessagesNotVisible"] == counts["ApproximateNumberOfMessagesDelayed"] == "1"
    parts = {"Parts": [{"PartNumber": 1, "ETag": before["etag"]}]}
    s3.complete_multipart_upload(Bucket=kept.BUCKET, Key="parts", UploadId=before["upload"], MultipartUpload=parts)
    assert s3.head_object(Bucket=kept.BUCKET, Key="parts")["ContentLength"] == 5_242_880
    with pytest.raises(ClientError, match="explicit deny"):
        s3.get_object(Bucket=kept.BUCKET, Key="secret")
    import boto3

    as_role = boto3.client(
        "sts",
        endpoint_url=restarted.url,
        region_name=kept.REGION,
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
    )
    assert as_role.get_caller_identity()["Arn"].endswith(f"assumed-role/{kept.ROLE_NAME}/kept-session")


def test_functions_run_and_mappings_deliver(restarted: Emulator, before: dict[str, Any]) -> None:
    functions = restarted.client("lambda")
    response = functions.invoke(FunctionName=f"{kept.FUNCTION}:live", Payload=b"{}")
    assert json.load(response["Payload"]) == {"greeting": "hello from a layer", "version": "1"}
    restarted.client("sqs").send_message(QueueUrl=before["mapped"], MessageBody="to the mapping")
    eventually(lambda: log_lines(restarted, "to the mapping"))
    with pytest.raises(functions.exceptions.ResourceConflictException):
        functions.create_alias(FunctionName=kept.FUNCTION, Name="live", FunctionVersion="1")
    # The asynchronous invocation that the kill interrupted runs again, with its own request id.
    # Whether the kill left the line of the first attempt is a matter of a second.
    eventually(lambda: log_lines(restarted, '{"hang": 1}', before["killed"]))


def test_executions_still_wait_or_say_why_they_failed(restarted: Emulator, before: dict[str, Any]) -> None:
    sagemaker = restarted.client("sagemaker")
    hanging = sagemaker.describe_pipeline_execution(PipelineExecutionArn=before["hanging"])
    assert hanging["PipelineExecutionStatus"] == "Failed"
    (step,) = sagemaker.list_pipeline_execution_steps(PipelineExecutionArn=before["hanging"])["PipelineExecutionSteps"]
    assert "The emulator ended while this step ran" in step["FailureReason"]
    outputs = [{"Name": "value", "Value": "from the callback"}]
    answer = {"CallbackToken": before["token"], "OutputParameters": outputs}
    sagemaker.send_pipeline_execution_step_success(**answer)
    with pytest.raises(ClientError, match="already been answered"):
        sagemaker.send_pipeline_execution_step_success(**answer)
    second = receive_token(restarted, before["queue"])
    sagemaker.send_pipeline_execution_step_success(CallbackToken=second)
    eventually(lambda: steps_of(restarted, before["waiting"]).get("Call") == "Succeeded")
    waiting = sagemaker.describe_pipeline_execution(PipelineExecutionArn=before["waiting"])
    assert waiting["PipelineExecutionStatus"] == "Succeeded"
    assert sagemaker.create_pipeline(
        PipelineName=kept.PIPELINE,
        PipelineDefinition=kept.definition(before["queue"]),
        RoleArn=kept.ROLE,
        ClientRequestToken=kept.PIPELINE * 8,
        Tags=[{"Key": "k", "Value": "v"}],
    )["PipelineArn"].endswith(f"pipeline/{kept.PIPELINE}")


def test_the_result_of_a_job_can_be_exported(restarted: Emulator, before: dict[str, Any]) -> None:
    geospatial, s3 = restarted.client("sagemaker-geospatial"), restarted.client("s3")
    geospatial.export_vector_enrichment_job(
        Arn=before["job"],
        ExecutionRoleArn=kept.ROLE,
        OutputConfig={"S3Data": {"S3Uri": f"s3://{kept.BUCKET}/exported/"}},
    )
    (exported,) = eventually(lambda: s3.list_objects_v2(Bucket=kept.BUCKET, Prefix="exported/").get("Contents"))
    body = s3.get_object(Bucket=kept.BUCKET, Key=exported["Key"])["Body"].read()
    assert body.count(b"Valid Data") == 50


def test_an_emulator_that_ends_and_a_reset_are_kept_too(tmp_path: Path) -> None:
    with Emulator(state_dir=tmp_path / "a") as emulator:
        emulator.client("sqs").create_queue(QueueName="q")
        emulator.client("ssm").put_parameter(Name="p", Value="v", Type="String")
        url = emulator.url
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    with Emulator(state_dir=tmp_path / "a") as emulator:
        assert emulator.url == url
        assert emulator.client("sqs").list_queues()["QueueUrls"] == [f"{url}/{kept.ACCOUNT}/q"]
        emulator.reset()
        assert "QueueUrls" not in emulator.client("sqs").list_queues()
        assert emulator.client("ssm").describe_parameters()["Parameters"] == []
        emulator.client("sqs").create_queue(QueueName="after")
        os.kill(owner(tmp_path / "a")["pid"], signal.SIGKILL)
    with Emulator(state_dir=tmp_path / "a") as emulator:
        assert emulator.client("sqs").list_queues()["QueueUrls"] == [f"{url}/{kept.ACCOUNT}/after"]
        assert emulator.client("ssm").describe_parameters()["Parameters"] == []


def test_a_message_that_was_deleted_before_a_restart_can_be_deleted_again(tmp_path: Path) -> None:
    def delete_messages(sqs: Any, count: int) -> str:
        for _ in range(count // 10):
            entries = [{"Id": str(number), "MessageBody": "text"} for number in range(10)]
            sqs.send_message_batch(QueueUrl=url, Entries=entries)
            received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
            handles = [message["ReceiptHandle"] for message in received]
            deletions = [{"Id": str(number), "ReceiptHandle": handle} for number, handle in enumerate(handles)]
            sqs.delete_message_batch(QueueUrl=url, Entries=deletions)
        return str(handles[-1])

    with Emulator(state_dir=tmp_path / "a") as emulator:
        url = emulator.client("sqs").create_queue(QueueName="q")["QueueUrl"]
        last = delete_messages(emulator.client("sqs"), 2 * DELETED_HANDLES - 10)
    with Emulator(state_dir=tmp_path / "a") as emulator:
        delete_messages(emulator.client("sqs"), 20)
        emulator.client("sqs").delete_message(QueueUrl=url, ReceiptHandle=last)


# Folders that are refused


def start(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "geopipe_emulator", "--state-dir", str(folder), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.is_dir() else {}


def change(folder: Path, statement: str) -> None:
    connection = sqlite3.connect(folder / STATE_FILE)
    with connection:
        connection.execute(statement)
    connection.close()


def spoil_page(folder: Path) -> None:
    path = folder / STATE_FILE
    data = bytearray(path.read_bytes())
    data[8192:12288] = b"\xff" * 4096
    path.write_bytes(data)


SPOILED = {
    "a file of another program": (
        lambda folder: change(folder, "PRAGMA application_id = 1"),
        "belongs to another program",
    ),
    "a newer format": (lambda folder: change(folder, f"PRAGMA user_version = {FORMAT + 1}"), f"format {FORMAT + 1}"),
    "another moto": (
        lambda folder: change(folder, "UPDATE meta SET value = '1.0' WHERE name = 'moto'"),
        "Install moto==1.0",
    ),
    "another account": (
        lambda folder: change(folder, "UPDATE meta SET value = '111111111111' WHERE name = 'account_id'"),
        "--account-id 111111111111",
    ),
    "no database": (lambda folder: (folder / STATE_FILE).write_bytes(b"junk" * 99), "is no SQLite file"),
    "an empty file": (lambda folder: (folder / STATE_FILE).write_bytes(b""), "is no SQLite file"),
    "a broken page": (spoil_page, "is broken"),
    "a class that is not allowed": (
        lambda folder: change(
            folder,
            "UPDATE rows SET value = CAST('moto.sqs.models:Queue' || char(10) || 'cos' || char(10) || 'system' "
            "|| char(10) || '.' AS BLOB) WHERE kind LIKE 'moto/sqs%' AND key != ''",
        ),
        "not among the classes",
    ),
    "a record of unknown form": (
        lambda folder: change(folder, "INSERT INTO rows (kind, key, value) VALUES ('pipeline', '1', '{\"$\": \"X\"}')"),
        "cannot be read",
    ),
    "a file that others can read": (lambda folder: folder.chmod(0o755), "chmod 700"),
    "other files only": (lambda folder: (folder / STATE_FILE).rename(folder / "notes.txt"), "is no state folder"),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a folder with a queue."""
    folder = tmp_path_factory.mktemp("good")
    folder.chmod(0o700)
    with EmulatorServer(Settings(), state_dir=folder) as server:
        from geopipe_emulator.clients import client_factory

        client_factory(server.url)("sqs", "us-west-2").create_queue(QueueName="q")
    return content_of(folder)


def spoiled(case: str, good: dict[str, bytes], folder: Path) -> str:
    """Makes an unusable folder; returns what its refusal says."""
    folder.mkdir(mode=0o700)
    for name, data in good.items():
        (folder / name).write_bytes(data)
    spoil, message = SPOILED[case]
    spoil(folder)
    return message


def without_owner(content: dict[str, bytes]) -> dict[str, bytes]:
    # SQLite adds an empty log to a file that it opens.
    return {name: data for name, data in content.items() if name != OWNER_FILE and data}


@pytest.mark.parametrize("case", SPOILED)
def test_an_unusable_folder_is_refused_and_left_as_it_is(case: str, good: dict[str, bytes], tmp_path: Path) -> None:
    folder = tmp_path / "state"
    message = spoiled(case, good, folder)
    before = without_owner(content_of(folder))
    with pytest.raises(StateError) as refused:
        EmulatorServer(Settings(), state_dir=folder).start()
    assert message in str(refused.value) and str(folder) in str(refused.value)
    assert without_owner(content_of(folder)) == before


@pytest.mark.parametrize("case", ["a newer format", "a class that is not allowed"])
def test_a_refusal_ends_with_exit_code_2_before_there_is_a_url(
    case: str, good: dict[str, bytes], tmp_path: Path
) -> None:
    message = spoiled(case, good, tmp_path / "state")
    refused = start(tmp_path / "state")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert message in refused.stderr and "Traceback" not in refused.stderr


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("mine")
    refused = start(file)
    assert refused.returncode == 2 and "is not a folder" in refused.stderr and file.read_text() == "mine"


def test_the_home_of_an_unknown_user_is_a_name_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "~no-such-user").write_text("mine")
    with pytest.raises(StateError, match="is not a folder"):
        StateFolder(Path("~no-such-user"), "123456789012")


def test_a_second_process_is_refused_by_pid_and_url(tmp_path: Path) -> None:
    with Emulator(state_dir=tmp_path / "a") as emulator:
        refused = start(tmp_path / "a")
        pid = owner(tmp_path / "a")["pid"]
        assert refused.returncode == 2 and f"PID {pid} at {emulator.url}" in refused.stderr
        emulator.client("sqs").create_queue(QueueName="still-there")


# One process, no emulator


def test_a_full_disk_is_reported_and_what_was_not_written_is_written_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    create(tmp_path / STATE_FILE)
    file = StateFile(tmp_path / STATE_FILE)
    (pages,) = file._connection.execute("PRAGMA page_count").fetchone()
    file._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    file.write([("kind", "large", b"x" * 100_000)])
    file.write([("kind", "small", "1"), ("kind", "gone", "1")])
    file.write([("kind", "gone", None)])
    assert "full" in file.problem and capsys.readouterr().err.count("cannot save") == 1
    file._connection.execute("PRAGMA max_page_count = 100000")
    file.retry()
    assert file.problem == "" and "saved again" in capsys.readouterr().err
    file.close()
    again = StateFile(tmp_path / STATE_FILE)
    assert again.rows("kind") == [("large", b"x" * 100_000), ("small", "1")]
    again.close()


def test_what_belongs_together_is_written_together(tmp_path: Path) -> None:
    create(tmp_path / STATE_FILE)
    file = StateFile(tmp_path / STATE_FILE)
    with file.together():
        file.write([("kind", "a", "1")])
        assert file.rows("kind") == []
        file.write([("kind", "b", "2")])
    assert file.rows("kind") == [("a", "1"), ("b", "2")]
    file.close()


def test_contents_that_nothing_needs_are_removed(tmp_path: Path) -> None:
    create(tmp_path / STATE_FILE)
    file = StateFile(tmp_path / STATE_FILE)
    kept_digest, other = file.keep(b"kept"), file.keep(b"other")
    file.write([])
    file.forget_unused({kept_digest})
    assert file.content(kept_digest) == b"kept"
    with pytest.raises(StateError, match="is missing"):
        file.content(other)
    file.close()


def test_a_folder_is_free_again_after_its_end(tmp_path: Path) -> None:
    first = StateFolder(tmp_path / "a", "123456789012")
    with pytest.raises(StateError, match="in use by another emulator"):
        StateFolder(tmp_path / "a", "123456789012")
    first.close()
    StateFolder(tmp_path / "a", "123456789012").close()


def test_an_answer_before_a_resumed_callback_runs_ends_its_step_once() -> None:
    step_type = CallbackStep(Environment(Settings(), "http://127.0.0.1:1", lambda *_: None))
    results: list[StepResult] = []
    no_step: Any = None
    activity = step_type.open(
        Task(
            no_step,
            {"SqsQueueUrl": "http://127.0.0.1:1/queue"},
            execution_arn="arn:execution",
            job_name="",
            role_arn=kept.ROLE,
            account_id=kept.ACCOUNT,
            region=kept.REGION,
            publish=lambda metadata: None,
            finish=results.append,
            spawn=lambda work: True,
        )
    )
    [token] = step_type._tokens
    context = RequestContext(kept.ACCOUNT, kept.REGION, "aws", "request", "key")
    step_type.send_success({"CallbackToken": token}, context)
    activity.run()
    activity.stop()
    assert results == [StepResult(True)]


# Folders of older versions


def test_repeated_requests_are_known_from_a_folder_that_has_their_text(tmp_path: Path) -> None:
    create(tmp_path / STATE_FILE)
    file = StateFile(tmp_path / STATE_FILE)
    token = "start".ljust(32, "-")
    key = {"$": "tuple", "value": ["StartPipelineExecution", kept.REGION, token]}
    value = {"$": "tuple", "value": ['{"PipelineName": "p"}', "arn:execution"]}
    file.write([("pipeline client token", json.dumps(key), json.dumps(value))])
    no_step: Any = None
    store = Store(RecordTables(file), {}, no_step, lambda: datetime.now(UTC))

    def token_of(name: str) -> ClientToken:
        request = {"PipelineName": name, "ClientRequestToken": token}
        return ClientToken.of("StartPipelineExecution", kept.REGION, request)

    assert store._recall(token_of("p")) == "arn:execution"
    with pytest.raises(ServiceError, match="different parameters"):
        store._recall(token_of("other"))
    file.close()


def test_a_repeated_answer_is_known_from_a_folder_that_has_the_answer(tmp_path: Path) -> None:
    create(tmp_path / STATE_FILE)
    file = StateFile(tmp_path / STATE_FILE)
    result = {"$": "StepResult", "succeeded": True, "outputs": {"value": "v"}, "reason": ""}
    answer = {"$": "_CallbackAnswer", "result": result, "request_token": "answer".ljust(32, "-")}
    known = {"token": "abcdefghij", "execution_arn": "arn:execution", "region": kept.REGION, "sent": True}
    value = {"$": "_CallbackToken", **known, "answer": answer}
    file.write([("callback token", '"abcdefghij"', json.dumps(value))])
    step_type = CallbackStep(Environment(Settings(), "http://127.0.0.1:1", lambda *_: None, tables=RecordTables(file)))
    context = RequestContext(kept.ACCOUNT, kept.REGION, "aws", "request", "key")

    def send(text: str) -> Any:
        outputs = [{"Name": "value", "Value": text}]
        request = {"CallbackToken": "abcdefghij", "OutputParameters": outputs}
        return step_type.send_success(request | {"ClientRequestToken": answer["request_token"]}, context)

    assert send("v") == {"PipelineExecutionArn": "arn:execution"}
    with pytest.raises(ServiceError, match="already been answered"):
        send("w")
    file.close()
