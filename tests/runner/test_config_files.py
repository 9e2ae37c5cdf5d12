"""Files that are no configuration at all, made here byte by byte."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from geopipe_runner.config import load
from geopipe_runner.config.document import MAX_PROBLEMS
from geopipe_runner.config.parser import MAX_VALUES
from geopipe_runner.config.source import MAX_BYTES
from geopipe_runner.errors import ConfigError
from tests.support.config_files import MINIMAL_CONFIG

SOUND = MINIMAL_CONFIG.encode()


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
        pytest.param(
            SOUND + b"tags: " + b"[" * 5000,
            "1:1: the settings are nested too deeply; config/local.yaml shows what belongs",
            marks=pytest.mark.slow,
        ),
        (b"a: 1\n" * (MAX_BYTES // 5 + 1), "1:1: the file is larger than 1 MB; a configuration has a few kB"),
        pytest.param(
            SOUND + b"cleanup: [" + b"0," * MAX_VALUES + b"]",
            "there are more than 10,000 values",
            marks=pytest.mark.slow,
        ),
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


def test_missing_file_names_similar_files(tmp_path: Path) -> None:
    (tmp_path / "local.yaml").write_bytes(SOUND)
    (tmp_path / ".hidden.yaml").write_text("")
    assert problem_of(tmp_path / "locl.yaml") == f"1:1: there is no such file; YAML files in {tmp_path}: local.yaml"


def test_missing_file_guesses_which_of_several_was_meant(tmp_path: Path) -> None:
    for name in ("local.yaml", "gazetteer.yml"):
        (tmp_path / name).write_bytes(SOUND)
    both = f"YAML files in {tmp_path}: gazetteer.yml, local.yaml"
    for written, meant in (("locl.yaml", "local.yaml"), ("local", "local.yaml"), ("gazeteer.yaml", "gazetteer.yml")):
        expected = f'1:1: there is no such file; did you mean "{meant}"? {both}'
        assert problem_of(tmp_path / written) == expected
    assert problem_of(tmp_path / "x.yaml") == f"1:1: there is no such file; {both}"


def test_missing_folder(tmp_path: Path) -> None:
    assert problem_of(tmp_path / "no" / "x.yaml").startswith("1:1: there is no such file; give the path of a YAML file")


def test_folder(tmp_path: Path) -> None:
    (tmp_path / "local.yaml").write_bytes(SOUND)
    assert problem_of(tmp_path) == f"1:1: this is a folder, not a file; YAML files in {tmp_path}: local.yaml"


def test_file_under_a_file(tmp_path: Path) -> None:
    (tmp_path / "local.yaml").write_bytes(SOUND)
    assert problem_of(tmp_path / "local.yaml" / "x").startswith("1:1: the file cannot be read: Not a directory")


def test_a_pipe_is_refused_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "pipe.yaml"
    os.mkfifo(path)
    assert problem_of(path).startswith("1:1: this is a pipe, a socket or a device, not a file")


def test_a_device_is_refused() -> None:
    assert problem_of(Path("/dev/zero")).startswith("1:1: this is a pipe, a socket or a device, not a file")


@pytest.mark.parametrize("key", ["pipeline.template", "input.source"])
def test_a_pipe_is_no_template_and_no_input(key: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    section, name = key.split(".")
    path = tmp_path / "test.yaml"
    path.write_bytes(SOUND + f"{section}: {{{name}: pipe}}\n".encode())
    assert f'{key}: "{tmp_path}/pipe" is not a file' in problem_of(path)


REPETITIONS = {
    "unknown keys": "".join(f"key_{number}: 1\n" for number in range(9_000)),
    "empty lines before wrong keys": "\n" * 900_000 + "".join(f"key_{number}: 1\n" for number in range(9_000)),
    "tags that are no text": "tags:\n" + "".join(f"  key_{number}: {number}\n" for number in range(9_000)),
    "repeated items": "cleanup: [" + "queue, " * 9_000 + "]\n",
    "items of many types": "cleanup: ["
    + "".join(f"{number}, a{number}, [{number}], " for number in range(2_000))
    + "]",
    "unknown variables": "job: {kind: '" + "${x}" * 200_000 + "'}\n",
    "variables hidden by escapes": 'pipeline: {description: "' + "\\x24{region}" * 80_000 + '"}\n',
    "long values from the environment": "pipeline: {description: '" + "${env:LONG}" * 80_000 + "'}\n",
    "aliases of long text": "tags:\n  a: &a " + "x" * 90_000 + "\n" + "".join(f"  b{n}: *a\n" for n in range(9_000)),
    "a long number": "function: {timeout: 1" + ":59" * 300_000 + "}\n",
    "values too many": "cleanup: [" + "0," * 400_000 + "]\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REPETITIONS)
def test_no_file_takes_more_time_than_reading_it(name: str, tmp_path: Path) -> None:
    """Parsing 1 MB of YAML needs at most 4 s, all of it in Python; nothing may add a multiple of that."""
    path = tmp_path / "repetitions.yaml"
    path.write_bytes(SOUND + REPETITIONS[name].encode())
    before = time.process_time()
    with pytest.raises(ConfigError) as caught:
        load(path, {"LONG": "x" * 100_000})
    assert time.process_time() - before < 15
    assert len(caught.value.problems) <= MAX_PROBLEMS


def test_the_first_problems_of_many_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "many.yaml"
    path.write_bytes(SOUND + b"tags:\n" + b"".join(b"  key_%d: 1\n" % number for number in range(300)))
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert [problem.line for problem in caught.value.problems] == list(range(7, 107))
    assert str(caught.value).endswith("\nThere are more problems. Fix these first.")


@pytest.mark.parametrize("line_end", [b"\r\n", b"\r"], ids=["windows", "old mac"])
def test_line_ends_and_byte_order_mark_do_not_move_positions(line_end: bytes, tmp_path: Path) -> None:
    path = tmp_path / "windows.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + (SOUND + b"job:\n  kind: none\n").replace(b"\n", line_end))
    assert problem_of(path) == '7:9: job.kind is "none"; use one of reverse_geocoding, map_rows, map_matching, custom'


def test_columns_count_characters_and_not_bytes(tmp_path: Path) -> None:
    path = tmp_path / "wide.yaml"
    path.write_text(SOUND.decode() + "tags: {gr\u00f6\u00dfe: \U0001f30d, x: 1}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert [(problem.line, problem.column) for problem in caught.value.problems] == [(6, 15), (6, 21)]
