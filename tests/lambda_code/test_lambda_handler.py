"""The entry: which event goes where, what is printed of it, and what the environment must look like."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import handler
from lambda_fakes import (
    DEAD_LETTER_QUEUE_ARN,
    DEAD_LETTER_QUEUE_URL,
    QUEUE_ARN,
    QUEUE_URL,
    World,
    event,
    job_arn,
    token,
)
from logs import Log, redact
from settings import Settings

ROOT = Path(handler.__file__).parent


@pytest.mark.parametrize(
    ("name", "more", "told"),
    [
        ("callback_job", {}, ("success", {"vej_status": "COMPLETED"})),
        ("callback_export", {"ExportStatus": "SUCCEEDED"}, ("success", {"statusJob": "SUCCEEDED"})),
        ("callback_without_phase", {}, ("success", {"vej_status": "COMPLETED"})),
        ("callback_without_phase", {"ExportStatus": "SUCCEEDED"}, ("success", {"statusJob": "SUCCEEDED"})),
        ("callback_stopping", {}, ("failure", "The pipeline execution is being stopped")),
        (
            "callback_dead_letter",
            {},
            ("failure", "The callback could not be answered and reached the dead-letter queue"),
        ),
    ],
)
def test_records_go_to_the_callbacks(world: World, name: str, more: dict[str, Any], told: Any) -> None:
    world.add_job(**more)
    world.sagemaker.open_tokens.add(token())
    assert handler.handle(event(name), world.invocation()) == {"batchItemFailures": []}
    assert world.sagemaker.answers[token()] == told


def test_an_unfinished_job_s_message_is_the_batch_s_failure(world: World) -> None:
    world.add_job(status="INITIALIZING")
    answer = handler.handle(event("callback_job"), world.invocation())
    message_id = event("callback_job")["Records"][0]["messageId"]
    assert answer == {"batchItemFailures": [{"itemIdentifier": message_id}]}


@pytest.mark.parametrize("unknown", [{}, {"Records": None}, {"vej_arn": "x"}, {"records": "x"}, {"VejName": "x"}])
def test_an_event_that_asks_for_nothing_is_refused_with_the_keys_we_know(world: World, unknown: Any) -> None:
    with pytest.raises(ValueError, match=r"Records, vej_export_config, vej_name$"):
        handler.handle(unknown, world.invocation())


@pytest.mark.parametrize("wrong", [None, [], "text", 3])
def test_an_event_that_is_no_object_is_refused(world: World, wrong: Any) -> None:
    with pytest.raises(ValueError, match="the event"):
        handler.handle(wrong, world.invocation())


def test_the_input_is_logged_without_tokens_and_receipts(world: World) -> None:
    world.add_job()
    given = event("callback_job")
    given["Records"][0]["messageAttributes"] = {"note": f"about {token()}"}
    handler.handle(given, world.invocation())
    line = world.log[0]
    record = line["event"]["Records"][0]
    assert (line["level"], line["message"]) == ("INFO", "input")
    assert record["receiptHandle"] == record["body"]["token"] == "***"
    assert record["body"]["arguments"]["vej_arn"] == job_arn()
    assert record["messageAttributes"] == {"note": "about ***"}
    for secret in (token(), given["Records"][0]["receiptHandle"]):
        assert secret not in "".join(world.lines)


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (
            {"TOKEN": "a", "ReceiptHandle": "b", "NextToken": ["c"]},
            dict.fromkeys(("TOKEN", "ReceiptHandle", "NextToken"), "***"),
        ),
        ({"body": "Token: abcdefghij"}, {"body": "unreadable, 17 characters"}),
        ({"Body": '{"arguments": {"token": "t"}}'}, {"Body": {"arguments": {"token": "***"}}}),
        ({"body": {"token": "t"}}, {"body": {"token": "***"}}),
        ({"a": [{"token": 5}, 1, None]}, {"a": [{"token": "***"}, 1, None]}),
    ],
)
def test_redaction(value: Any, printed: Any) -> None:
    assert redact(value, lambda secret: None) == printed


def test_a_bottomless_event_can_be_printed() -> None:
    deep: Any = {"token": "secret-secret"}
    for _ in range(10_000):
        deep = [deep]
    assert "secret" not in json.dumps(redact(deep, lambda secret: None))


def test_log_lines_are_json_and_carry_the_request(capsys: pytest.CaptureFixture[str]) -> None:
    Log("request-1").warning("text\nin two lines", fact={"a": ["ä", 1]})
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {
        "level": "WARNING",
        "message": "text\nin two lines",
        "requestId": "request-1",
        "fact": {"a": ["ä", 1]},
    }


def test_settings_know_their_queues_by_name() -> None:
    settings = Settings.read({"QUEUE_URL": "http://127.0.0.1:4566/123456789012/callbacks"})
    assert settings.queue_url_of(QUEUE_ARN) == "http://127.0.0.1:4566/123456789012/callbacks"
    assert settings.queue_url_of(DEAD_LETTER_QUEUE_ARN) == settings.queue_url_of("") == ""
    assert not settings.is_dead_letter(DEAD_LETTER_QUEUE_ARN)
    settings = Settings(QUEUE_URL, DEAD_LETTER_QUEUE_URL)
    assert settings.is_dead_letter(DEAD_LETTER_QUEUE_ARN)
    assert not settings.is_dead_letter(QUEUE_ARN)


def test_the_deadline_comes_from_the_environment() -> None:
    assert Settings.read({}).callback_deadline_seconds == 57_600
    assert Settings.read({"CALLBACK_DEADLINE_SECONDS": " 90 "}).callback_deadline_seconds == 90


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "soon", "٣"])
def test_a_wrong_deadline_names_its_variable(value: str) -> None:
    with pytest.raises(ValueError, match="CALLBACK_DEADLINE_SECONDS must be"):
        Settings.read({"CALLBACK_DEADLINE_SECONDS": value})


def start_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    return subprocess.run(
        [sys.executable, "-B", "-c", code], cwd=ROOT, env=inherited | environment, capture_output=True, text=True
    )


def test_the_module_loads_without_region_or_credentials_and_prepares_nothing() -> None:
    done = start_python("import handler; print(len(handler.CLIENTS._clients))")
    assert (done.stdout, done.returncode) == ("0\n", 0), done.stderr


def test_the_clients_are_ready_when_the_module_has_loaded() -> None:
    code = "import handler; print(sorted(handler.CLIENTS._clients))"
    done = start_python(code, AWS_REGION="us-west-2")
    wanted = [(service, "us-west-2") for service in ("sagemaker", "sagemaker-geospatial", "sqs")]
    assert done.stdout == f"{wanted}\n", done.stderr


def test_only_the_standard_library_and_boto3_are_imported() -> None:
    """What the zip does not hold and Lambda does not bring would fail there and nowhere else."""
    code = (
        "import ast, pathlib, sys\n"
        "own = {path.stem for path in pathlib.Path('.').glob('*.py')}\n"
        "for path in pathlib.Path('.').glob('*.py'):\n"
        "    for node in ast.walk(ast.parse(path.read_text('utf-8'))):\n"
        "        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []\n"
        "        names += [node.module] if isinstance(node, ast.ImportFrom) else []\n"
        "        for name in names:\n"
        "            top = name.split('.')[0]\n"
        "            if top not in own | {'boto3', 'botocore'} | sys.stdlib_module_names:\n"
        "                print(path, name)\n"
        "print(own & sys.stdlib_module_names or '')"
    )
    assert start_python(code).stdout.strip() == ""
