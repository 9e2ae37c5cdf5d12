"""The files of a function's code: which are packed, and which are refused before anything reads them."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from geopipe_runner.config import file_rules, load
from geopipe_runner.config.code_files import MAX_CODE_BYTES, code_files, code_problems
from geopipe_runner.errors import ConfigError
from tests.support.config_files import MINIMAL_CONFIG

HANDLER = "def lambda_handler(event, context):\n    return {}\n"


@pytest.fixture
def code(tmp_path: Path) -> Path:
    folder = tmp_path / "code"
    (folder / "package").mkdir(parents=True)
    (folder / "handler.py").write_text(HANDLER, encoding="utf-8")
    (folder / "package" / "module.py").write_text("", encoding="utf-8")
    return folder


def names(source: Path, follow_links: bool = False) -> list[str]:
    return [name for name, _ in code_files(source, follow_links)]


def problems(source: Path, follow_links: bool = False) -> list[str]:
    return [what for what, _ in code_problems(source, follow_links)]


def test_sound_code(code: Path) -> None:
    (code / "__pycache__").mkdir()
    (code / "__pycache__" / "handler.pyc").write_bytes(b"x")
    assert names(code) == ["handler.py", "package/module.py"]
    assert problems(code) == []


def test_links_inside_the_folder_are_followed(code: Path) -> None:
    (code / "copy.py").symlink_to("handler.py")
    (code / "other").symlink_to("package")
    assert names(code) == ["copy.py", "handler.py", "other/module.py", "package/module.py"]
    assert problems(code) == []


def test_a_source_may_be_a_link_itself(code: Path) -> None:
    link = code.parent / "link"
    link.symlink_to("code")
    assert names(link) == ["handler.py", "package/module.py"]
    assert problems(link) == []


@pytest.mark.parametrize("target", ["/etc/passwd", "../secret.txt", "chain"])
def test_a_link_out_of_the_folder_is_refused_and_not_packed(code: Path, target: str) -> None:
    (code.parent / "secret.txt").write_text("secret", encoding="utf-8")
    (code / "chain").symlink_to("../secret.txt")
    (code / "link").symlink_to(target)
    assert any(problem.startswith('"link" is a link out of its folder, to "/') for problem in problems(code))
    assert names(code) == ["handler.py", "package/module.py"]


def test_links_out_of_the_folder_are_followed_where_that_is_allowed(code: Path) -> None:
    (code.parent / "shared").mkdir()
    (code.parent / "shared" / "common.py").write_text("", encoding="utf-8")
    (code / "shared").symlink_to("../shared")
    assert names(code) == ["handler.py", "package/module.py"]
    assert names(code, follow_links=True) == ["handler.py", "package/module.py", "shared/common.py"]
    assert problems(code, follow_links=True) == []


def test_a_folder_of_everything_is_not_entered_through_a_link(code: Path) -> None:
    (code / "root").symlink_to("/")
    assert problems(code) == ['"root" is a link out of its folder, to "/"']
    assert names(code) == ["handler.py", "package/module.py"]


def test_what_cannot_be_packed_is_named(code: Path) -> None:
    (code / "broken.py").symlink_to("gone.py")
    (code / "loop").symlink_to(".")
    os.mkfifo(code / "pipe")
    (code / os.fsdecode(b"caf\xe9.py")).write_text("", encoding="utf-8")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(code)  # the path of a socket has at most 107 characters
        server.bind("socket")
        os.chdir(here)
        assert problems(code) == [
            '"broken.py" is a link to nothing',
            'the name of "caf\\udce9.py" is not UTF-8',
            '"loop" is a link to a folder that it is in',
            '"pipe" is a socket, a pipe or a device, not a file',
            '"socket" is a socket, a pipe or a device, not a file',
        ]


def config_problems(folder: Path, text: str) -> list[str]:
    path = folder / "test.yaml"
    path.write_text(MINIMAL_CONFIG + text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    return [problem.what for problem in caught.value.problems]


def test_code_larger_than_lambda_allows_is_refused_by_its_size_alone(code: Path) -> None:
    for name in ("a.bin", "b.bin"):
        with (code / name).open("wb") as file:
            file.truncate(MAX_CODE_BYTES * 6)  # 3 GB together, none of which is ever written or read
    (what,) = config_problems(code.parent, "function: {source: code}\n")
    assert what.startswith("the files of function.source have 3,145,728,")


def test_too_many_files_are_refused_early(code: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_rules, "MAX_CODE_FILES", 1)
    assert config_problems(code.parent, "function: {source: code}\n") == ["function.source has more than 1 files"]


@pytest.mark.parametrize(
    "text",
    [
        "if x == 0: pass\n" + "".join(f"elif x == {number}: pass\n" for number in range(3_000)),
        "x = " + "+".join(['"a"'] * 5_000),
        "x = " + "-" * 100_000 + "1",
        "x = " + "(" * 150 + ")" * 150,
        "x = [" * 90 + "]" * 90,
        "x" + ".y" * 20_000,
        "\0",
    ],
    ids=["elif", "joined strings", "signs", "parentheses", "brackets", "attributes", "nul"],
)
def test_a_handler_that_python_cannot_take_apart_is_left_to_lambda(code: Path, text: str) -> None:
    (code / "handler.py").write_text(HANDLER + text + "\n", encoding="utf-8")
    path = code.parent / "test.yaml"
    path.write_text(MINIMAL_CONFIG + "function: {source: code}\n", encoding="utf-8")
    assert load(path, {}).function.source == (code,)
