"""The function's code compares file by file, since the same files can be compressed in different ways."""

from __future__ import annotations

import base64
import io
import zipfile
from pathlib import Path
from typing import Any, cast

import pytest

from geopipe_runner.aws import artifact
from geopipe_runner.aws.clients import Aws
from geopipe_runner.kinds.lambda_function import FunctionSpec, LambdaFunction


class FunctionWithCode:
    """Stands for Aws and for its Lambda client: one function, whose zip is in the response."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def client(self, service: str) -> Any:
        return self

    def get_function(self, *, FunctionName: str) -> dict[str, Any]:  # noqa: N803
        configuration = {
            "FunctionArn": "arn:aws:lambda:us-west-2:123456789012:function:f",
            "CodeSha256": artifact.code_sha256(self._content),
            "Role": "role",
            "Timeout": 3,
            "MemorySize": 128,
            "State": "Active",
            "LastUpdateStatus": "Successful",
        }
        location = f"data:application/zip;base64,{base64.b64encode(self._content).decode()}"
        return {"Configuration": configuration, "Code": {"Location": location}}


def recompressed(content: bytes, replaced: str = "") -> bytes:
    """The same files without compression; `replaced` gets other content."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(buffer, "w") as target:
        for entry in source.infolist():
            data = b"other" if entry.filename == replaced else source.read(entry)
            entry.compress_type = zipfile.ZIP_STORED
            target.writestr(entry, data)
    return buffer.getvalue()


@pytest.mark.parametrize(("replaced", "is_same"), [("", True), ("b.py", False)])
def test_only_other_files_are_a_change(tmp_path: Path, replaced: str, is_same: bool) -> None:
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(f"# {name}\n" * 100)
    package = artifact.build(tmp_path)
    spec = FunctionSpec("f", "role", "a.h", "python3.12", 3, 128, {}, package, {})
    content = recompressed(package.content, replaced)
    assert content != package.content
    observed = LambdaFunction().observe(cast(Aws, FunctionWithCode(content)), spec)
    assert observed is not None
    assert (observed.attributes["code"] == LambdaFunction().desired(spec)["code"]) is is_same
