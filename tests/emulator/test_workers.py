"""Execution environments, with real zips and real processes: what goes wrong, what is seen, what remains."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from emulator_endpoint import Emulator
from geopipe_runner.emulator.functions.sandbox import Workspace
from test_functions import ACCOUNT_ID, REGION, TRUST, Account, arn_of, eventually, make_role, zipped


@pytest.fixture(scope="session")
def role(emulator: Emulator) -> str:
    return make_role(emulator, TRUST)


@pytest.fixture
def account(emulator: Emulator, role: str) -> Iterator[Account]:
    account = Account(emulator, role)
    yield account
    account.clear()


# What can go wrong


@pytest.mark.parametrize(
    ("source", "error_type", "part"),
    [
        ("def handler(event, context):\n    raise KeyError('lost')\n", "KeyError", "lost"),
        ("import numpy\n", "Runtime.ImportModuleError", "No module named 'numpy'"),
        ("import yaml\n", "Runtime.ImportModuleError", "No module named 'yaml'"),
        ("import geopipe_runner\n", "Runtime.ImportModuleError", "No module named 'geopipe_runner'"),
        ("def handler(event, context)\n    return 1\n", "Runtime.UserCodeSyntaxError", "Syntax error in module 'app'"),
        ("def other(event, context):\n    return 1\n", "Runtime.HandlerNotFound", "Handler 'handler' missing"),
        ("raise RuntimeError('at import')\n", "RuntimeError", "at import"),
        ("def handler(event, context):\n    return object()\n", "Runtime.MarshalError", "Unable to marshal response"),
        ("def handler(event, context):\n    exit(3)\n", "Runtime.ExitError", "exit status 3"),
        ("import os\nos._exit(4)\n", "Runtime.ExitError", "exit status 4"),
        (
            "def handler(event, context):\n    import os\n    os._exit(0)\n",
            "Runtime.ExitError",
            "exited without providing a reason",
        ),
        (
            "def handler(event, context):\n    import os, signal\n    os.kill(os.getpid(), signal.SIGKILL)\n",
            "Runtime.ExitError",
            "signal: killed",
        ),
        (
            "def handler(event, context):\n    return 'x' * 6_291_556\n",
            "Function.ResponseSizeTooLarge",
            "exceeded maximum allowed payload size",
        ),
    ],
)
def test_what_goes_wrong_has_the_name_aws_gives_it(account: Account, source: str, error_type: str, part: str) -> None:
    told = account.failure(account.function(source))
    assert told["errorType"] == error_type
    assert part in told["errorMessage"]


def test_a_missing_module_and_a_handler_without_a_dot_are_named(account: Account) -> None:
    missing = account.failure(account.function(Handler="absent.handler"))
    assert missing["errorType"] == "Runtime.ImportModuleError"
    assert account.failure(account.function(Handler="app"))["errorType"] == "Runtime.MalformedHandlerName"


def test_a_failure_shows_the_handlers_frames_and_the_request(account: Account) -> None:
    name = account.function("def inner():\n    raise ValueError('x')\ndef handler(event, context):\n    inner()\n")
    told = account.failure(name)
    assert [re.search(r"in (\w+)", frame)[1] for frame in told["stackTrace"]] == ["handler", "inner"]  # type: ignore[index]
    assert account.logged(name, f"START RequestId: {told['requestId']} Version: $LATEST\n")


def test_an_initialisation_error_names_the_request_it_spoilt(account: Account) -> None:
    name = account.function("import numpy\n")
    account.failure(name)
    told = account.failure(name)
    assert re.fullmatch(r"[0-9a-f-]{36}", told["requestId"])
    lines = account.logged(name, f"REPORT RequestId: {told['requestId']}")
    assert any(line.startswith(f"START RequestId: {told['requestId']}") for line in lines)
    assert any("No module named 'numpy'" in line for line in lines)
    assert any("Status: error\tError Type: Runtime.ImportModuleError" in line for line in lines)


def test_a_function_that_takes_too_long_is_ended(account: Account) -> None:
    source = "import time\nprint('fresh')\ndef handler(event, context):\n    time.sleep(event)\n    return event\n"
    name = account.function(source, Timeout=1)
    assert account.call(name, 0) == 0
    began = time.monotonic()
    told = account.failure(name, 30)
    assert 0.9 < time.monotonic() - began < 2
    assert told["errorType"] == "Sandbox.Timedout"
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT[\d:.]+Z [0-9a-f-]{36} Task timed out after 1\.00 seconds", told["errorMessage"]
    )
    assert account.call(name, 0) == 0
    assert any("Task timed out after 1.00 seconds" in line for line in account.logged(name, "Status: timeout"))


def test_a_timeout_counts_from_the_invocation_not_from_the_start_of_its_worker(account: Account) -> None:
    source = "import time\ntime.sleep(1.2)\ndef handler(event, context):\n    return 'in time'\n"
    assert account.call(account.function(source, Timeout=1)) == "in time"


# What a handler sees


def test_boto3_is_there_and_reaches_this_endpoint_as_the_role(account: Account) -> None:
    source = (
        "import boto3, botocore, dateutil, jmespath, s3transfer, urllib3\n"
        "def handler(event, context):\n"
        "    return [boto3.client('sts').get_caller_identity()['Arn'], boto3.client('sqs').meta.endpoint_url]\n"
    )
    name = account.function(source)
    role_name = account.role.rsplit("/", 1)[-1]
    assert account.call(name) == [
        f"arn:aws:sts::{ACCOUNT_ID}:assumed-role/{role_name}/{name}",
        account.emulator.url,
    ]


def test_the_environment_is_aws_and_the_functions_own_and_nothing_else(account: Account) -> None:
    os.environ["LEAKED_FROM_THE_EMULATOR"] = "yes"
    try:
        source = "import os\ndef handler(event, context):\n    return dict(os.environ) | {'cwd': os.getcwd()}\n"
        name = account.function(source, Environment={"Variables": {"OWN": "1"}}, MemorySize=256)
        seen = account.call(name)
    finally:
        del os.environ["LEAKED_FROM_THE_EMULATOR"]
    assert "LEAKED_FROM_THE_EMULATOR" not in seen
    expected = {
        "OWN": "1",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.12",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "_HANDLER": "app.handler",
        "TZ": ":UTC",
        "AWS_ENDPOINT_URL": account.emulator.url,
        "LAMBDA_TASK_ROOT": seen["cwd"],
    }
    assert {key: seen.get(key) for key in expected} == expected
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", seen["AWS_LAMBDA_LOG_STREAM_NAME"])
    assert seen["HOME"] == seen["TMPDIR"] != os.environ.get("HOME")


def test_the_context_tells_the_invocation(account: Account) -> None:
    source = (
        "def handler(event, context):\n"
        "    return [context.function_name, context.invoked_function_arn, context.memory_limit_in_mb,\n"
        "            context.get_remaining_time_in_millis(), context.client_context.custom['a']]\n"
    )
    name = account.function(source, Timeout=20)
    client_context = base64.b64encode(json.dumps({"custom": {"a": "b"}}).encode()).decode()
    seen = account.call(name, ClientContext=client_context)
    assert seen[:3] == [name, arn_of(name), "128"]
    assert 18_000 < seen[3] <= 20_000
    assert seen[4] == "b"


def test_the_package_is_laid_out_whole(account: Account) -> None:
    import io
    import zipfile

    buffer = io.BytesIO(zipped(app="import inner.deep\nfrom pathlib import Path\nhandler = inner.deep.handler\n"))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("inner/__init__.py", "")
        archive.writestr(
            "inner/deep.py",
            "import subprocess\ndef handler(e, c):\n    return [open('d/x.txt').read(), "
            "subprocess.check_output(['./tool']).decode(), open('link.txt').read()]\n",
        )
        archive.writestr("d/x.txt", "data")
        archive.writestr("../outside.txt", "kept inside")
        tool = zipfile.ZipInfo("tool")
        tool.external_attr = 0o100755 << 16
        archive.writestr(tool, "#!/bin/sh\nprintf ran\n")
        link = zipfile.ZipInfo("link.txt")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "d/x.txt")
        escape = zipfile.ZipInfo("escape")
        escape.external_attr = 0o120777 << 16
        archive.writestr(escape, "/etc")
    assert account.call(account.function(Code={"ZipFile": buffer.getvalue()})) == ["data", "ran", "data"]


# Reuse and concurrency

COUNTING = (
    "import os, time\nruns = 0\n"
    "def handler(event, context):\n    global runs\n    runs += 1\n"
    "    time.sleep(event)\n    return [os.getpid(), runs]\n"
)


def test_a_warm_worker_is_used_again(account: Account) -> None:
    name = account.function(COUNTING)
    answers = [account.call(name, 0) for _ in range(3)]
    assert [runs for _, runs in answers] == [1, 2, 3]
    assert len({process_id for process_id, _ in answers}) == 1


def test_concurrent_invocations_run_side_by_side(account: Account) -> None:
    name = account.function(COUNTING)
    with ThreadPoolExecutor(4) as executor:
        answers = list(executor.map(lambda _: account.call(name, 0.4), range(4)))
    assert len({process_id for process_id, _ in answers}) == 4


def test_a_failure_does_not_end_the_worker_but_an_exit_does(account: Account) -> None:
    source = (
        "import os\ndef handler(event, context):\n    if event == 'pid':\n        return os.getpid()\n    eval(event)\n"
    )
    name = account.function(source)
    first = account.call(name, "pid")
    account.failure(name, "1/0")
    assert account.call(name, "pid") == first
    account.failure(name, "exit(1)")
    assert account.call(name, "pid") != first


# Logs


def test_the_log_reads_as_on_aws_and_soon(account: Account) -> None:
    source = (
        "import logging\nlogging.getLogger().setLevel('INFO')\n"
        "def handler(event, context):\n    print('printed')\n    logging.info('two\\nlines')\n    print('é', end='')\n"
    )
    name = account.function(source)
    answer = account.lambda_.invoke(FunctionName=name, LogType="Tail")
    tail = base64.b64decode(answer["LogResult"]).decode()
    eventually(lambda: any(line.startswith("REPORT") for line in account.log_lines(name)), patience=0.5)
    init, start, printed, record, unended, end, report = account.log_lines(name)
    request_id = start.split()[2]
    assert init.startswith("INIT_START Runtime Version: python:3.12")
    assert start == f"START RequestId: {request_id} Version: $LATEST\n"
    assert (printed, unended) == ("printed\n", "é")
    assert re.fullmatch(rf"\[INFO\]\t[\d:.TZ-]+\t{request_id}\ttwo\nlines\n", record)
    assert end == f"END RequestId: {request_id}\n"
    assert re.fullmatch(
        rf"REPORT RequestId: {request_id}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\t"
        r"Max Memory Used: \d+ MB\tInit Duration: [\d.]+ ms\t\n",
        report,
    )
    assert tail.startswith(start)
    assert tail.endswith(report)
    assert "printed\n" in tail


def test_a_worker_started_ahead_leaves_no_log_before_it_is_used(account: Account) -> None:
    name = account.function("print('at import')\n" + "def handler(event, context):\n    return 1\n")
    eventually(lambda: _workers_of(os.getpid()))
    assert account.log_lines(name) == []
    account.call(name)
    assert "at import\n" in account.logged(name, "REPORT")


def test_a_log_group_deleted_under_the_function_comes_back(account: Account) -> None:
    name = account.function("def handler(event, context):\n    print(event)\n")
    account.call(name, "before")
    account.logged(name, "before")
    account.client("logs").delete_log_group(logGroupName=f"/aws/lambda/{name}")
    account.call(name, "after")
    account.logged(name, "after")


# What remains

SERVER = """
import sys
from geopipe_runner.emulator.functions import FunctionsService
from geopipe_runner.emulator.server import EmulatorServer
from geopipe_runner.emulator.settings import Settings
server = EmulatorServer(Settings(), services=[FunctionsService])
print(server.start(), flush=True)
sys.stdin.read()
server.stop()
"""

HOLDING_ON = """
import os, signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def handler(event, context):
    child = subprocess.Popen(["sleep", "60"]).pid
    open(event, "w").write(f"{os.getpid()} {child}")
    while True:
        pass
"""


@pytest.mark.parametrize("kill", [True, False], ids=["killed", "stopped"])
def test_workers_and_their_children_end_with_the_emulator(kill: bool, role: str, tmp_path: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert server.stdin and server.stdout
    try:
        account = Account(_RemoteEmulator(server.stdout.readline().strip()))  # type: ignore[arg-type]
        account.role = make_role(account.emulator, TRUST)
        name = account.function(HOLDING_ON, Timeout=60)
        marker = tmp_path / "marker"
        account.lambda_.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(str(marker)))
        running = [int(text) for text in eventually(lambda: marker.exists() and marker.read_text()).split()]
        assert all(map(_alive, running))
        if kill:
            server.kill()
        else:
            server.stdin.close()
        server.wait(5)
        eventually(lambda: not any(map(_alive, running)), patience=1.0)
    finally:
        server.kill()
        server.wait()
    left = list(tmp_path.glob("geopipe-functions-*"))
    assert bool(left) is kill
    # What a crash leaves, the next start sweeps.
    workspace = Workspace(tmp_path)
    workspace.open()
    workspace.close()
    assert list(tmp_path.glob("geopipe-functions-*")) == []


class _RemoteEmulator:
    """An emulator in another process, with as much of `Emulator` as an `Account` needs."""

    def __init__(self, url: str) -> None:
        from geopipe_runner.emulator.clients import client_factory

        self.url = url
        make = client_factory(url)
        self._clients: dict[str, Any] = {}
        self._make = make

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._make(service, REGION)
        return self._clients[service]


def test_a_workspace_in_use_is_not_swept(tmp_path: Path) -> None:
    mine, other = Workspace(tmp_path), Workspace(tmp_path)
    mine.open()
    other.open()
    assert mine.folder.exists()
    mine.close()
    other.close()
    assert list(tmp_path.iterdir()) == []


def test_a_deleted_function_has_no_processes_and_no_files_left(account: Account) -> None:
    source = "import os\ndef handler(event, context):\n    return [os.getpid(), os.environ['HOME'], os.getcwd()]\n"
    name = account.function(source)
    process_id, *folders = account.call(name)
    account.lambda_.delete_function(FunctionName=name)
    eventually(lambda: not _alive(process_id) and not any(Path(folder).exists() for folder in folders), patience=2.0)


def _alive(process_id: int) -> bool:
    """Whether it runs: a dead one nobody has waited for yet does not."""
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process_id}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def _workers_of(process_id: int) -> list[int]:
    children = Path(f"/proc/{process_id}/task").glob("*/children")
    return [int(child) for listed in children for child in listed.read_text().split()]
