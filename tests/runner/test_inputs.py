"""A local input is checked before anything is created, and converted to what the job reads."""

from __future__ import annotations

import csv
import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from geopipe_runner.config.model import S3Location
from geopipe_runner.errors import ConfigError
from geopipe_runner.inputs.prepare import PreparedInput
from geopipe_runner.jobs.custom import Custom
from geopipe_runner.jobs.map_matching import MapMatching
from geopipe_runner.jobs.reverse_geocoding import ReverseGeocoding
from tests.support.runner_fakes import deployment, shipped

ROWS = [["Longitude", "Latitude", "Name"], ["12.4924", "41.8902", "Rom"], ["18.0686", "59.3293", "Malm\u00f6 v\u00e4g"]]
PLAIN = "".join(",".join(row) + "\n" for row in ROWS)


def prepare(
    source: Path | S3Location, job: Any = None, columns: tuple[str, str] | None = None, **changes: Any
) -> PreparedInput:
    config = shipped()
    config = replace(config, input=replace(config.input, source=source, **changes))
    if columns:
        config = replace(config, job=replace(config.job, id_column=columns[0], timestamp_column=columns[1]))
    prepared: PreparedInput = (job or ReverseGeocoding()).prepare_input(deployment(config))
    return prepared


def written(folder: Path, content: str | bytes, name: str = "points.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(source: Path, **changes: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        prepare(source, **changes)
    assert caught.value.exit_code == 2
    return str(caught.value)


@pytest.mark.parametrize(
    "content",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        "\ufeff" + PLAIN,
        'Longitude,Latitude\n"1.5","2"\n',
        "Longitude,Latitude\n+1e1,2",
    ],
)
def test_a_plain_file_is_uploaded_as_it_is(tmp_path: Path, content: str) -> None:
    source = written(tmp_path, content)
    prepared = prepare(source)
    assert (prepared.notes, prepared.convert(tmp_path)) == ((), source)


CONVERTED = {
    "semicolon": (PLAIN.replace(",", ";"), "semicolon"),
    "tab": (PLAIN.replace(",", "\t"), "tab"),
    "vertical bar": (PLAIN.replace(",", "|"), "vertical bar"),
    "separator line": ("sep=;\n" + PLAIN.replace(",", ";"), "semicolon, 1 line"),
    "UTF-16 with a mark": (PLAIN.encode("utf-16"), "utf-16"),
    "UTF-16 without a mark": (PLAIN.encode("utf-16-be"), "utf-16-be"),
    "UTF-16 and tabs": (PLAIN.replace(",", "\t").encode("utf-16"), "utf-16, its delimiter is a tab"),
    "Latin-1": (PLAIN.encode("latin-1"), "Latin-1"),
    "Latin-1 far behind": (PLAIN.encode("latin-1").replace(b"Rom\n", b"Rom\n" + b"1,2,x\n" * 50_000), "Latin-1"),
    "carriage returns": (PLAIN.replace("\n", "\r"), "carriage return"),
    "blank lines first": ("\n\n" + PLAIN, "2 line(s)"),
    "two byte-order marks": ("\ufeff\ufeff" + PLAIN, "byte-order mark"),
    "blanks around names": (PLAIN.replace("Longitude", " Longitude\u00a0"), "blanks"),
}


@pytest.mark.parametrize("case", CONVERTED)
def test_another_form_is_said_and_converted(tmp_path: Path, case: str) -> None:
    content, said = CONVERTED[case]
    prepared = prepare(written(tmp_path, content))
    assert "is converted to UTF-8 with commas for the upload" in prepared.notes[0]
    assert said in prepared.notes[0]
    target = tmp_path / "converted"
    target.mkdir()
    path = prepared.convert(target)
    assert path == target / "points.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert [rows[0], rows[1], rows[-1]] == ROWS
    assert b"\r" not in path.read_bytes()


def test_the_configured_form_is_taken_as_true(tmp_path: Path) -> None:
    path = written(tmp_path, "Longitude|Latitude|a,b,c,d\n1|2|\u20ac\n".encode("cp1252"))
    prepared = prepare(path, encoding="cp1252", delimiter="|")
    (tmp_path / "out").mkdir()
    converted = prepared.convert(tmp_path / "out")
    assert converted is not None
    assert converted.read_text("utf-8") == 'Longitude,Latitude,"a,b,c,d"\n1,2,\u20ac\n'
    assert "points.csv is not encoded in utf-16" in refusal(path, encoding="utf-16")
    assert "input.encoding" in refusal(path, encoding="ascii")


MISSING = {
    "Longitude;lat\n1;2\n": ("no column 'Latitude'", "did you mean 'lat'? Set job.latitude_column: lat"),
    "lng,lat\n1,2\n": (
        "no columns 'Longitude' and 'Latitude'",
        "job.longitude_column: lng and job.latitude_column: lat",
    ),
    "LONGITUDE,LATITUDE\n1,2\n": ("it has 'LONGITUDE', 'LATITUDE'", "did you mean 'LONGITUDE' and 'LATITUDE'?"),
    "x\ty\n1\t2\n": ("it has 'x', 'y'", "did you mean 'x' and 'y'?"),
    "Longitute,Latitude\n1,2\n": ("no column 'Longitude'", "did you mean 'Longitute'?"),
    "12.5,41.9,Rom\n-3.7,40.4,Madrid\n": ("it has '12.5'", "add a header line"),
    "# exported\nLongitude,Latitude\n1,2\n": ("it has '# exported'", "in line 2: delete the lines above it"),
    "a,b\n1,2\n": ("it has 'a', 'b'", "set job.longitude_column and job.latitude_column"),
    "Longitude,Latitude,Longitude\n1,2,3\n": ("2 columns named 'Longitude'", "rename"),
}


@pytest.mark.parametrize("content", MISSING)
def test_missing_columns_are_refused_with_a_suggestion(tmp_path: Path, content: str) -> None:
    text = refusal(written(tmp_path, content))
    assert all(part in text for part in MISSING[content]), text
    assert text.startswith(str(shipped().path))


COORDINATES = {
    '"12,4924","41,8902"': "decimal commas",
    '"12.492.400","41.890.200"': "thousands separators",
    '"12\u00b029\'32""E","41\u00b053\'24""N"': "degrees, minutes and seconds",
    "E12.5,N41.9": "degrees, minutes and seconds",
    "41.9,-112.5": "swapped",
    "691603.2,5334731.9": "outside of",
    "nan,inf": "not a number",
    "1_0,2": "not a number",
    ",": "no rows",
    " , x": "empty",
}


@pytest.mark.parametrize("row", COORDINATES)
def test_coordinates_that_cannot_be_used_are_refused(tmp_path: Path, row: str) -> None:
    assert COORDINATES[row] in refusal(written(tmp_path, f"Longitude,Latitude\n{row}\n{row}\n"))


def test_a_few_wrong_rows_are_a_warning(tmp_path: Path) -> None:
    content = "Longitude,Latitude\n" + "1,2\n" * 8 + '"12,4924","41,8902"\n\n'
    (note,) = prepare(written(tmp_path, content)).notes
    assert note.startswith("Warning: 1 of the first 9 rows")
    assert "line 10 has '12,4924' and '41,8902': it has decimal commas" in note


def test_only_the_first_rows_are_looked_at(tmp_path: Path) -> None:
    assert prepare(written(tmp_path, "Longitude,Latitude\n" + "1,2\n" * 1000 + "x,y\n" * 1000)).notes == ()


def test_a_quotation_mark_that_is_never_closed_is_noticed(tmp_path: Path) -> None:
    content = 'Longitude,Latitude,Note\n1,2,"12 inch\n' + "3,4,x\n" * 20
    (note,) = prepare(written(tmp_path, content)).notes
    assert "a quotation mark in line 2 of points.csv is never closed, so everything up to line 22 counts as" in note
    assert prepare(written(tmp_path, 'Longitude,Latitude,Note\n1,2,"two\nlines"\n')).notes == ()


NO_CSV = {
    "gzip": (gzip.compress(PLAIN.encode()), "compressed with gzip"),
    "Excel": (b"PK\x03\x04\x14\x00[Content_Types].xml", "an Excel workbook"),
    "old Excel": (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Excel workbook"),
    "GeoJSON": (b'{"type": "FeatureCollection", "features": []}', "GeoJSON"),
    "JSON": (b'\n[{"lon": 1}]', "JSON"),
    "HTML": (b"<!DOCTYPE html><html></html>", "HTML"),
    "Parquet": (b"PAR1\x15\x04", "Parquet"),
    "empty": (b"", "no content"),
    "blank": (b"  \n\n", "no content"),
    "mark only": ("\ufeff".encode(), "no content"),
    "header only": (b"Longitude,Latitude\n", "a header line and no rows"),
    "header and blank lines": (b"Longitude,Latitude\n\n,\n", "a header line and no rows"),
}


@pytest.mark.parametrize("case", NO_CSV)
def test_other_content_is_refused_by_name(tmp_path: Path, case: str) -> None:
    content, said = NO_CSV[case]
    assert said in refusal(written(tmp_path, content))


def test_a_field_may_be_long(tmp_path: Path) -> None:
    assert prepare(written(tmp_path, f"Longitude,Latitude,Text\n1,2,{'x' * 500_000}\n")).notes == ()


def test_what_is_not_ours_to_check(tmp_path: Path) -> None:
    assert prepare(S3Location("bucket", "key.csv")) == PreparedInput()
    other = written(tmp_path, b"\x1f\x8b")
    assert prepare(other, job=Custom()) == PreparedInput(other)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refusal(tmp_path)


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take every file for one that was changed long ago."""
    monkeypatch.setattr("geopipe_runner.inputs.prepare._SETTLED_AFTER", -1)


@pytest.mark.usefixtures("settled")
def test_what_is_found_in_a_file_is_shared(tmp_path: Path) -> None:
    source = written(tmp_path, PLAIN)
    first = prepare(source)
    assert prepare(source) is first
    assert prepare(written(tmp_path, PLAIN, "others.csv")) == replace(first, source=tmp_path / "others.csv")


@pytest.mark.usefixtures("settled")
def test_other_settings_for_the_same_file_find_something_else(tmp_path: Path) -> None:
    source = written(tmp_path, PLAIN)
    assert prepare(source).form is None
    assert "it has 'Longitude,Latitude,Name'" in refusal(source, delimiter=";")
    assert prepare(source, job=MapMatching(), columns=("Name", "Latitude")).form is None
    with pytest.raises(ConfigError, match="has no column 'time'"):
        prepare(source, job=MapMatching(), columns=("Name", "time"))
    assert prepare(source, job=Custom()).form is None


@pytest.mark.usefixtures("settled")
def test_a_problem_of_a_shared_file_is_reported_for_each_deployment(tmp_path: Path) -> None:
    source = written(tmp_path, "Longitude,Latitude\n")
    assert refusal(source) == refusal(source)
    assert "has a header line and no rows" in refusal(source)


@pytest.mark.usefixtures("settled")
def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    assert prepare(written(tmp_path, PLAIN)).notes == ()
    source = written(tmp_path, PLAIN.replace(",", ";"))
    assert "is converted to UTF-8 with commas" in prepare(source).notes[0]
    source.unlink()
    assert "cannot be read" in refusal(source)


def test_a_file_that_was_changed_just_now_is_read_again(tmp_path: Path) -> None:
    """Its times may be those of the change before."""
    for text, delimiter in ((PLAIN, None), (PLAIN.replace(",", ";"), ";"), (PLAIN.replace(",", "|"), "|")):
        form = prepare(written(tmp_path, text)).form
        assert (form.delimiter if form else None) == delimiter
