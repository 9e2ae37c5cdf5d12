"""`doctor` against emulators with faults: what it finds, what it advises, and that it changes nothing."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.e2e import ACCOUNT, Standing, StartStanding, Workplace

pytestmark = pytest.mark.slow

KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "example-secret-0123456789"}
# A right of a plan is missing: iam:GetRole. tag:GetResources is missing too, which is only worth a warning.
SOME_READS = (
    "iam:List*",
    "iam:GetPolicy*",
    "sqs:*",
    "s3:*",
    "lambda:*",
    "logs:*",
    "sagemaker:*",
    "sagemaker-geospatial:*",
)
# All that a run calls, but no queue can be created, and no event source mapping can be changed.
WRITES = (
    "iam:*",
    "sqs:Get*",
    "sqs:List*",
    "sqs:Set*",
    "sqs:TagQueue",
    "sqs:DeleteQueue",
    "s3:*",
    "lambda:*Function*",
    "lambda:List*",
    "lambda:Get*",
    "lambda:TagResource",
    "logs:*",
    "sagemaker:*",
    "sagemaker-geospatial:*",
    "tag:*",
)


def examine(workplace: Workplace, config: Path, **env: str) -> tuple[int, list[dict[str, Any]]]:
    """Returns the exit code and the checks."""
    done = workplace.geopipe("doctor", config, "--output", "json", env=env)
    assert "Traceback" not in done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["event"] == "finished", done.stderr
    return done.returncode, [event for event in events if event["event"] == "check"]


def having(checks: list[dict[str, Any]], *statuses: str) -> list[str]:
    return [f"{check['topic']}: {check['finding']}" for check in checks if check["status"] in statuses]


def deployer(workplace: Workplace, standing: Standing, *actions: str) -> Path:
    """Returns a configuration whose calls are made by a role that may do `actions`."""
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    standing.client("iam").create_role(RoleName="deployer", AssumeRolePolicyDocument=document)
    standing.allow("deployer", *actions)
    role = {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/deployer"}
    return workplace.config(target="aws", endpoint=standing.url, assume_role=role)


@contextmanager
def shifted_clock(url: str, seconds: float) -> Iterator[str]:
    """Within the block, another address of an emulator, which says that it is `seconds` later."""
    place = urlsplit(url)

    class Forwarder(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=90)
            connection.request(self.command, self.path, body, dict(self.headers))
            response = connection.getresponse()
            content = response.read()
            self.send_response_only(response.status)
            for name, value in response.getheaders():
                if name.lower() not in ("date", "transfer-encoding", "content-length", "connection"):
                    self.send_header(name, value)
            self.send_header("Date", formatdate(time.time() + seconds, usegmt=True))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else content)
            connection.close()

        do_GET = do_POST = do_PUT = do_HEAD = forward  # noqa: N815 - names of http.server

        def log_message(self, *_: object) -> None:
            """Nothing: pytest shows what matters."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Forwarder)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_a_healthy_deployment(workplace: Workplace) -> None:
    done = workplace.geopipe("doctor", workplace.config())
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1].strip() == "No problem found."
    assert {line.split()[0] for line in lines[:-1]} <= {"ok", "skipped", "->"}
    topics = [line.split()[1] for line in lines[:-1] if not line.startswith(" ")]
    expected = "packages environment endpoint credentials clock account permissions service quotas"
    assert list(dict.fromkeys(topics)) == expected.split()


def test_a_clock_that_is_wrong_and_nothing_is_changed(workplace: Workplace, standing: Standing) -> None:
    before = standing.mutating_calls()
    with shifted_clock(standing.url, -3600) as url:
        code, checks = examine(workplace, workplace.config(target="aws", endpoint=url), **KEYS)
    assert code == 1
    (problem,) = having(checks, "problem")
    assert problem.startswith("clock: The clock of this machine is 3,6") and problem.endswith("s ahead.")
    (clock,) = [check for check in checks if check["topic"] == "clock"]
    assert "Set the clock" in clock["advice"]
    assert standing.mutating_calls() == before


def test_denied_reads_and_a_service_that_is_closed(workplace: Workplace, start_standing: StartStanding) -> None:
    standing = start_standing("--geospatial-refusal", "AccessDeniedException")
    code, checks = examine(workplace, deployer(workplace, standing, *SOME_READS), **KEYS)
    assert code == 1
    problems = having(checks, "problem")
    assert [problem.split(":")[0] for problem in problems] == ["permissions", "permissions", "service"], problems
    assert "SageMakerExampleLambdaRole" in problems[0] and "iam:GetRole" in problems[0]
    assert "permissions: tag:GetResources is not allowed" in having(checks, "warning")[0]
    assert [check for check in checks if check["status"] == "problem" and not check["advice"]] == []


def test_rights_to_write_that_are_missing(workplace: Workplace, standing: Standing) -> None:
    config = deployer(workplace, standing, *WRITES)
    before = standing.mutating_calls()
    code, checks = examine(workplace, config, **KEYS)
    assert code == 0
    denied = [finding for finding in having(checks, "warning") if "simulator" in finding]
    assert len(denied) == 3, denied
    queues, topics = [], {}
    for finding in denied:
        actions, arn = finding.split(" is not allowed ")[1].removesuffix(".").split(" on ")
        topics[arn.split(":")[2] if ":" in arn else arn] = actions
        queues += [arn] if ":sqs:" in arn else []
    assert topics == {
        "sqs": "sqs:CreateQueue",
        "*": "lambda:CreateEventSourceMapping, lambda:DeleteEventSourceMapping, lambda:UpdateEventSourceMapping",
    }
    assert len(queues) == 2
    assert standing.mutating_calls() == before

    standing.allow("deployer", "*")
    code, checks = examine(workplace, config, **KEYS)
    assert (code, having(checks, "warning", "problem")) == (0, [])
    assert any("actions of a run are allowed" in check for check in having(checks, "ok"))


def test_credentials_that_the_endpoint_does_not_accept(workplace: Workplace, start_standing: StartStanding) -> None:
    standing = start_standing("--require-access-key")
    code, checks = examine(workplace, workplace.config(target="aws", endpoint=standing.url), **KEYS)
    assert code == 1
    (problem,) = having(checks, "problem")
    assert problem.startswith("account: AWS did not accept the credentials")
    assert KEYS["AWS_SECRET_ACCESS_KEY"] not in json.dumps(checks)


FAULTS = [
    ({"endpoint": "http://127.0.0.1:9"}, {}, "endpoint: Nothing listens at http://127.0.0.1:9", "geopipe_emulator"),
    ({"target": "aws"}, {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}, "environment: AWS_ENDPOINT_URL_S3", "Unset"),
    ({"target": "aws"}, {"HTTPS_PROXY": "http://me:secret@127.0.0.1:9"}, "environment: The proxy 127.0.0.1:9", "proxy"),
    ({"target": "aws"}, {"AWS_CA_BUNDLE": "/no/such/file"}, "environment: AWS_CA_BUNDLE", "Unset"),
    ({"target": "aws", "endpoint": "URL", "profile": "missing"}, {}, "credentials: The config profile", "profile"),
    ({"account_id": "111122223333", "endpoint": "URL"}, {}, "account: The credentials belong to account", "profile"),
]


def test_faults_of_this_machine(workplace: Workplace, standing: Standing) -> None:
    for changes, env, finding, advice in FAULTS:
        filled = {key: standing.url if value == "URL" else value for key, value in changes.items()}
        code, checks = examine(workplace, workplace.config(**filled), **(KEYS | env))
        found = [check for check in checks if check["status"] == "problem"]
        assert code == 1, finding
        assert [f"{check['topic']}: {check['finding']}".startswith(finding) for check in found] == [True], found
        assert advice in found[0]["advice"]
        assert "secret" not in json.dumps(checks)


def test_packages_of_the_emulator_that_are_missing(workplace: Workplace) -> None:
    """A module that Python loads at its start hides them."""
    (workplace.folder / "sitecustomize.py").write_text(
        "from importlib.machinery import PathFinder\n"
        "find = PathFinder.find_spec\n"
        "PathFinder.find_spec = lambda name, *more: None if name in ('moto', 'bokeh') else find(name, *more)\n"
    )
    code, checks = examine(workplace, workplace.config(), PYTHONPATH=str(workplace.folder))
    assert code == 1
    assert having(checks, "problem") == ["packages: The emulator of this command lacks moto."]
    assert checks[0]["advice"] == "pip install 'geopipe-runner[emulator]'"
    assert having(checks, "skipped") == ["account: Not examined, because of the problem above."]
