"""The entry point: which event goes where, what is printed of it, and what the environment must have."""

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import handler
from tests.support.lambda_fakes import (
    LambdaWorld,
    event,
    job_arn,
    token,
)

ROOT = Path(handler.__file__).parent


@pytest.mark.parametrize(
    ("name", "more", "answered"),
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
def test_records_go_to_the_callbacks(world: LambdaWorld, name: str, more: dict[str, Any], answered: Any) -> None:
    world.add_job(**more)
    world.sagemaker.open_tokens.add(token())
    assert handler.handle(event(name), world.invocation()) == {"batchItemFailures": []}
    assert world.sagemaker.answers[token()] == answered


def test_an_unfinished_job_s_message_is_the_batch_s_failure(world: LambdaWorld) -> None:
    world.add_job(status="INITIALIZING")
    response = handler.handle(event("callback_job"), world.invocation())
    message_id = event("callback_job")["Records"][0]["messageId"]
    assert response == {"batchItemFailures": [{"itemIdentifier": message_id}]}


@pytest.mark.parametrize("unknown", [{}, {"Records": None}, {"vej_arn": "x"}, {"records": "x"}, {"VejName": "x"}])
def test_an_event_without_a_known_key_is_refused_with_the_known_keys(world: LambdaWorld, unknown: Any) -> None:
    with pytest.raises(
        ValueError,
        match=r"Records, vej_export_config, vej_name, eoj_export_config, eoj_name, parts_config, parts_export$",
    ):
        handler.handle(unknown, world.invocation())


@pytest.mark.parametrize("wrong", [None, [], "text", 3])
def test_an_event_that_is_not_an_object_is_refused(world: LambdaWorld, wrong: Any) -> None:
    with pytest.raises(ValueError, match="the event"):
        handler.handle(wrong, world.invocation())


def test_the_input_is_logged_without_tokens_and_receipts(world: LambdaWorld) -> None:
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


def start_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    return subprocess.run(
        [sys.executable, "-B", "-c", code], cwd=ROOT, env=inherited | environment, capture_output=True, text=True
    )


@pytest.mark.process
def test_the_module_loads_without_region_or_credentials_and_prepares_nothing() -> None:
    done = start_python("import handler; print(len(handler.CLIENTS._clients))")
    assert (done.stdout, done.returncode) == ("0\n", 0), done.stderr


@pytest.mark.process
def test_the_clients_are_ready_when_the_module_has_loaded() -> None:
    code = "import handler; print(sorted(handler.CLIENTS._clients))"
    done = start_python(code, AWS_REGION="us-west-2")
    wanted = [(service, "us-west-2", 0) for service in ("sagemaker", "sagemaker-geospatial", "sqs")]
    assert done.stdout == f"{wanted}\n", done.stderr


FUNCTIONS = {
    "our own": sorted(ROOT.glob("*.py")),
    "the example's": [
        *sorted((ROOT.parent / "docs/examples/own_steps/lambda").glob("*.py")),
        *(ROOT / name for name in ("callbacks.py", "aws.py", "log.py")),
    ],
}


@pytest.mark.parametrize("files", FUNCTIONS.values(), ids=FUNCTIONS)
def test_only_the_zip_the_standard_library_and_boto3_are_imported(files: list[Path]) -> None:
    """Any other import would fail on Lambda only."""
    own = {path.stem for path in files}
    assert "handler" in own
    assert not own & sys.stdlib_module_names
    imported = set()
    for path in files:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add((node.module or "").split(".")[0])
    # The gazetteer is in the zip of its provider, and imports the standard library only.
    assert imported - own - {"boto3", "botocore", "geopipe_gazetteer"} - sys.stdlib_module_names == set()
