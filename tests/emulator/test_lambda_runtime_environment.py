"""Execution environments, with real zips and real processes: what goes wrong, what is seen, what remains."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from geopipe_emulator.services.lambda_ import memory, sandbox
from geopipe_emulator.services.lambda_.sandbox import Workspace
from tests.support.emulator_endpoint import Emulator
from tests.support.functions import ACCOUNT_ID, REGION, TRUST, Functions, arn_of, make_role, refused, zipped
from tests.support.paths import ROOT
from tests.support.wait import eventually


@pytest.fixture(scope="session")
def role(emulator: Emulator) -> str:
    return make_role(emulator, TRUST)


@pytest.fixture
def account(emulator: Emulator, role: str) -> Iterator[Functions]:
    account = Functions(emulator, role)
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
def test_what_goes_wrong_has_the_name_aws_gives_it(account: Functions, source: str, error_type: str, part: str) -> None:
    error = account.failure(account.function(source))
    assert error["errorType"] == error_type
    assert part in error["errorMessage"]


def test_a_missing_module_and_a_handler_without_a_dot_are_named(account: Functions) -> None:
    missing = account.failure(account.function(Handler="absent.handler"))
    assert missing["errorType"] == "Runtime.ImportModuleError"
    assert account.failure(account.function(Handler="app"))["errorType"] == "Runtime.MalformedHandlerName"


def test_a_failure_shows_the_handlers_frames_and_the_request(account: Functions) -> None:
    name = account.function("def inner():\n    raise ValueError('x')\ndef handler(event, context):\n    inner()\n")
    error = account.failure(name)
    assert [re.search(r"in (\w+)", frame)[1] for frame in error["stackTrace"]] == ["handler", "inner"]  # type: ignore[index]
    assert account.logged(name, f"START RequestId: {error['requestId']} Version: $LATEST\n")


def test_an_initialization_error_names_the_request_that_fails(account: Functions) -> None:
    name = account.function("import numpy\n")
    account.failure(name)
    error = account.failure(name)
    assert re.fullmatch(r"[0-9a-f-]{36}", error["requestId"])
    lines = account.logged(name, f"REPORT RequestId: {error['requestId']}")
    assert any(line.startswith(f"START RequestId: {error['requestId']}") for line in lines)
    assert any("No module named 'numpy'" in line for line in lines)
    assert any("Status: error\tError Type: Runtime.ImportModuleError" in line for line in lines)


def test_a_function_that_takes_too_long_is_ended(account: Functions) -> None:
    source = "import time\nprint('fresh')\ndef handler(event, context):\n    time.sleep(event)\n    return event\n"
    name = account.function(source, Timeout=1)
    assert account.call(name, 0) == 0
    began = time.monotonic()
    error = account.failure(name, 60)
    assert 0.9 < time.monotonic() - began < 30
    assert error["errorType"] == "Sandbox.Timedout"
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT[\d:.]+Z [0-9a-f-]{36} Task timed out after 1\.00 seconds", error["errorMessage"]
    )
    assert account.call(name, 0) == 0
    assert any("Task timed out after 1.00 seconds" in line for line in account.logged(name, "Status: timeout"))


def test_a_timeout_counts_from_the_invocation_not_from_the_start_of_its_worker(account: Functions) -> None:
    source = "import time\ntime.sleep(1.2)\ndef handler(event, context):\n    return 'in time'\n"
    assert account.call(account.function(source, Timeout=1)) == "in time"


# What a handler sees


def test_boto3_is_there_and_reaches_this_endpoint_as_the_role(account: Functions) -> None:
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


def test_the_environment_is_aws_and_the_functions_own_and_nothing_else(account: Functions) -> None:
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


def test_the_context_describes_the_invocation(account: Functions) -> None:
    source = (
        "def handler(event, context):\n"
        "    return [context.function_name, context.invoked_function_arn, context.memory_limit_in_mb,\n"
        "            context.get_remaining_time_in_millis(), context.client_context.custom['a']]\n"
    )
    name = account.function(source, Timeout=20)
    client_context = base64.b64encode(json.dumps({"custom": {"a": "b"}}).encode()).decode()
    seen = account.call(name, ClientContext=client_context)
    assert seen[:3] == [name, arn_of(name), "128"]
    assert 10_000 < seen[3] <= 20_000
    assert seen[4] == "b"


def test_the_package_is_laid_out_whole(account: Functions) -> None:
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


def test_a_warm_worker_is_used_again(account: Functions) -> None:
    name = account.function(COUNTING)
    answers = [account.call(name, 0) for _ in range(3)]
    assert [runs for _, runs in answers] == [1, 2, 3]
    assert len({process_id for process_id, _ in answers}) == 1


def test_concurrent_invocations_run_side_by_side(account: Functions) -> None:
    name = account.function(COUNTING)
    with ThreadPoolExecutor(4) as executor:
        answers = list(executor.map(lambda _: account.call(name, 0.4), range(4)))
    assert len({process_id for process_id, _ in answers}) == 4


def test_a_failure_does_not_end_the_worker_but_an_exit_does(account: Functions) -> None:
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


def test_the_log_reads_as_on_aws_and_soon(account: Functions) -> None:
    source = (
        "import logging\nlogging.getLogger().setLevel('INFO')\n"
        "def handler(event, context):\n    print('printed')\n    logging.info('two\\nlines')\n    print('é', end='')\n"
    )
    name = account.function(source)
    answer = account.lambda_.invoke(FunctionName=name, LogType="Tail")
    tail = base64.b64decode(answer["LogResult"]).decode()
    eventually(lambda: any(line.startswith("REPORT") for line in account.log_lines(name)))
    init, start, printed, record, unended, end, report = account.log_lines(name)
    request_id = start.split()[2]
    assert init.startswith("INIT_START Runtime Version: python:3.12")
    described = account.lambda_.get_function_configuration(FunctionName=name)
    assert init.endswith(f"Runtime Version ARN: {described['RuntimeVersionConfig']['RuntimeVersionArn']}\n")
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


def test_a_worker_started_ahead_leaves_no_log_before_it_is_used(account: Functions) -> None:
    name = account.function("print('at import')\n" + "def handler(event, context):\n    return 1\n")
    eventually(lambda: _workers_of(os.getpid()))
    assert account.log_lines(name) == []
    account.call(name)
    assert "at import\n" in account.logged(name, "REPORT")


def test_a_log_group_deleted_under_the_function_comes_back(account: Functions) -> None:
    name = account.function("def handler(event, context):\n    print(event)\n")
    account.call(name, "before")
    account.logged(name, "before")
    account.client("logs").delete_log_group(logGroupName=f"/aws/lambda/{name}")
    account.call(name, "after")
    account.logged(name, "after")


def test_a_function_that_gets_another_version_of_python_is_named(
    account: Functions, capsys: pytest.CaptureFixture[str]
) -> None:
    host = f"python3.{sys.version_info.minor}"
    same, other = account.function(Runtime=host), account.function(Runtime="python3.10")
    said = capsys.readouterr().err
    assert f"the function {other} asks for python3.10 and runs on this machine's Python {host[6:]}" in said
    assert same not in said


# What remains

SERVER = """
import sys
from geopipe_emulator.services.lambda_ import FunctionsService
from geopipe_emulator.emulator import EmulatorServer
from geopipe_emulator.settings import Settings
server = EmulatorServer(Settings(), services=[FunctionsService])
print(server.start(), flush=True)
sys.stdin.read()
server.stop()
"""

# Ignores signals, starts a child, a detached child and an orphan, and then never gives up the interpreter's lock.
HOLDING_ON = """
import os, re, signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def handler(event, context):
    children = [subprocess.Popen(["sleep", "600"], start_new_session=detached).pid for detached in (False, True)]
    orphan = subprocess.check_output(["sh", "-c", "setsid sleep 600 >/dev/null 2>&1 & echo $!"], text=True).strip()
    with open(event + ".part", "w") as file:
        file.write(f"{os.getpid()} {children[0]} {children[1]} {orphan}")
    os.rename(event + ".part", event)
    re.match("(a+)+$", "a" * 60 + "b")
"""


@pytest.mark.parametrize("kill", [True, False], ids=["killed", "stopped"])
def test_workers_and_their_children_end_with_the_emulator(kill: bool, role: str, tmp_path: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert server.stdin and server.stdout
    try:
        account = Functions(_RemoteEmulator(server.stdout.readline().strip()))  # type: ignore[arg-type]
        account.role = make_role(account.emulator, TRUST)
        name = account.function(HOLDING_ON, Timeout=60)
        marker = tmp_path / "marker"
        account.lambda_.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(str(marker)))
        eventually(marker.exists, what="the handler to run")
        running = [int(text) for text in marker.read_text().split()]
        assert len(running) == 4
        assert all(map(_alive, running))
        if kill:
            server.kill()
        else:
            server.stdin.close()
        server.wait(60)
        eventually(lambda: not any(map(_alive, running)), what="the end of every process of the function")
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


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="this system shows no environment of a process")
def test_a_function_finds_no_credentials_in_the_environment_of_the_emulator(tmp_path: Path) -> None:
    secrets = {"AWS_SECRET_ACCESS_KEY": "hidden-1", "AWS_SESSION_TOKEN": "hidden-2", "DB_PASSWORD": "hidden-3"}
    server = subprocess.Popen(
        [sys.executable, "-m", "geopipe_emulator", "--exit-with-stdin"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, **secrets, "VISIBLE": "shown-1", "TMPDIR": str(tmp_path)},
    )
    assert server.stdin and server.stdout
    source = (
        "import os\nfrom pathlib import Path\n"
        "def handler(event, context):\n"
        "    pid, seen = os.getpid(), {}\n"
        "    while pid != event:\n"
        "        seen[pid] = Path(f'/proc/{pid}/environ').read_text()\n"
        "        pid = int(Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[1])\n"
        "    return list(seen.values()) + [Path(f'/proc/{pid}/environ').read_text()]\n"
    )
    try:
        account = Functions(_RemoteEmulator(server.stdout.readline().strip()))  # type: ignore[arg-type]
        account.role = make_role(account.emulator, TRUST)
        environments = account.call(account.function(source), server.pid)
    finally:
        server.stdin.close()
        server.wait(60)
    assert len(environments) == 3
    assert "shown-1" in environments[-1]
    assert [text for text in environments if "hidden-" in text] == []


class _RemoteEmulator:
    """An emulator in another process, with as much of `Emulator` as an `Functions` needs."""

    def __init__(self, url: str) -> None:
        from geopipe_emulator.clients import client_factory

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


def test_a_workspace_goes_after_the_code_that_is_being_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "_FILLED_WITHIN", 90)
    workspace, is_filling, may_end = Workspace(tmp_path), threading.Event(), threading.Event()
    workspace.open()

    def fill() -> None:
        with workspace.filling():
            folder = workspace.new_folder("task-f")
            is_filling.set()
            assert may_end.wait(90)
            (folder / "handler.py").write_text("")

    filler, closer = threading.Thread(target=fill), threading.Thread(target=workspace.close)
    filler.start()
    assert is_filling.wait(90)
    closer.start()
    eventually(lambda: workspace._is_closed)
    may_end.set()
    filler.join()
    closer.join()
    assert list(tmp_path.iterdir()) == []
    for begin in (lambda: workspace.new_folder("scratch"), lambda: workspace.filling().__enter__()):
        with pytest.raises(OSError, match="the emulator ends"):
            begin()


def test_what_a_handler_leaves_running_ends_with_its_environment(
    account: Functions, request: pytest.FixtureRequest
) -> None:
    name = account.function(HOLDING_ON, Timeout=3)
    # The function may have a /tmp of its own.
    folder = Path(tempfile.mkdtemp(dir="/var/tmp"))
    request.addfinalizer(lambda: shutil.rmtree(folder))
    marker = folder / "marker"
    assert account.failure(name, str(marker))["errorType"] == "Sandbox.Timedout"
    running = [int(text) for text in marker.read_text().split()]
    assert len(running) == 4
    eventually(lambda: not any(map(_alive, running)), what="the end of every process of the function")


def test_a_handler_that_kills_its_supervisor_ends(account: Functions) -> None:
    source = "import os, signal, time\ndef handler(event, context):\n    os.kill(os.getppid(), 9)\n    time.sleep(60)\n"
    name = account.function(source, Timeout=60)
    assert "signal: killed" in account.failure(name)["errorMessage"]


# Memory

needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux says what a process uses")


@needs_proc
@pytest.mark.parametrize(
    "use",
    [
        "data = bytearray(400_000_000); time.sleep(60)",
        "data = [b'x' * 1000 + bytes([n % 7]) for n in range(400_000)]; time.sleep(60)",
        "subprocess.run([sys.executable, '-c', 'import time; data = bytearray(400_000_000); time.sleep(60)'])",
    ],
)
def test_a_function_that_needs_more_memory_than_it_has_is_killed(account: Functions, use: str) -> None:
    source = f"import subprocess, sys, time\ndef handler(event, context):\n    if event == 'use':\n        {use}\n"
    name = account.function(source, MemorySize=128, Timeout=60)
    error = account.failure(name, "use")
    assert error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
    assert account.call(name, "nothing") is None


@needs_proc
def test_memory_that_processes_share_counts_once(account: Functions) -> None:
    source = (
        "import os, time\ndata = b'x' * 100_000_000\n"
        "def handler(event, context):\n"
        "    children = []\n"
        "    for _ in range(4):\n"
        "        child = os.fork()\n"
        "        if child == 0:\n"
        "            time.sleep(1)\n"
        "            os._exit(0)\n"
        "        children.append(child)\n"
        "    return [os.waitpid(child, 0)[1] for child in children]\n"
    )
    assert account.call(account.function(source, MemorySize=256, Timeout=60)) == [0] * 4


def test_a_process_that_has_ended_uses_no_memory() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    assert not memory.exceeds(process.pid, 0)
    assert memory.descendants(process.pid) == []


def test_a_deleted_function_has_no_processes_and_no_files_left(account: Functions) -> None:
    source = "import os\ndef handler(e, c):\n    return [os.getpid(), os.getcwd(), os.environ['AWS_CONFIG_FILE']]\n"
    name = account.function(source)
    process_id, task, file_in_scratch = account.call(name)
    folders = [task, Path(file_in_scratch).parent]
    assert all(Path(folder).is_dir() for folder in folders)
    account.lambda_.delete_function(FunctionName=name)
    eventually(lambda: not _alive(process_id) and not any(Path(folder).exists() for folder in folders))


def _alive(process_id: int) -> bool:
    """Whether it runs: a dead one that its parent has not waited for does not. It may end at any moment."""
    try:
        os.kill(process_id, 0)
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        # Either it has ended since, or this system has no /proc.
        return not Path("/proc/self/stat").exists()


def _workers_of(process_id: int) -> list[int]:
    children = Path(f"/proc/{process_id}/task").glob("*/children")
    return [int(child) for listed in children for child in listed.read_text().split()]


def test_a_package_that_cannot_be_unpacked_runs_nothing(account: Functions) -> None:
    """As with a full disk: the first files are there, the next one is not."""
    code = {"ZipFile": zipped(app="def handler(event, context):\n    return 1\n", **{"n" * 300: ""})}
    name = account.function(Code=code)
    for _ in range(2):
        status, error, message = refused(account.call, name=name)
        assert (status, error) == (500, "ServiceException")
        assert "cannot be unpacked: File name too long" in message
