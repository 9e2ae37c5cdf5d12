"""Deployment packages on disk: nothing is written outside of their folder, and nothing is left half done."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path

import pytest

from geopipe_emulator.protocol.errors import ServiceError
from geopipe_emulator.services.lambda_.packages import DeploymentPackage, checked, unpack

LINK, FILE = stat.S_IFLNK | 0o777, stat.S_IFREG | 0o644


def package(*entries: tuple[str, int, str]) -> DeploymentPackage:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, mode, content in entries:
            entry = zipfile.ZipInfo(name)
            entry.create_system = 3
            entry.external_attr = mode << 16
            archive.writestr(entry, content)
    return DeploymentPackage(buffer.getvalue(), "")


@pytest.mark.parametrize(
    "entries",
    [
        [("a", LINK, ".."), ("a/evil", FILE, "x")],
        [("a", LINK, "b/.."), ("b", LINK, "."), ("a/evil", FILE, "x")],
        [("a", LINK, "b/../.."), ("b", LINK, "d/e"), ("d/e/f", FILE, ""), ("a/evil", FILE, "x")],
        [("d/up", LINK, ".."), ("d/out", LINK, "up/.."), ("d/out/evil", FILE, "x")],
        [("a", LINK, "b"), ("b", LINK, "c"), ("c", LINK, "../.."), ("a/evil", FILE, "x"), ("b/evil", FILE, "x")],
        [("a", LINK, "/tmp"), ("a/link", LINK, "/etc"), ("../../evil", FILE, "x"), ("/evil", FILE, "x")],
        [("a", LINK, "b"), ("b", LINK, "a"), ("a/evil", FILE, "x")],
        [("a", LINK, "../outside"), ("a", LINK, "."), ("a/b", LINK, ".."), ("a/b/evil", FILE, "x")],
    ],
)
def test_no_chain_of_links_leads_out_of_the_folder(tmp_path: Path, entries: list[tuple[str, int, str]]) -> None:
    (outside := tmp_path / "outside").mkdir()
    (folder := tmp_path / "task").mkdir()
    unpack(package(*entries), folder)
    assert list(outside.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside", "task"]
    for path in folder.rglob("*"):
        if path.is_symlink():
            assert path.resolve().is_relative_to(folder)


def test_links_inside_of_the_folder_are_kept(tmp_path: Path) -> None:
    unpack(package(("lib/a.py", FILE, "x = 1"), ("b.py", LINK, "lib/a.py"), ("l", LINK, "lib")), tmp_path)
    assert (tmp_path / "b.py").read_text() == (tmp_path / "l" / "a.py").read_text() == "x = 1"


@pytest.mark.parametrize(
    ("entries", "name"),
    [
        ([("app.py", FILE, ""), ("n" * 300, FILE, "")], "n" * 300),
        ([("a", FILE, ""), ("a/b", FILE, "")], "a/b"),
        ([("a", LINK, "l" * 5000)], "a"),
    ],
    ids=["long name", "file as folder", "long link"],
)
def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, entries: list[tuple[str, int, str]], name: str) -> None:
    with pytest.raises(ServiceError) as caught:
        unpack(package(*entries), tmp_path)
    assert caught.value.message.startswith(f"The function's file {name!r} cannot be unpacked: ")


@pytest.mark.parametrize("kind", [stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK])
def test_special_files_are_refused_by_name(kind: int) -> None:
    with pytest.raises(ServiceError, match="'pipe' is a device, a socket or a pipe") as caught:
        checked(package(("app.py", FILE, ""), ("pipe", kind | 0o644, "")).zip_file)
    assert caught.value.code == "InvalidParameterValueException"
