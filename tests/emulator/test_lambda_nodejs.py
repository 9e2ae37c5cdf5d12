"""Node.js handlers: how they are found, all ways to return, what goes wrong, and what the log shows."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.emulator_endpoint import Emulator
from tests.support.functions import TRUST, Functions, make_role

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs the program node (Debian: nodejs)")
pytestmark = needs_node

PACKAGE = '{"type": "module"}'
# Handler, files by path, and what it returns for the event {"n": 1}.
RETURNS: dict[str, tuple[str, dict[str, str], Any]] = {
    "CommonJS, async": ("app.handler", {"app.js": "exports.handler = async (e) => e.n + 1;"}, 2),
    "ES module by suffix": ("app.handler", {"app.mjs": "export const handler = async (e) => ({ n: e.n });"}, {"n": 1}),
    "ES module by package.json": (
        "app.handler",
        {"app.js": "export const handler = async () => import.meta.url.slice(0, 4);", "package.json": PACKAGE},
        "file",
    ),
    "CommonJS in a package of ES modules": (
        "old.handler",
        {"old.cjs": "module.exports.handler = async () => typeof require;", "package.json": PACKAGE},
        "function",
    ),
    "default export": ("app.handler", {"app.mjs": "export default { handler: async () => 'default' };"}, "default"),
    "nested export in a folder": ("src/app.a.b", {"src/app.js": "exports.a = { b: async () => 'deep' };"}, "deep"),
    "folder with an index": ("app.handler", {"app/index.js": "exports.handler = async () => 'index';"}, "index"),
    "callback": ("app.handler", {"app.js": "exports.handler = (e, c, done) => setTimeout(done, 5, null, e.n);"}, 1),
    "callback that does not wait": (
        "app.handler",
        {
            "app.js": "exports.handler = (e, c, done) => { c.callbackWaitsForEmptyEventLoop = false;"
            " setInterval(() => {}, 1000); done(null, 'soon'); };"
        },
        "soon",
    ),
    "context.succeed": ("app.handler", {"app.js": "exports.handler = (e, c) => { c.succeed('old'); };"}, "old"),
    "nothing": ("app.handler", {"app.js": "exports.handler = async () => {};"}, None),
    "no callback": ("app.handler", {"app.js": "exports.handler = () => 5;"}, None),
    "a package in the zip": (
        "app.handler",
        {
            "app.mjs": "import a from 'pack'; export const handler = async () => a;",
            "node_modules/pack/index.js": "module.exports = 'packed';",
        },
        "packed",
    ),
    "a stream": (
        "app.handler",
        {
            "app.js": "exports.handler = awslambda.streamifyResponse(async (e, out) => {"
            " out.write('[1,'); out.write('2]'); out.end(); });"
        },
        [1, 2],
    ),
    "the context": (
        "app.handler",
        {
            "app.js": "exports.handler = async (e, c) => [c.memoryLimitInMB, c.functionVersion,"
            " c.getRemainingTimeInMillis() > 1000, c.awsRequestId.length, process.env.AWS_EXECUTION_ENV];"
        },
        ["128", "$LATEST", True, 36, "AWS_Lambda_nodejs20.x"],
    ),
}
# Handler, files, and the type and a part of the message of the error.
FAILS: dict[str, tuple[str, dict[str, str], str, str]] = {
    "throws": (
        "app.handler",
        {"app.js": "exports.handler = async () => { throw new TypeError('no'); };"},
        "TypeError",
        "no",
    ),
    "callback with an error": (
        "app.handler",
        {"app.js": "exports.handler = (e, c, d) => d(new Error('x'));"},
        "Error",
        "x",
    ),
    "throws no error": (
        "app.handler",
        {"app.js": "exports.handler = async () => { throw 'text'; };"},
        "string",
        "text",
    ),
    "no such file": ("gone.handler", {"app.js": ""}, "Runtime.ImportModuleError", "Cannot find module 'gone'"),
    "no such export": ("app.other", {"app.js": "exports.handler = 1;"}, "Runtime.HandlerNotFound", "app.other"),
    "no function": ("app.handler", {"app.js": "exports.handler = 1;"}, "Runtime.HandlerNotFound", "not a function"),
    "bad name": ("app", {"app.js": ""}, "Runtime.MalformedHandlerName", "Bad handler"),
    "outside": ("../app.handler", {"app.js": ""}, "Runtime.MalformedHandlerName", "../app.handler"),
    "bad syntax": ("app.handler", {"app.js": "exports.handler = ;"}, "Runtime.UserCodeSyntaxError", "Unexpected token"),
    "AWS SDK": (
        "app.handler",
        {"app.js": "require('@aws-sdk/client-s3'); exports.handler = 1;"},
        "Runtime.ImportModuleError",
        "put the package into the function's zip",
    ),
    "AWS SDK, ES module": (
        "app.handler",
        {"app.mjs": "import '@aws-sdk/client-s3'; export const handler = 1;"},
        "Runtime.ImportModuleError",
        "@aws-sdk/client-s3",
    ),
    "throws while it loads": ("app.handler", {"app.js": "throw new RangeError('early');"}, "RangeError", "early"),
    "unhandled rejection": (
        "app.handler",
        {"app.js": "exports.handler = (e, c, d) => { Promise.reject(new Error('lost')); setTimeout(d, 5000); };"},
        "Runtime.UnhandledPromiseRejection",
        "Error: lost",
    ),
    "exit": (
        "app.handler",
        {"app.js": "exports.handler = async () => process.exit(3);"},
        "Runtime.ExitError",
        "status 3",
    ),
}


@pytest.fixture(scope="module")
def account(emulator: Emulator) -> Iterator[Functions]:
    account = Functions(emulator, make_role(emulator, TRUST))
    yield account
    account.clear()


def zip_of(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def node(account: Functions, handler: str, files: dict[str, str], **settings: Any) -> str:
    code = {"ZipFile": zip_of(files)}
    return account.function(**{"Runtime": "nodejs20.x", "Handler": handler, "Code": code, "Timeout": 30, **settings})


@pytest.mark.slow
def test_what_handlers_return(account: Functions) -> None:
    names = {case: node(account, handler, files) for case, (handler, files, _) in RETURNS.items()}
    actual = {case: account.call(name, {"n": 1}) for case, name in names.items()}
    assert actual == {case: expected for case, (_, _, expected) in RETURNS.items()}
    again = {case: account.call(names[case], {"n": 1}) for case in ("callback", "CommonJS, async", "no callback")}
    assert again == {case: RETURNS[case][2] for case in again}


@pytest.mark.slow
def test_what_goes_wrong(account: Functions) -> None:
    wrong = {}
    for case, (handler, files, error_type, part) in FAILS.items():
        error = account.failure(node(account, handler, files))
        if error["errorType"] != error_type or part not in error["errorMessage"]:
            wrong[case] = error
    assert not wrong


def test_an_environment_serves_many_invocations_and_keeps_what_it_has_loaded(account: Functions) -> None:
    name = node(account, "app.handler", {"app.js": "let n = 0; exports.handler = async () => [process.pid, ++n];"})
    (first, one), (second, two) = account.call(name), account.call(name)
    assert (first, one, two) == (second, 1, 2)


def test_the_log_has_one_event_for_each_record(account: Functions) -> None:
    source = "exports.handler = async (e) => { console.log('a\\nb', { e }); console.error('bad'); };"
    name = node(account, "app.handler", {"app.js": source})
    answer = account.lambda_.invoke(FunctionName=name, Payload=b"1", LogType="Tail")
    tail = base64.b64decode(answer["LogResult"]).decode()
    request_id = tail.split()[2]
    assert f"\t{request_id}\tINFO\ta\nb {{ e: 1 }}\n" in tail
    assert f"\t{request_id}\tERROR\tbad\n" in tail
    lines = account.logged(name, "bad")
    assert any("a\nb" in line for line in lines)
    version = subprocess.check_output(["node", "--version"], text=True).strip()
    assert any(f"nodejs:20 (emulated on Node.js {version}" in line for line in lines)
    structured = node(account, "app.handler", {"app.js": source}, LoggingConfig={"LogFormat": "JSON"})
    account.call(structured, 1)
    [line] = [line for line in account.logged(structured, "bad") if "bad" in line]
    assert json.loads(line)["level"] == "ERROR"


def test_modules_of_layers_are_found(account: Functions) -> None:
    files = {"nodejs/node_modules/shared/index.js": "module.exports = 'shared';"}
    layer = account.lambda_.publish_layer_version(LayerName="node-modules", Content={"ZipFile": zip_of(files)})
    source = {"app.js": "exports.handler = async () => require('shared');"}
    assert account.call(node(account, "app.handler", source, Layers=[layer["LayerVersionArn"]])) == "shared"


def test_a_handler_that_takes_too_much_memory_or_time_is_ended(account: Functions) -> None:
    source = "exports.handler = async (e) => { if (e === 'use') { const a = Buffer.alloc(6e8, 1); return a.length; }"
    name = node(account, "app.handler", {"app.js": f"{source} if (e === 'wait') for (;;); }};"}, Timeout=5)
    assert "signal: killed" in account.failure(name, "use")["errorMessage"]
    assert account.failure(name, "wait")["errorType"] == "Sandbox.Timedout"
    assert account.call(name, "nothing") is None
