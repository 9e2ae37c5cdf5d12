"""What comes out of a CSV file: every row once, in order, with its address or the reason why it has none."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geopipe_emulator.services.sagemaker_geospatial.addresses import (
    ADDRESS_COLUMNS,
    AddressBook,
    address_of,
)
from geopipe_emulator.services.sagemaker_geospatial.reverse_geocoding import (
    CHUNK_ROWS,
    Attributes,
    InputError,
    enrich,
)
from geopipe_gazetteer.gazetteer import Place, default_places
from tests.support.paths import ROOT

SAMPLE = ROOT / "resources" / "latlongtest.csv"
ANCHORAGE = ["", "USA", "Anchorage, Alaska, USA", "Anchorage", "", "", "Alaska", "Valid Data"]
COLUMNS = [
    "reverse_geo.address_number",
    "reverse_geo.country",
    "reverse_geo.label",
    "reverse_geo.municipality",
    "reverse_geo.neighborhood",
    "reverse_geo.postal_code",
    "reverse_geo.region",
    "reverse_geo.status",
]


def enriched(
    text: str | bytes,
    longitude: str = "Longitude",
    latitude: str = "Latitude",
    chunk_rows: int = CHUNK_ROWS,
) -> str:
    data = text.encode() if isinstance(text, str) else text
    target = io.StringIO(newline="")
    book = AddressBook(default_places())
    enrich(io.BytesIO(data), target, Attributes(longitude, latitude), book, chunk_rows=chunk_rows)
    return target.getvalue()


def table(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def as_csv(rows: Sequence[Sequence[str]], line_end: str = "\n") -> str:
    target = io.StringIO(newline="")
    csv.writer(target, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerows(rows)
    return target.getvalue()


def status_of(row: str) -> str:
    return table(enriched(f"Longitude,Latitude,Note\n{row}\n"))[1][-1]


def test_the_columns_of_the_service_follow_those_of_the_input() -> None:
    assert enriched("Id,Longitude,Latitude\n7,-149.8935557,61.21759217\n").split("\n") == [
        ",".join(["Id,Longitude,Latitude", *COLUMNS]),
        '7,-149.8935557,61.21759217,,USA,"Anchorage, Alaska, USA",Anchorage,,,Alaska,Valid Data',
        "",
    ]


def test_what_geonames_does_not_know_stays_empty() -> None:
    address = address_of(Place("Adamstown", "", "PCN", -25.07, -130.1))
    assert address == ["", "PCN", "Adamstown, PCN", "Adamstown", "", "", "", "Valid Data"]


@pytest.mark.parametrize("data", ["\ufeff{}", "{}"], ids=["byte order mark", "none"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
def test_byte_order_mark_and_line_ends_leave_no_trace(data: str, line_end: str) -> None:
    text = data.format(line_end.join(["Longitude,Latitude", "-149.8935557,61.21759217", "-149.8935557,61.21759217"]))
    assert table(enriched(text)) == [
        ["Longitude", "Latitude", *COLUMNS],
        *2 * [["-149.8935557", "61.21759217", *ANCHORAGE]],
    ]
    assert "\r" not in enriched(text)


def test_quoted_cells_survive() -> None:
    cells = ["a,b", 'say "hi"', "two\nlines", "two\r\nlines", "old\rmac", " blanks ", "ünïcödé", "\0", "'"]
    rows = [["Note", "Longitude", "Latitude"], *([cell, "-149.8935557", "61.21759217"] for cell in cells)]
    assert table(enriched(as_csv(rows)))[1:] == [[*row, *ANCHORAGE] for row in rows[1:]]


def test_quoted_header_after_a_byte_order_mark() -> None:
    assert table(enriched('\ufeff"Longitude","Latitude"\n1,2\n'))[0] == ["Longitude", "Latitude", *COLUMNS]


def test_short_rows_are_filled_up_and_what_is_too_much_goes_last() -> None:
    text = "Longitude,Latitude,Note\n-149.8935557,61.21759217\n-149.8935557,61.21759217,a,b,c\n5\n"
    header, short, long, shortest = table(enriched(text))
    assert short == ["-149.8935557", "61.21759217", "", *ANCHORAGE]
    assert long == ["-149.8935557", "61.21759217", "a", *ANCHORAGE, "b", "c"]
    assert shortest == ["5", "", "", *[""] * 7, "Invalid Data: latitude is empty"]
    assert len(header) == len(short) == len(shortest)


def test_a_line_with_nothing_on_it_is_no_row() -> None:
    assert len(table(enriched("\nLongitude,Latitude\n\n1,2\n\r\n3,4\n\n"))) == 3


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",61.2,n", "longitude is empty"),
        ("-149.9,  ,n", "latitude is empty"),
        ("west,61.2,n", "longitude is not a number"),
        ("-149.9,nan,n", "latitude is not a number"),
        ("-149.9,NaN,n", "latitude is not a number"),
        ("1_0,61.2,n", "longitude is not a number"),
        ("１０,61.2,n", "longitude is not a number"),
        ('"1,5",61.2,n', "longitude is not a number"),
        ("inf,61.2,n", "longitude is not between -180 and 180"),
        ("-149.9,-Infinity,n", "latitude is not between -90 and 90"),
        ("180.0001,61.2,n", "longitude is not between -180 and 180"),
        ("-149.9,90.0001,n", "latitude is not between -90 and 90"),
        ("1e3,61.2,n", "longitude is not between -180 and 180"),
        ("-149.9,1e999,n", "latitude is not between -90 and 90"),
        ("x,y,n", "longitude is not a number"),
    ],
)
def test_a_bad_coordinate_spoils_its_row_only(row: str, reason: str) -> None:
    good = "-149.8935557,61.21759217,n"
    rows = table(enriched(f"Longitude,Latitude,Note\n{good}\n{row}\n{good}\n"))
    assert rows[2][3:] == ["", "", "", "", "", "", "", f"Invalid Data: {reason}"]
    assert rows[1][3:] == rows[3][3:] == ANCHORAGE


@pytest.mark.parametrize(
    "row", ["180,90,n", "-180,-90,n", " -149.9 ,\t61.2,n", "-1.499e2,+6.12E1,n", "-0,-0.0,n", ".5,5.,n"]
)
def test_every_way_to_write_a_number_within_range(row: str) -> None:
    assert status_of(row) == "Valid Data"


def test_columns_are_found_as_they_are_named_and_then_without_their_blanks() -> None:
    exact = table(enriched(" Longitude,Longitude,Latitude\nx,-149.8935557,61.21759217\n"))
    assert exact[1][3:] == ANCHORAGE
    blanks = table(enriched("longitude, latitude\n-149.8935557,61.21759217\n", "longitude", "latitude"))
    assert blanks[0][:2] == ["longitude", " latitude"]
    assert blanks[1][2:] == ANCHORAGE
    assert table(enriched("x,y\n-149.8935557,61.21759217\n", " x", "y "))[1][2:] == ANCHORAGE


def test_a_missing_column_names_those_there_are() -> None:
    with pytest.raises(InputError) as caught:
        enriched("longitude,lat,Note\n1,2,3\n")
    assert str(caught.value) == "The input has no column 'Longitude'; its columns are 'longitude', 'lat', 'Note'."


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf", b"\n\r\n\n"])
def test_no_header(data: bytes) -> None:
    with pytest.raises(InputError, match="no header line"):
        enriched(data)


def test_a_header_alone_gives_a_header_alone() -> None:
    assert table(enriched("Longitude,Latitude")) == [["Longitude", "Latitude", *COLUMNS]]


@pytest.mark.parametrize(
    "data",
    [
        "Longitude,Latitude\n1,2\n".encode("utf-16"),
        b"Longitude,Latitude,Note\n1,2,Caf\xe9\n",
        b"Longitude,Latitude\n1,2\n1,2\xc3",
    ],
    ids=["UTF-16", "Latin-1", "cut character"],
)
def test_other_encodings_are_refused(data: bytes) -> None:
    with pytest.raises(InputError, match="not UTF-8"):
        enriched(data)


@pytest.mark.parametrize("rows", [0, 3, 50_000, 5_000_000])
def test_a_cell_without_end_is_refused(rows: int) -> None:
    with pytest.raises(InputError, match="not CSV"):
        enriched('Longitude,Latitude\n1,2\n1,"2\n' + "1,2\n" * rows)


@pytest.mark.parametrize("size", [131_072, 131_073, 2_000_000])
@pytest.mark.parametrize("quote", ["", '"'])
def test_long_cells_are_kept(size: int, quote: str) -> None:
    cell = "x" * size
    rows = table_of_long_cells(f"Longitude,Latitude,Note\n13.4,52.5,{quote}{cell}{quote}\n1,2,y\n")
    assert [row[2] for row in rows] == ["Note", cell, "y"]
    assert rows[1][3 + COLUMNS.index("reverse_geo.country")] == "DEU"


def table_of_long_cells(text: str) -> list[list[str]]:
    before = csv.field_size_limit()
    try:
        return table(enriched(text))
    finally:
        csv.field_size_limit(before)


cells = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(cells, cells, cells), max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_any_cells_come_out_once_and_in_order(rows: list[tuple[str, str, str]], line_end: str) -> None:
    result = table(enriched(as_csv([("Longitude", "Latitude", "Note"), *rows], line_end)))
    assert [tuple(row[:3]) for row in result[1:]] == rows
    assert {len(row) for row in result} == {3 + len(ADDRESS_COLUMNS)}


def test_chunks_and_both_searches_give_the_same_rows() -> None:
    spots = SAMPLE.read_text(encoding="utf-8").splitlines()[1:]
    rows = [f"{number},{spots[number % len(spots)]}" for number in range(1003)]
    rows[3], rows[700] = "3,,", "700,nowhere,1"
    text = "\n".join(["Id,Longitude,Latitude", *rows])
    whole = table(enriched(text))
    assert [row[0] for row in whole[1:]] == [str(number) for number in range(1003)]
    assert [row[-1] == "Valid Data" for row in whole[1:]].count(False) == 2
    assert table(enriched(text, chunk_rows=100)) == whole
    assert table(enriched(text, chunk_rows=100)) == whole


def test_between_chunks_the_work_can_be_given_up() -> None:
    class EnoughError(Exception):
        pass

    def give_up() -> None:
        raise EnoughError

    with pytest.raises(EnoughError):
        enrich(io.BytesIO(b"x,y\n1,2\n"), io.StringIO(), Attributes("x", "y"), AddressBook(default_places()), give_up)


def test_a_small_input_is_read_without_numpy() -> None:
    script = f"""
import io, sys
from geopipe_emulator.services.sagemaker_geospatial.addresses import AddressBook
from geopipe_gazetteer.gazetteer import default_places
from geopipe_emulator.services.sagemaker_geospatial.reverse_geocoding import Attributes, enrich
with open({str(SAMPLE)!r}, "rb") as source:
    print(enrich(source, io.StringIO(), Attributes("Longitude", "Latitude"), AddressBook(default_places())))
print({{"numpy", "scipy"}} & set(sys.modules))
"""
    answer = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert answer.stdout.split("\n")[:2] == ["200", "set()"]
