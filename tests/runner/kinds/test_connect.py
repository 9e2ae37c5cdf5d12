"""The account is read first, and a wrong one ends the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from geopipe_runner.aws.clients import connect
from geopipe_runner.errors import AwsError, RefusedError
from tests.support.kinds import ACCOUNT, Hands, Hurried, write_config
from tests.support.paths import ROOT

KEYS = {"AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "secret"}


def on_wait(_text: str) -> None:
    return None


def test_the_caller_is_known_afterwards(hands: Hands, tmp_path: Path) -> None:
    config = write_config(tmp_path, "known", hands.url)
    hands.forget_calls()
    aws = connect(config, hands.url, on_wait, Hurried())
    assert (aws.account.account_id, aws.account.region, aws.account.endpoint_url) == (ACCOUNT, "us-west-2", hands.url)
    assert aws.account.caller_arn.startswith(f"arn:aws:sts::{ACCOUNT}:") or ACCOUNT in aws.account.caller_arn
    assert hands.mutating_calls() == {}


def test_another_account_is_refused_by_name(hands: Hands, tmp_path: Path) -> None:
    config = write_config(tmp_path, "wrong", hands.url, account_id="111122223333")
    with pytest.raises(RefusedError) as caught:
        connect(config, hands.url, on_wait, Hurried())
    assert ACCOUNT in caught.value.message
    assert "wrong.yaml is for account 111122223333. Nothing was done." in caught.value.message
    assert caught.value.exit_code == 5


def test_no_server_at_the_endpoint(tmp_path: Path) -> None:
    from geopipe_runner.aws.errors import translated

    config = write_config(tmp_path, "missing", "http://127.0.0.1:9")
    with pytest.raises(AwsError) as caught, translated():
        connect(config, "http://127.0.0.1:9", on_wait, Hurried())
    assert caught.value.message == "Nothing listens at http://127.0.0.1:9."
    assert caught.value.hint == "Start the emulator: python -m geopipe_emulator --port 9"


class ForeignServer(BaseHTTPRequestHandler):
    """Answers everything with the same page."""

    status = 200
    page = b""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(self.status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(self.page)))
        self.end_headers()
        self.wfile.write(self.page)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


PAGES = [
    (200, b"<html><head><title>Sign in</title></head><body><br></body></html>"),
    (200, b"<html><body>It works!</body></html>"),
    (200, b"<GetCallerIdentityResponse><GetCallerIdentityResult/></GetCallerIdentityResponse>"),
    (404, b"Not found"),
    (500, b"<html><body>Oops</body></html>"),
]


@pytest.mark.parametrize(("status", "page"), PAGES)
def test_a_foreign_server_at_the_endpoint(tmp_path: Path, status: int, page: bytes) -> None:
    answers = type("Answers", (ForeignServer,), {"status": status, "page": page})
    server = ThreadingHTTPServer(("127.0.0.1", 0), answers)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        with pytest.raises(AwsError) as caught:
            connect(write_config(tmp_path, "else", url), url, on_wait, Hurried())
    finally:
        server.shutdown()
        server.server_close()
    assert caught.value.message.startswith(
        f"The server at {url} is not a geopipe emulator: The response is not from AWS: "
    )
    assert "python -m geopipe_emulator --port PORT" in caught.value.hint
    assert len(caught.value.message) < 400


def plan(config: Path, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """`plan` with only these AWS variables and an empty home."""
    bare = {name: value for name, value in os.environ.items() if not name.upper().startswith(("AWS_", "HTTP"))}
    isolated = {"HOME": str(folder), "AWS_EC2_METADATA_DISABLED": "true"}
    command = [sys.executable, str(ROOT / "run.py"), "plan", str(config), "--non-interactive"]
    return subprocess.run(command, env={**bare, **isolated, **environment}, capture_output=True, text=True, timeout=60)


def test_without_credentials_there_is_one_clear_message(tmp_path: Path) -> None:
    config = write_config(tmp_path, "aws", None, target="aws")
    done = plan(config.path, tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        f"Error: No AWS credentials found in the environment, ~/.aws or the instance for account {ACCOUNT}."
    )
    assert "Traceback" not in done.stderr


def test_a_profile_that_is_not_there(tmp_path: Path) -> None:
    config = write_config(tmp_path, "aws", None, target="aws", profile="missing")
    done = plan(config.path, tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert "missing" in done.stderr
    assert "aws configure list-profiles" in done.stderr


def test_a_leaked_endpoint_variable_is_refused(tmp_path: Path) -> None:
    config = write_config(tmp_path, "aws", None, target="aws")
    done = plan(config.path, tmp_path, **KEYS, AWS_ENDPOINT_URL_SQS="http://127.0.0.1:9")
    assert (done.returncode, done.stdout) == (5, "")
    assert "AWS_ENDPOINT_URL_SQS would redirect calls meant for AWS" in done.stderr


@pytest.mark.parametrize("external_id", [None, "shared-secret"])
def test_a_role_is_assumed_before_the_first_call(hands: Hands, tmp_path: Path, external_id: str | None) -> None:
    iam = hands.client("iam")
    name = f"deployer-{external_id}"
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    if external_id:
        statement["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}  # type: ignore[assignment]
    role = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )["Role"]
    given = {"role_arn": role["Arn"], "external_id": external_id}
    config = write_config(
        tmp_path, "assumed", hands.url, target="aws", assume_role={k: v for k, v in given.items() if v}
    )
    done = subprocess.run(
        [sys.executable, "-c", CALLER, str(config.path)],
        cwd=ROOT,
        env={**os.environ, **KEYS, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/{name}/"), done.stderr
    iam.delete_role(RoleName=name)


CALLER = """
import sys
from geopipe_runner.aws.clients import connect
from geopipe_runner.aws.clock import Clock
from geopipe_runner.config import load
config = load(sys.argv[1])
print(connect(config, config.endpoint, print, Clock()).account.caller_arn)
"""
