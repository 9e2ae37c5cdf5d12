"""The pictures in the README show the current program. The test needs no graphviz."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib

import pytest

from docs.pictures.graphs import SOURCES, pipeline_source, workflow_source
from docs.pictures.png import chunks, source_of, with_source
from docs.pictures.sheet import Sheet
from tests.support.paths import ROOT

MAX_BYTES = 150_000


def picture(name: str) -> bytes:
    return (ROOT / "resources" / name).read_bytes()


@pytest.mark.parametrize("name", SOURCES)
def test_a_picture_is_not_older_than_what_it_shows(name: str) -> None:
    assert source_of(picture(name)) == SOURCES[name](), "run `make pictures`"


@pytest.mark.parametrize("name", SOURCES)
def test_a_picture_is_whole_and_small(name: str) -> None:
    kinds = [kind for kind, _ in chunks(picture(name))]
    assert kinds[0] == b"IHDR"
    assert kinds[-1] == b"IEND"
    assert kinds.count(b"iTXt") == 1
    assert zlib.decompress(b"".join(content for kind, content in chunks(picture(name)) if kind == b"IDAT"))
    assert len(picture(name)) < MAX_BYTES


def test_the_steps_are_those_of_the_template() -> None:
    source = pipeline_source()
    for step in ("vej-processing-step", "vej-callback-step", "export-vej-step", "export-vej-callback"):
        assert f'"{step}" [label=' in source
    assert '"vej-callback-step" -> "export-vej-step" []' in source
    assert '"vej-processing-step" -> "export-vej-step" [label=" vej_arn ", style=dashed' in source


@pytest.mark.parametrize(
    "key", ["pipeline", "function", "queue", "dead_letter_queue", "bucket", "job", "lambda_role", "log_group"]
)
def test_the_workflow_shows_every_resource_once(key: str) -> None:
    assert workflow_source().count(f'"{key}" [label=<') == 1


def test_what_the_grid_does_not_know_comes_below_it() -> None:
    sheet = Sheet.of((("a", "b"), ("c",)), ["a", "c", "new"])
    assert sheet.rows == (("a", "b"), ("c",), ("new",))


def test_the_text_of_a_picture_does_not_depend_on_chance() -> None:
    program = "from docs.pictures.graphs import SOURCES; print(*(source() for source in SOURCES.values()), sep='')"
    texts = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert texts == {pipeline_source() + workflow_source() + "\n"}


def test_a_picture_carries_one_text_and_is_otherwise_the_same() -> None:
    before, drawn = picture("pipeline.png"), with_source(picture("pipeline.png"), "größe → 1")
    assert source_of(drawn) == "größe → 1"
    assert [chunk for chunk in chunks(drawn) if chunk[0] != b"iTXt"] == [c for c in chunks(before) if c[0] != b"iTXt"]
    assert with_source(drawn, source_of(before)) == before


def test_a_picture_without_its_text_is_found() -> None:
    drawn = picture("pipeline.png")
    place = drawn.index(b"iTXt")
    assert source_of(drawn[:place] + b"noTx" + drawn[place + 4 :]) == ""


def test_what_is_no_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="not a PNG"):
        source_of(b"GIF89a")
