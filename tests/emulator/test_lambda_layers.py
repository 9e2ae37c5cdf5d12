"""Layers: what functions find in them, how versions are counted and listed, and what AWS refuses."""

from __future__ import annotations

import io
import uuid
import zipfile
from collections.abc import Iterator

import pytest
import urllib3

from geopipe_emulator.services.lambda_ import packages
from tests.support.emulator_endpoint import Emulator
from tests.support.functions import ACCOUNT_ID, REGION, TRUST, Functions, make_role, refused, zipped

USES_LAYERS = """
import os, subprocess, first, second
def handler(event, context):
    return [first.WORD, second.WORD, subprocess.check_output(["say-it"], text=True), os.environ["PYTHONPATH"]]
"""


@pytest.fixture
def account(emulator: Emulator) -> Iterator[Functions]:
    account = Functions(emulator, make_role(emulator, TRUST))
    yield account
    account.clear()


def layer_zip(**files: str) -> bytes:
    """A zip of files by path, with __ for /. All are executable."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name.replace("__", "/"))
            entry.external_attr = 0o755 << 16
            archive.writestr(entry, text)
    return buffer.getvalue()


def publish(account: Functions, content: bytes, name: str = "", **settings: object) -> str:
    name = name or f"l-{uuid.uuid4().hex[:8]}"
    layer = account.lambda_.publish_layer_version(LayerName=name, Content={"ZipFile": content}, **settings)
    return str(layer["LayerVersionArn"])


def test_a_function_finds_modules_and_programs_of_its_layers(account: Functions) -> None:
    lower = publish(
        account,
        layer_zip(
            **{"python__first.py": "WORD = 'lower'", "bin__say-it": "#!/bin/sh\nprintf said"},
            **{"python__lib__python3.12__site-packages__second.py": "WORD = 'second'"},
        ),
    )
    upper = publish(account, layer_zip(**{"python__first.py": "WORD = 'upper'"}))
    variables = {"Variables": {"PYTHONPATH": "/of/the/function"}}
    name = account.function(USES_LAYERS, Layers=[lower, upper], Environment=variables)
    *words, path = account.call(name)
    assert words == ["upper", "second", "said"]
    assert path.startswith("/of/the/function:")
    shown = account.lambda_.get_function_configuration(FunctionName=name)
    assert [layer["Arn"] for layer in shown["Layers"]] == [lower, upper]
    account.lambda_.delete_layer_version(LayerName=lower.split(":")[6], VersionNumber=1)
    account.lambda_.update_function_configuration(FunctionName=name, Layers=[upper])
    assert account.failure(name)["errorType"] == "Runtime.ImportModuleError"
    account.lambda_.update_function_configuration(FunctionName=name, Layers=[])
    assert "Layers" not in account.lambda_.get_function_configuration(FunctionName=name)


def test_layers_are_counted_and_listed(account: Functions) -> None:
    lambda_, name = account.lambda_, f"l-{uuid.uuid4().hex[:8]}"
    first = publish(account, zipped(a=""), name, Description="old", CompatibleRuntimes=["python3.11"])
    second = publish(account, zipped(a="1"), name, CompatibleRuntimes=["python3.12"], LicenseInfo="MIT")
    assert first == f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:layer:{name}:1"
    got = lambda_.get_layer_version_by_arn(Arn=second)
    assert (got["Version"], got["LicenseInfo"], got["LayerArn"]) == (2, "MIT", second[:-2])
    assert urllib3.request("GET", got["Content"]["Location"]).data == zipped(a="1")
    listed = lambda_.list_layer_versions(LayerName=name)["LayerVersions"]
    assert [layer["Version"] for layer in listed] == [2, 1]
    pages = lambda_.get_paginator("list_layers").paginate(
        CompatibleRuntime="python3.11", PaginationConfig={"PageSize": 1}
    )
    layers = {layer["LayerName"]: layer["LatestMatchingVersion"]["Version"] for p in pages for layer in p["Layers"]}
    assert layers[name] == 1
    lambda_.delete_layer_version(LayerName=name, VersionNumber=2)
    assert refused(lambda_.get_layer_version, LayerName=name, VersionNumber=2)[:2] == (404, "ResourceNotFoundException")
    assert publish(account, zipped(a=""), name).endswith(":3")


def test_what_aws_refuses(account: Functions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "UNZIPPED_LIMIT", 1000)
    name = f"l-{uuid.uuid4().hex[:8]}"
    versions = [publish(account, zipped(a=str(number)), name) for number in range(2)]
    others = [publish(account, zipped(a="")) for _ in range(6)]
    large = publish(account, layer_zip(zeros="0" * 990))
    cases = {
        "does not exist": [f"{versions[0][:-1]}9"],
        "same layer": versions,
        "more than 5": others,
        "another account": [versions[0].replace(ACCOUNT_ID, "210987654321")],
        "exceeds the maximum": [large],
    }
    wrong = {
        text: message
        for text, layers in cases.items()
        if text not in (message := refused(account.function, Layers=layers)[2])
    }
    assert not wrong
