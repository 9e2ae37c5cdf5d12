"""Packages of `function.requirements`: pip is real, and takes its wheels from a local folder."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from geopipe_runner.aws import artifact, dependencies
from geopipe_runner.aws.dependencies import Platform, install, platform_of
from geopipe_runner.errors import AwsError
from tests.support.small_wheels import write_wheel

pytestmark = pytest.mark.process

LAMBDA = platform_of("aws", "python3.13", "x86_64")
HOST = platform_of("local", "python3.13", "x86_64")


def silent(_text: str) -> None:
    return None


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes all wheels from."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def write_requirements(folder: Path, text: str, name: str = "requirements.txt") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def folder_of(requirements: Path, goal: Platform = HOST) -> Path:
    installed = install(requirements, goal, silent)
    assert installed is not None
    return installed.folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def without_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise AssertionError("pip was started")

    monkeypatch.setattr(dependencies.subprocess, "run", fail)


@pytest.mark.parametrize("text", ["", "\n# numpy later\n\n", "  \n"])
def test_a_file_without_packages_needs_no_pip(wheels: Path, tmp_path: Path, text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        without_pip(patch)
        assert install(write_requirements(tmp_path, text), LAMBDA, silent) is None


@pytest.mark.parametrize("goal", [LAMBDA, HOST], ids=["lambda", "host"])
def test_packages_are_installed_and_then_come_from_the_cache(wheels: Path, tmp_path: Path, goal: Platform) -> None:
    write_wheel(wheels, "pure")
    requirements = write_requirements(tmp_path, "pure==1.0  # the only one\n")
    first = folder_of(requirements, goal)
    assert first.is_relative_to(tmp_path / "cache" / "geopipe" / "packages")
    assert b"py3-none-any" in (first / "pure" / "__init__.py").read_bytes()
    for wheel in wheels.iterdir():
        wheel.unlink()
    with pytest.MonkeyPatch.context() as patch:
        without_pip(patch)
        assert folder_of(requirements, goal) == first
    assert [entry.name for entry in first.parent.iterdir()] == [first.name]


def test_the_wheel_fits_the_runtime_and_the_architecture(wheels: Path, tmp_path: Path) -> None:
    tags = [
        "cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64",
        "cp313-cp313-manylinux_2_28_x86_64",
        "cp313-cp313-manylinux_2_28_aarch64",
        "cp313-cp313-manylinux_2_35_x86_64",  # newer than the C library of any runtime
        "cp313-cp313-macosx_11_0_arm64",
    ]
    for tag in tags:
        write_wheel(wheels, "compiled", tag)
    requirements = write_requirements(tmp_path, "compiled\n")
    chosen = {
        (runtime, architecture): (
            folder_of(requirements, platform_of("aws", runtime, architecture)) / "compiled" / "__init__.py"
        )
        .read_text()
        .split("'")[1]
        for runtime, architecture in [("python3.12", "x86_64"), ("python3.13", "x86_64"), ("python3.13", "arm64")]
    }
    assert chosen == {
        ("python3.12", "x86_64"): tags[0],
        ("python3.13", "x86_64"): tags[1],
        ("python3.13", "arm64"): tags[2],
    }
    with pytest.raises(AwsError, match="No matching distribution found for compiled"):
        install(requirements, platform_of("aws", "python3.11", "x86_64"), silent)


def test_the_note_says_what_packages_are_for(wheels: Path, tmp_path: Path) -> None:
    write_wheel(wheels, "pure")
    requirements = write_requirements(tmp_path, "pure\n")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    notes = [installed.note for goal in (HOST, LAMBDA) if (installed := install(requirements, goal, silent))]
    assert notes[0].startswith(f"function.requirements: installed for this machine's Python {version} (")
    assert notes[1].startswith("function.requirements: installed for Lambda's Python 3.13 (x86_64).")
    assert ("conditions" in notes[1]) == (version != "3.13")


def test_two_installations_give_the_same_zip(wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also on two machines, so nothing in it names the Python that installed it."""
    write_wheel(wheels, "pure")
    write_wheel(wheels, "other")
    requirements = write_requirements(tmp_path, "pure\nother\n")
    first = folder_of(requirements)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "second"))
    second = folder_of(requirements)
    assert first != second
    assert contents(first) == contents(second)
    assert artifact.build(installed=first) == artifact.build(installed=second)
    names = set(contents(first))
    assert "pure-1.0.dist-info/METADATA" in names  # importlib.metadata works in the function
    assert not [name for name in names if name.startswith("bin/") or name.endswith(".pyc")]
    assert not [name for name, content in contents(first).items() if sys.executable.encode() in content]
    assert "bin/" not in (first / "pure-1.0.dist-info" / "RECORD").read_text()


def test_a_change_of_any_file_that_counts_installs_again(wheels: Path, tmp_path: Path) -> None:
    write_wheel(wheels, "pure")
    write_wheel(wheels, "pure", version="2.0")
    wheel = write_wheel(tmp_path, "mine")
    requirements = write_requirements(tmp_path, "-r more.txt\n./mine-1.0-py3-none-any.whl\n")
    write_requirements(tmp_path, "-c limits.txt\npure\n", "more.txt")
    write_requirements(tmp_path, "pure<2\n", "limits.txt")
    folders = [folder_of(requirements)]
    write_requirements(tmp_path, "pure<3\n", "limits.txt")
    folders.append(folder_of(requirements))
    write_wheel(wheel.parent, "mine", text="NEW = True\n")
    folders.append(folder_of(requirements))
    assert len(set(folders)) == 3
    assert [(folder / "pure-2.0.dist-info").is_dir() for folder in folders] == [False, True, True]
    assert [b"NEW" in (folder / "mine" / "__init__.py").read_bytes() for folder in folders] == [False, False, True]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("absent==1.0", "No matching distribution found for absent==1.0"),
        ("pure^1", "Invalid requirement"),
        ("sources", "No matching distribution found for sources"),
        ("./gone.whl", "gone.whl"),
    ],
)
def test_a_failure_of_pip_is_one_message_and_leaves_nothing(
    wheels: Path, tmp_path: Path, line: str, problem: str
) -> None:
    (wheels / "sources-1.0.tar.gz").write_bytes(b"not built")
    requirements = write_requirements(tmp_path, f"{line}\n")
    with pytest.raises(AwsError) as caught:
        install(requirements, LAMBDA, silent)
    assert caught.value.message.startswith(f"pip could not install {requirements} for Lambda's Python 3.13 (x86_64):\n")
    assert problem in caught.value.message
    assert len(caught.value.message.splitlines()) <= 7
    assert "Only wheels are used" in caught.value.hint
    assert list((tmp_path / "cache" / "geopipe" / "packages").iterdir()) == []


@pytest.mark.parametrize(("line", "problem"), [("-e ../mine", "an editable package"), ("./mine", "is a folder")])
def test_what_cannot_be_in_a_zip_is_refused(wheels: Path, tmp_path: Path, line: str, problem: str) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(AwsError, match=problem):
        install(write_requirements(tmp_path, f"{line}\n"), LAMBDA, silent)


def test_the_folder_of_an_unknown_user_is_a_failure_of_pip(wheels: Path, tmp_path: Path) -> None:
    with pytest.raises(AwsError, match="no-such-user"):
        install(write_requirements(tmp_path, "~no-such-user/mine.whl\n"), LAMBDA, silent)


def test_a_password_in_an_address_is_not_shown() -> None:
    line = dependencies._last_lines("ERROR: https://me:secret@index.example/simple refused\n[notice] new pip\n")
    assert line == "  ERROR: https://***@index.example/simple refused"


def test_a_cache_that_cannot_be_written_is_named(wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_wheel(wheels, "pure")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(AwsError, match=r"Packages cannot be installed into .*/file/geopipe/packages: ") as caught:
        install(write_requirements(tmp_path, "pure\n"), HOST, silent)
    assert "XDG_CACHE_HOME" in caught.value.hint


def test_a_person_hears_that_pip_is_started_and_old_remains_are_removed(wheels: Path, tmp_path: Path) -> None:
    write_wheel(wheels, "pure")
    requirements = write_requirements(tmp_path, "pure\n")
    cache = tmp_path / "cache" / "geopipe" / "packages"
    for name, age in (("new-old", 2), ("new-recent", 0)):
        (cache / name).mkdir(parents=True)
        moment = time.time() - age * 86_400
        os.utime(cache / name, (moment, moment))
    lines: list[str] = []
    for _ in range(2):
        install(requirements, LAMBDA, lines.append)
    assert lines == ["Installing the packages of requirements.txt for Lambda's Python 3.13 (x86_64) ..."]
    assert [entry.name for entry in cache.glob("new-*")] == ["new-recent"]
