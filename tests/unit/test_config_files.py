"""Files that are no configuration at all, made here byte by byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from geopipe_runner.config import load
from geopipe_runner.config.parser import MAX_VALUES
from geopipe_runner.config.source import MAX_BYTES
from geopipe_runner.errors import ConfigError

SOUND = b'deployment: test\ntarget: local\nregion: us-west-2\naccount_id: "123456789012"\nbucket: {name: test-bucket}\n'


def problem_of(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert len(caught.value.problems) == 1
    return str(caught.value).removeprefix(f"{path}:")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "1:1: the file is empty; config/local.yaml shows what belongs in it"),
        (b" \n\t\n", "1:1: the file is empty; config/local.yaml shows what belongs in it"),
        (b"\x7fELF\x02\x01\x01\x00\x00\x00", "1:1: this is a binary file; give a YAML text file in UTF-8"),
        (SOUND.decode().encode("utf-16"), "1:1: the file is UTF-16 text; save it as UTF-8"),
        (
            SOUND + "job: {kind: caf\u00e9}".encode("latin-1"),
            "6:16: byte 0xe9 is not UTF-8 text; save the file as UTF-8",
        ),
        (SOUND + b"job: \x07\n", "6:6: character U+0007 is not allowed; remove it"),
        (
            SOUND + b"tags: " + b"[" * 5000,
            "1:1: the settings are nested too deeply; config/local.yaml shows what belongs",
        ),
        (b"a: 1\n" * (MAX_BYTES // 5 + 1), "1:1: the file is larger than 1 MB; a configuration has a few kB"),
        (SOUND + b"cleanup: [" + b"0," * MAX_VALUES + b"]", "there are more than 10,000 values"),
    ],
    ids=["empty", "blank", "binary", "utf-16", "latin-1", "control", "deep", "large", "many"],
)
def test_unusable_content(content: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    assert problem in problem_of(path)


def test_aliases_cannot_blow_up(tmp_path: Path) -> None:
    path = tmp_path / "laughs.yaml"
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert "there are more than 10,000 values" in problem_of(path)


def test_missing_file_names_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "local.yaml").write_bytes(SOUND)
    assert problem_of(tmp_path / "locl.yaml") == f"1:1: there is no such file; YAML files in {tmp_path}: local.yaml"


def test_missing_folder(tmp_path: Path) -> None:
    assert problem_of(tmp_path / "no" / "x.yaml").startswith("1:1: there is no such file; give the path of a YAML file")


def test_folder(tmp_path: Path) -> None:
    (tmp_path / "local.yaml").write_bytes(SOUND)
    assert problem_of(tmp_path) == f"1:1: this is a folder, not a file; YAML files in {tmp_path}: local.yaml"


def test_file_under_a_file(tmp_path: Path) -> None:
    (tmp_path / "local.yaml").write_bytes(SOUND)
    assert problem_of(tmp_path / "local.yaml" / "x").startswith("1:1: the file cannot be read: Not a directory")


@pytest.mark.parametrize("line_end", [b"\r\n", b"\r"], ids=["windows", "old mac"])
def test_line_ends_and_byte_order_mark_do_not_move_positions(line_end: bytes, tmp_path: Path) -> None:
    path = tmp_path / "windows.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + (SOUND + b"job:\n  kind: none\n").replace(b"\n", line_end))
    assert problem_of(path) == '7:9: job.kind is "none"; use one of reverse_geocoding, custom'


def test_columns_count_characters_and_not_bytes(tmp_path: Path) -> None:
    path = tmp_path / "wide.yaml"
    path.write_text(SOUND.decode() + "tags: {gr\u00f6\u00dfe: \U0001f30d, x: 1}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert [(problem.line, problem.column) for problem in caught.value.problems] == [(6, 15), (6, 21)]
