"""The function's zip: the same files always give the same bytes."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import zipfile
from pathlib import Path

import pytest

from geopipe_runner.aws import artifact
from geopipe_runner.errors import AwsError
from tests.support.paths import ROOT

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


def test_neither_order_nor_times_nor_permissions_of_others_matter(source: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other", dict(reversed(FILES.items())))
    for number, path in enumerate(sorted(other.rglob("*"))):
        os.utime(path, (number * 1e8, number * 1e8))
        if path.is_file():
            path.chmod(0o664 if number % 2 else 0o600)
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
        assert {entry.create_system for entry in archive.infolist()} == {3}
    assert package.files == {name: hashlib.sha256(text.encode()).hexdigest() for name, text in FILES.items()}


def test_files_are_compressed(tmp_path: Path) -> None:
    package = artifact.build(write(tmp_path, {"data.txt": "compressible " * 10_000}))
    assert len(package.content) < 2_000
    with zipfile.ZipFile(io.BytesIO(package.content)) as archive:
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_DEFLATED}


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2])
def test_the_same_files_compressed_otherwise_have_the_same_fingerprints(source: Path, compression: int) -> None:
    (source / "deep" / "tool").write_text("#!/bin/sh\n")
    (source / "deep" / "tool").chmod(0o755)
    package = artifact.build(source)
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(package.content)) as ours, zipfile.ZipFile(buffer, "w", compression) as other:
        other.mkdir("deep")
        for entry in reversed(ours.infolist()):
            data = ours.read(entry)
            entry.compress_type = compression
            other.writestr(entry, data)
    assert artifact.file_hashes(package.content) == package.files
    assert artifact.file_hashes(buffer.getvalue()) == package.files


def test_the_executable_bit_is_kept_and_makes_a_difference(source: Path) -> None:
    before = artifact.build(source)
    tool = source / "deep" / "er" / "data.txt"
    tool.chmod(0o755)
    after = artifact.build(source)
    with zipfile.ZipFile(io.BytesIO(after.content)) as archive:
        modes = {entry.filename: entry.external_attr >> 16 for entry in archive.infolist()}
    assert modes.pop("deep/er/data.txt") == 0o100755
    assert set(modes.values()) == {0o100644}
    assert after.sha256 != before.sha256
    assert {name for name in before.files if before.files[name] != after.files[name]} == {"deep/er/data.txt"}


def test_a_name_that_is_not_utf8_is_refused(source: Path) -> None:
    (source / os.fsdecode(b"caf\xe9.txt")).write_text("x")
    with pytest.raises(AwsError, match=r'/source: the name of "caf.*\.txt" is not UTF-8\.') as caught:
        artifact.build(source)
    assert caught.value.hint == "Rename the file."
    str(caught.value).encode()


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("/etc/passwd", '"thing" is a link out of its folder, to "/etc/passwd"'),
        ("../other.txt", '"thing" is a link out of its folder'),
        ("..", '"thing" is a link out of its folder'),
        ("nothing", '"thing" is a link to nothing'),
        (".", '"thing" is a link to a folder that it is in'),
    ],
)
def test_links_that_cannot_be_packed_are_refused(source: Path, target: str, problem: str) -> None:
    (source.parent / "other.txt").write_text("outside")
    (source / "thing").symlink_to(target)
    with pytest.raises(AwsError) as caught:
        artifact.build(source)
    assert problem in str(caught.value)


def test_links_inside_of_the_folder_are_packed_as_files(source: Path) -> None:
    (source / "link.py").symlink_to("steps.py")
    (source / "folder").symlink_to("deep")
    files = artifact.build(source).files
    assert files["link.py"] == files["steps.py"]
    assert files["folder/er/data.txt"] == files["deep/er/data.txt"]


def test_links_out_of_the_folder_are_packed_on_request(source: Path) -> None:
    (source.parent / "other.txt").write_text("outside")
    (source / "thing.txt").symlink_to("../other.txt")
    files = artifact.build(source, follow_links=True).files
    assert files["thing.txt"] == hashlib.sha256(b"outside").hexdigest()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_cannot_be_read_is_named(source: Path) -> None:
    (source / "steps.py").chmod(0)
    with pytest.raises(AwsError, match=r"/steps\.py cannot be packed into the function's zip: Permission denied"):
        artifact.build(source)


def test_a_file_that_vanishes_is_named(source: Path, tmp_path: Path) -> None:
    with pytest.raises(AwsError, match=r"/gone\.py cannot be packed into the function's zip: No such file"):
        artifact.read_file(tmp_path / "gone.py")


@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_what_is_no_file_is_not_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "thing"
    if kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(AwsError, match="/thing is not a file"):
        artifact.read_file(path)


def test_a_folder_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    for name, size in (("model.bin", 3 * 2**30), ("small.py", 10)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)
    with pytest.raises(AwsError, match=r"files have 3,221,225,482 bytes; Lambda takes at most 262,144,000") as caught:
        artifact.build(tmp_path)
    assert "The largest: model.bin (3,221,225,472), small.py (10)." in caught.value.hint


def test_the_ten_largest_folders_are_named(tmp_path: Path) -> None:
    for number in range(12):
        folder = tmp_path / f"package{number:02}" / "deep"
        folder.mkdir(parents=True)
        for name in ("a.so", "b.so"):
            with (folder / name).open("wb") as file:
                file.truncate((number + 1) * 2**22)
    with pytest.raises(AwsError) as caught:
        artifact.build(tmp_path)
    named = re.findall(r"package(\d\d)/ \(([\d,]+)\)", caught.value.hint)
    assert named == [(f"{number:02}", f"{(number + 1) * 2**23:,}") for number in range(11, 1, -1)]


def test_the_hash_is_the_one_lambda_gives(source: Path) -> None:
    package = artifact.build(source)
    assert package.sha256 == base64.b64encode(hashlib.sha256(package.content).digest()).decode()


@pytest.mark.slow
def test_a_zip_that_lambda_takes_from_s3_only_is_large(tmp_path: Path) -> None:
    assert not artifact.build(write(tmp_path / "small", FILES)).is_large
    (tmp_path / "noise.bin").write_bytes(os.urandom(artifact.DIRECT_UPLOAD_LIMIT + 1))
    assert artifact.build(tmp_path).is_large


def test_installed_packages_lie_at_the_top(source: Path, tmp_path: Path) -> None:
    installed = write(tmp_path / "installed", {"numbers/__init__.py": "ONE = 1\n", "six.py": "SIX = 6\n"})
    package = artifact.build(source, installed=installed)
    assert set(package.files) == {*FILES, "numbers/__init__.py", "six.py"}
    assert package.installed == {"numbers/__init__.py", "six.py"}


def test_a_module_of_the_source_with_the_name_of_an_installed_one_is_refused(source: Path, tmp_path: Path) -> None:
    installed = write(tmp_path / "installed", {"steps.py": "SIX = 6\n"})
    with pytest.raises(AwsError, match=r"would have steps\.py twice: .*/installed/steps\.py"):
        artifact.build(source, installed=installed)


def test_our_own_function_is_small_and_has_its_handler_at_the_root() -> None:
    package = artifact.build(ROOT / "lambda")
    assert "handler.py" in package.files
    assert len(package.content) < 100_000


def test_folders_and_files_make_one_zip(source: Path, tmp_path: Path) -> None:
    more = write(tmp_path / "more", {"own.py": "y = 1\n", "deep/own.txt": "t"})
    (single := tmp_path / "callbacks.py").write_text("z = 1\n")
    package = artifact.build(source, more, single)
    with zipfile.ZipFile(io.BytesIO(package.content)) as archive:
        assert archive.namelist() == sorted([*FILES, "own.py", "deep/own.txt", "callbacks.py"])
        assert archive.read("callbacks.py") == b"z = 1\n"
    assert artifact.build(single, more, source) == package


@pytest.mark.parametrize("name", ["steps.py", "deep/er/data.txt"])
def test_two_files_with_one_name_are_refused(source: Path, tmp_path: Path, name: str) -> None:
    other = write(tmp_path / "other", {name: "x = 1\n"})
    with pytest.raises(AwsError, match=f"would have {name} twice: .*/other/{name} and .*/source/{name}"):
        artifact.build(source, other)
