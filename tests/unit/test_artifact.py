"""The zip: the same files give the same bytes, whatever happened to them otherwise."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import zipfile
from pathlib import Path

import pytest
from runner_fakes import ROOT

from geopipe_runner.aws import artifact
from geopipe_runner.errors import AwsError

FILES = {"handler.py": "import steps\n", "steps.py": "x = 1\n", "deep/er/data.txt": "ä\n", "empty.py": ""}


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "source", FILES)


def test_the_same_bytes_twice(source: Path) -> None:
    assert artifact.build(source) == artifact.build(source)


def test_neither_order_nor_times_nor_modes_matter(source: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other", dict(reversed(FILES.items())))
    for number, path in enumerate(sorted(other.rglob("*"))):
        os.utime(path, (number * 1e8, number * 1e8))
        if path.is_file():
            path.chmod(0o755 if number % 2 else 0o600)
    assert artifact.build(other).content == artifact.build(source).content


@pytest.mark.parametrize(
    "name",
    ["__pycache__/handler.cpython-311.pyc", "deep/__pycache__/x.pyc", ".git/config", ".DS_Store", ".mypy_cache/x"],
)
def test_what_is_no_code_is_left_out(source: Path, name: str) -> None:
    before = artifact.build(source)
    write(source, {name: "junk"})
    assert artifact.build(source) == before


@pytest.mark.parametrize("change", [{"steps.py": "x = 2\n"}, {"new.py": ""}, {"deep/er/other.txt": "ä\n"}])
def test_other_content_or_names_are_another_zip(source: Path, change: dict[str, str]) -> None:
    before = artifact.build(source)
    write(source, change)
    assert artifact.build(source).sha256 != before.sha256


def test_what_is_in_it(source: Path) -> None:
    package = artifact.build(source)
    with zipfile.ZipFile(io.BytesIO(package.content)) as archive:
        assert archive.namelist() == sorted(FILES)
        assert {name: archive.read(name).decode() for name in FILES} == FILES
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o100644}
    assert package.files == {name: hashlib.sha256(text.encode()).hexdigest() for name, text in FILES.items()}


def test_nothing_is_compressed(source: Path) -> None:
    """What a compressor writes depends on its version."""
    with zipfile.ZipFile(io.BytesIO(artifact.build(source).content)) as archive:
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}


def test_the_bytes_are_these_on_every_machine(tmp_path: Path) -> None:
    package = artifact.build(write(tmp_path, {"handler.py": "def lambda_handler(event, context):\n    return {}\n"}))
    assert package.sha256 == "tHOIVeDGsYeKFQGRsCrghoMfXhSj1wpY6iAg+r7Nu8U="


def test_the_hash_is_the_one_lambda_gives(source: Path) -> None:
    package = artifact.build(source)
    assert package.sha256 == base64.b64encode(hashlib.sha256(package.content).digest()).decode()


def test_too_large_for_a_direct_upload(tmp_path: Path) -> None:
    (tmp_path / "noise.bin").write_bytes(os.urandom(artifact.DIRECT_UPLOAD_LIMIT + 1))
    with pytest.raises(AwsError, match="bytes; Lambda takes at most") as caught:
        artifact.build(tmp_path)
    assert "boto3 is there already" in caught.value.hint


def test_our_own_function_is_small_and_has_its_handler_at_the_root() -> None:
    package = artifact.build(ROOT / "lambda")
    assert "handler.py" in package.files
    assert len(package.content) < 100_000
