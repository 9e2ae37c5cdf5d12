"""Functions that bring their own bootstrap, and what functions see of the file system."""

from __future__ import annotations

import io
import sys
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from geopipe_emulator.services.lambda_ import sandbox
from geopipe_emulator.services.lambda_.sandbox import Workspace, find_mounts
from tests.support.emulator_endpoint import Emulator
from tests.support.functions import TRUST, Functions, make_role

# A runtime in the style of AWS's tutorial, on the interpreter of the tests instead of curl.
BOOTSTRAP = f"""#!{sys.executable}
import json, os, sys, urllib.request
root = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(root + "next") as response:
        request_id = response.headers["Lambda-Runtime-Aws-Request-Id"]
        event = json.load(response)
    if event == "exit":
        sys.exit(4)
    answer = json.dumps([event, os.environ["_HANDLER"], os.environ["AWS_EXECUTION_ENV"]]).encode()
    urllib.request.urlopen(root + request_id + "/response", data=answer).close()
"""
# Tries to write to its own code and to layers, and looks at /tmp and /opt.
SEES = """
import os, tempfile
def handler(event, context):
    if event == "fill":
        with open("/tmp/large", "wb") as file:
            for _ in range(600):
                file.write(bytes(1_000_000))
    def written(path):
        try:
            open(path, "w").write("x")
        except OSError as error:
            return error.strerror
        return "written"
    task = os.environ["LAMBDA_TASK_ROOT"]
    before = sorted(os.listdir("/tmp"))
    return {
        "task": written(task + "/new.txt"), "cwd": written("new.txt"), "module": written(__file__),
        "tmp before": before, "tmp": written("/tmp/new.txt"), "temporary": tempfile.gettempdir(),
        "opt": sorted(os.listdir("/opt")), "opt file": written("/opt/new.txt"),
    }
"""


@pytest.fixture
def account(emulator: Emulator) -> Iterator[Functions]:
    account = Functions(emulator, make_role(emulator, TRUST))
    yield account
    account.clear()


@pytest.fixture(scope="module")
def has_mounts() -> bool:
    workspace = Workspace()
    workspace.open()
    try:
        mounts = find_mounts(workspace)
    finally:
        workspace.close()
    if mounts is None or not (mounts.opt and mounts.tmp):
        pytest.skip("this system allows no mount namespaces, or Python lies in /opt or /tmp")
    return True


def zip_of(name: str, text: str, mode: int = 0o755) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        entry = zipfile.ZipInfo(name)
        entry.external_attr = mode << 16
        archive.writestr(entry, text)
    return buffer.getvalue()


def custom(account: Functions, package: bytes, **settings: Any) -> str:
    code = {"ZipFile": package}
    return account.function(**{"Runtime": "provided.al2023", "Handler": "any.name", "Code": code, **settings})


def test_a_bootstrap_of_the_function_or_of_a_layer_runs(account: Functions) -> None:
    expected = [{"a": 1}, "any.name", "AWS_Lambda_provided.al2023"]
    name = custom(account, zip_of("bootstrap", BOOTSTRAP), Timeout=30)
    assert account.call(name, {"a": 1}) == account.call(name, {"a": 1}) == expected
    assert account.failure(name, "exit")["errorMessage"].endswith("Runtime exited with error: exit status 4")
    content = {"ZipFile": zip_of("bootstrap", BOOTSTRAP)}
    layer = account.lambda_.publish_layer_version(LayerName=f"l-{uuid.uuid4().hex[:8]}", Content=content)
    name = custom(account, zip_of("data.txt", ""), Layers=[layer["LayerVersionArn"]], Timeout=30)
    assert account.call(name, {"a": 1}) == expected


def test_a_bootstrap_that_cannot_run_fails_as_on_aws(account: Functions) -> None:
    cases = {
        "find valid bootstrap": zip_of("other", BOOTSTRAP),
        "permission denied": zip_of("bootstrap", BOOTSTRAP, mode=0o644),
        "exec format error": zip_of("bootstrap", "\x7fELF of another machine"),
    }
    wrong = {}
    for part, package in cases.items():
        error = account.failure(custom(account, package))
        if error["errorType"] != "Runtime.InvalidEntrypoint" or part not in error["errorMessage"]:
            wrong[part] = error
    assert not wrong


def test_a_function_sees_read_only_code_its_layers_and_a_tmp_of_its_own(account: Functions, has_mounts: bool) -> None:
    content = {"ZipFile": zip_of("data.txt", "x")}
    layer = account.lambda_.publish_layer_version(LayerName=f"l-{uuid.uuid4().hex[:8]}", Content=content)
    name = account.function(SEES, Layers=[layer["LayerVersionArn"]], Timeout=30)
    refusal = "Read-only file system"
    assert account.call(name) == {
        "task": refusal,
        "cwd": refusal,
        "module": refusal,
        "tmp before": [],
        "tmp": "written",
        "temporary": "/tmp",
        "opt": ["data.txt"],
        "opt file": refusal,
    }
    assert account.call(name)["tmp before"] == ["new.txt"]
    error = account.failure(name, "fill")
    assert (error["errorType"], "No space left" in error["errorMessage"]) == ("OSError", True)
    account.lambda_.update_function_configuration(FunctionName=name, EphemeralStorage={"Size": 1024})
    assert account.call(name, "fill")["tmp before"] == ["large"]


def test_without_mounts_code_keeps_no_permission_to_write(account: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "can_mount", lambda: False)
    source = "import os\ndef handler(e, c):\n    return [oct(os.stat(p).st_mode & 0o222) for p in (__file__, '.')]\n"
    name = account.function(source)
    assert account.call(name) == ["0o0", "0o0"]
    folder = account.call(account.function("import os\ndef handler(e, c):\n    return os.environ['TMPDIR']\n"))
    assert Path(folder).name.startswith("scratch-")
