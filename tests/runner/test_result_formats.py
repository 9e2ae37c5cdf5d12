"""The saved formats: a feature for each row, every value with its type, and no half-written file."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import geopandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from geopipe_runner.aws.transfer import MIN_REPORTED, Meter
from geopipe_runner.errors import AwsError
from geopipe_runner.jobs.base import PointColumns
from geopipe_runner.results import read as results
from geopipe_runner.results import save
from geopipe_runner.results.csv import Column, ColumnType, Point, Table, TypeInference, build_table
from tests.support.result_files import FORMAT, HEADER, POINTS, Bucket, Rows, read

Feature = dict[str, Any]


def features(folder: Path) -> list[Feature]:
    collection = json.loads((folder / "results.geojson").read_text("utf-8"))
    assert collection["type"] == "FeatureCollection" and set(collection) == {"type", "features"}
    for feature in collection["features"]:
        assert set(feature) == {"type", "geometry", "properties"} and feature["type"] == "Feature"
    found: list[Feature] = collection["features"]
    return found


def saved(folder: Path, *files: bytes | str, piece: int = 7) -> list[Feature]:
    read(*files, save_to=folder, piece=piece)
    return features(folder)


def test_a_row_is_a_feature(tmp_path: Path) -> None:
    (one, two) = saved(tmp_path, HEADER + '-74.04,40.7,"U""S\r\nA",Valid Data\r\n 1e1 ,-0,,Invalid')
    assert one["geometry"] == {"type": "Point", "coordinates": [-74.04, 40.7]}
    assert one["properties"] == {"reverse_geo.country": 'U"S\r\nA', "reverse_geo.status": "Valid Data"}
    assert two["geometry"]["coordinates"] == [10.0, -0.0]
    assert two["properties"] == {"reverse_geo.country": None, "reverse_geo.status": "Invalid"}


def test_without_rows_it_is_an_empty_collection(tmp_path: Path) -> None:
    assert saved(tmp_path, HEADER) == saved(tmp_path, "") == []


def test_each_feature_has_a_line(tmp_path: Path) -> None:
    saved(tmp_path, HEADER + "1,2,é,Valid Data\n3,4,,Valid Data\n")
    first, *lines, last = (tmp_path / "results.geojson").read_text("utf-8").splitlines()
    assert (first, last) == ('{"type":"FeatureCollection","features":[', "]}")
    assert [json.loads(line.rstrip(","))["geometry"]["coordinates"] for line in lines] == [[1, 2], [3, 4]]
    assert "é" in lines[0]


@pytest.mark.parametrize(
    ("longitude", "latitude", "point"),
    [
        ("180", "-90", (180.0, -90.0)),
        ("180.1", "0", None),
        ("0", "90.00001", None),
        ("", "1", None),
        ("x", "1", None),
        ("nan", "1", None),
        ("inf", "1", None),
        ("1_0", "1", None),
        ("١", "1", None),
        ("1", None, None),
    ],
)
def test_a_point_is_two_numbers_on_earth(longitude: str, latitude: str | None, point: Point | None) -> None:
    row = [longitude] if latitude is None else [longitude, latitude]
    assert build_table(["Longitude", "Latitude"], POINTS).point(row) == point


def test_short_and_long_rows_are_features_too(tmp_path: Path) -> None:
    short, long = saved(tmp_path, HEADER + "1,2\n1,2,USA,Valid Data,too,much\n")
    assert short["geometry"]["coordinates"] == [1, 2]
    assert short["properties"] == {"reverse_geo.country": None, "reverse_geo.status": None}
    assert long["properties"] == {"reverse_geo.country": "USA", "reverse_geo.status": "Valid Data"}


def test_an_empty_line_is_not_a_row(tmp_path: Path) -> None:
    found = read(HEADER + "1,2,USA,Valid Data\n\n\r\n", save_to=tmp_path)
    assert found.rows == len(features(tmp_path)) == 1


def names(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def test_every_column_has_a_name_of_its_own() -> None:
    table = build_table(["a", "Latitude", "", "a", "Longitude", "geometry", " b "], POINTS)
    assert names(table) == ["a", "Latitude", "column_3", "a_2", "Longitude", "geometry_2", "b"]
    assert [column.index for column in table.columns if column.is_coordinate] == [1, 4]
    assert table.point(["", "1", "", "", "2"]) == (2.0, 1.0)


def test_columns_are_found_with_blanks_around_their_names() -> None:
    assert build_table([" Longitude", "Latitude "], POINTS).longitude == 0
    assert names(build_table(["Longitude ", "Longitude"], POINTS)) == ["Longitude", "Longitude_2"]


def test_without_coordinate_columns_nothing_has_a_place(tmp_path: Path) -> None:
    (feature,) = saved(tmp_path, "Longitude,b\n1,2\n")
    assert feature == {"type": "Feature", "geometry": None, "properties": {"Longitude": 1, "b": 2}}


def test_several_files_are_one_collection(tmp_path: Path) -> None:
    rows = ["1,2,USA,Valid Data\n", "3,4,FRA,Valid Data", "5,6,,Invalid\n"]
    bom = "\ufeff"
    found = saved(tmp_path, bom + HEADER + rows[0], HEADER + rows[1], "", "\n" + HEADER + rows[2])
    assert [feature["geometry"]["coordinates"][0] for feature in found] == [1, 3, 5]
    with (tmp_path / "results.csv").open(newline="", encoding="utf-8-sig") as file:
        assert [row["Longitude"] for row in csv.DictReader(file)] == ["1", "3", "5"]


def test_an_empty_first_file_does_not_take_the_header_with_it(tmp_path: Path) -> None:
    assert len(saved(tmp_path, "", HEADER + "1,2,USA,Valid Data\n")) == 1
    assert (tmp_path / "results.csv").read_text() == HEADER + "1,2,USA,Valid Data\n"


def test_files_with_other_columns_are_not_mixed(tmp_path: Path) -> None:
    with pytest.raises(AwsError, match=r"results_1.csv has other columns"):
        read(HEADER + "1,2,USA,Valid Data\n", "Latitude,Longitude\n1,2\n", save_to=tmp_path)
    assert list(tmp_path.iterdir()) == []


# Types


def infer(header: list[str], rows: list[list[str]], points: PointColumns = POINTS, text: str = "") -> list[ColumnType]:
    inference = TypeInference(header, points, frozenset({text}))
    for row in rows:
        inference.observe(row)
    return inference.types


@pytest.mark.parametrize(
    ("cells", "column_type", "values"),
    [
        (["1", "-20", "", "0"], ColumnType.INTEGER, [1, -20, None, 0]),
        (["1", "2.50", " 3 "], ColumnType.NUMBER, [1.0, 2.5, 3.0]),
        (["1e+05", "-2.5E-3", "  "], ColumnType.NUMBER, [1e5, -2.5e-3, None]),
        (["true", "FALSE", ""], ColumnType.BOOLEAN, [True, False, None]),
        (["1", "x", ""], ColumnType.TEXT, ["1", "x", None]),
        (["true", "1"], ColumnType.TEXT, ["true", "1"]),
        (["", ""], ColumnType.TEXT, [None, None]),
    ],
)
def test_a_column_has_the_type_of_all_its_values(
    cells: list[str], column_type: ColumnType, values: list[object]
) -> None:
    rows = [[cell] for cell in cells]
    assert infer(["a"], rows) == [column_type]
    assert [Column(0, "a", column_type).convert(cell) for cell in cells] == values


@pytest.mark.parametrize(
    "cell",
    ["007", "+49", "1,5", "1_000", "0x1F", "12E5", "nan", "inf", "1e+999", "1234567890123456", "3.14159265358979323846",
     "١", "99501 6301", ".5", "1.", "yes", "2026-01-01"],
)  # fmt: skip
def test_what_a_number_would_change_stays_text(cell: str) -> None:
    assert infer(["a"], [["1"], [cell]]) == [ColumnType.TEXT]
    assert infer(["a"], [[cell], ["1"]]) == [ColumnType.TEXT]


def test_a_postal_code_is_text() -> None:
    assert infer(["a"], [["99501"]], text="a") == [ColumnType.TEXT]
    assert "reverse_geo.postal_code" in FORMAT.text_columns


def test_coordinates_are_numbers_unless_one_is_not() -> None:
    header = ["Longitude", "Latitude", "z"]
    assert infer(header, [["1", "1e1", "1"], ["2", "\n3.5 ", "2"]])[:2] == [ColumnType.NUMBER] * 2
    assert infer(header, [["1", "2", ""], ["12°30'", "", ""]])[:2] == [ColumnType.TEXT, ColumnType.NUMBER]


def test_values_have_their_types_in_every_format(tmp_path: Path) -> None:
    text = "Longitude,Latitude,id,depth,wet,zip,reverse_geo.postal_code,note\n"
    text += "1.5,2,7,10,true,01234,99501,a\n3,4,8,2.5,false,56789,,\n"
    first, second = saved(tmp_path, text)
    names = ("id", "depth", "wet", "zip", "reverse_geo.postal_code", "note")
    assert first["properties"] == dict(zip(names, (7, 10.0, True, "01234", "99501", "a"), strict=True))
    assert second["properties"] == dict(zip(names, (8, 2.5, False, "56789", None, None), strict=True))
    table = parquet.read_table(tmp_path / "results.parquet")
    types = [str(field.type) for field in table.schema]
    assert types == ["double", "double", "int64", "double", "bool", "string", "string", "string", "binary"]
    rows = [{name: row[name] for name in names} for row in table.to_pylist()]
    assert rows == [first["properties"], second["properties"]]
    assert table.column("Longitude").to_pylist() == [1.5, 3.0]


cells = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(cells, min_size=1, max_size=4),
    st.lists(st.lists(cells, min_size=1, max_size=5), max_size=6),
    st.integers(1, 9),
    st.data(),
)
def test_any_table_has_a_feature_for_each_row(
    tmp_path_factory: pytest.TempPathFactory, header: list[str], rows: list[list[str]], piece: int, data: st.DataObject
) -> None:
    longitude, latitude = data.draw(st.sampled_from(header)), data.draw(st.sampled_from(header))
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *rows])
    folder = tmp_path_factory.mktemp("any")
    aws: Any = Bucket({"k": text.getvalue().encode()}, piece)
    result_files = results.ResultFiles("b", ("k",), (1,))
    found = results.save(aws, result_files, FORMAT, 3, folder, PointColumns(longitude, latitude))
    collection = features(folder)
    assert found.rows == len(collection) == len(rows)
    columns = PointColumns(longitude, latitude)
    table = build_table(header, columns, infer(header, rows, columns))
    for row, feature in zip(rows, collection, strict=True):
        values = zip(table.columns, table.values(row), strict=True)
        assert feature["properties"] == {column.name: value for column, value in values if not column.is_coordinate}
        point = table.point(row)
        assert feature["geometry"] == (point and {"type": "Point", "coordinates": list(point)})


class InterruptedBucket(Bucket):
    """The user presses Ctrl-C in the middle of a file."""

    def get_object(self, **wanted: Any) -> dict[str, Any]:
        return {"Body": self, "ETag": "etag"}

    def read(self, size: int) -> bytes:
        self.fetched.append(size)
        if len(self.fetched) == 3:
            raise KeyboardInterrupt
        return (HEADER + "1,2,USA,Valid Data\n" * 3000).encode()[:size]


def test_an_interrupted_save_leaves_nothing(tmp_path: Path) -> None:
    aws: Any = InterruptedBucket({})
    with pytest.raises(KeyboardInterrupt):
        results.save(aws, results.ResultFiles("b", ("k",), (1,)), FORMAT, 5, tmp_path, POINTS)
    assert list(tmp_path.iterdir()) == []


def test_all_files_get_their_names_at_the_end(tmp_path: Path) -> None:
    with save.saving(tmp_path, POINTS) as copy:
        copy.copy(b"Longitude,Latitude\n1,2\n")
        copy.begin_rows(["Longitude", "Latitude"])
        copy.add(["1", "2"])
        assert not any(path.exists() for path in copy.paths)
    assert {path.name for path in tmp_path.iterdir()} == {
        "results.csv",
        *(file_format.file_name for file_format in save.FORMATS),
    }


def test_the_results_name_the_saved_files(tmp_path: Path) -> None:
    found = read(HEADER, save_to=tmp_path)
    assert found.saved == found.files[0] == tmp_path / "results.csv"
    names = {"results.csv", "results.geojson", "results.parquet"}
    assert set(found.files) == set(tmp_path.iterdir()) == {tmp_path / name for name in names}


SHORT, WIDE = 30_000, 100
LARGE = (
    "Longitude,Latitude,é\n"
    + "".join(f"{row % 180},{row % 90},éü{row}\n" for row in range(SHORT))
    + ("1,2," + "x" * 100_000 + "\n") * WIDE
)


@pytest.fixture(scope="module")
def large() -> bytes:
    content = LARGE.encode()
    assert len(content) > results.COUNTED_UP_TO
    return content


@pytest.mark.parametrize(("rows", "most"), [(5, 1 << 16), (20_000, 1 << 19), (0, 1 << 16)])
def test_of_a_large_file_only_the_first_part_is_fetched(large: bytes, rows: int, most: int) -> None:
    bucket = Bucket({"k_0": large, "k_1": large}, 1 << 20)
    aws: Any = bucket
    result_files = results.ResultFiles("b", ("k_0", "k_1"), (len(large), len(large)))
    found = results.show(aws, result_files, FORMAT, rows)
    assert (found.rows, found.valid, found.size) == (None, None, 2 * len(large))
    assert found.header == ("Longitude", "Latitude", "é")
    assert found.first == tuple((str(row % 180), str(row % 90), f"éü{row}") for row in range(rows))
    assert 0 < sum(bucket.fetched) <= most


def test_a_preview_continues_in_the_next_file(large: bytes) -> None:
    small = "Longitude,Latitude,é\n1,2,first".encode()
    aws: Any = Bucket({"k_0": small, "k_1": b"", "k_2": large}, 1 << 20)
    result_files = results.ResultFiles("b", ("k_0", "k_1", "k_2"), (len(small), 0, len(large)))
    found = results.show(aws, result_files, FORMAT, 2)
    assert found.first == (("1", "2", "first"), ("0", "0", "éü0"))


def test_a_preview_may_have_all_rows(large: bytes) -> None:
    aws: Any = Bucket({"k": large}, 1 << 20)
    found = results.show(aws, results.ResultFiles("b", ("k",), (len(large),)), FORMAT, 2_000_000)
    assert len(found.first) == SHORT + WIDE


def test_a_small_result_is_counted() -> None:
    found = read(HEADER + "1,2,USA,Valid Data\n")
    assert (found.rows, found.valid, found.saved, found.files) == (1, 1, None, ())
    assert found.size == len(HEADER) + 19


class Reported:
    def __init__(self) -> None:
        self.events: list[tuple[str, int, int]] = []

    def __call__(self, what: str, done: int, total: int) -> None:
        self.events.append((what, done, total))


def test_a_small_transfer_is_not_reported() -> None:
    reported = Reported()
    Meter(reported, "x", MIN_REPORTED - 1).add(MIN_REPORTED - 1)
    assert reported.events == []


@pytest.mark.parametrize("piece", [1000, 1 << 20, 1 << 30])
def test_a_transfer_is_reported_from_its_beginning_to_its_end(piece: int) -> None:
    reported, total = Reported(), 10 * MIN_REPORTED + 1
    meter = Meter(reported, "x", total)
    for begin in range(0, total, piece):
        meter.add(min(piece, total - begin))
    done = [done for _, done, _ in reported.events]
    assert done == sorted(set(done)) and done[0] == 0 and done[-1] == total
    assert len(done) <= 102


@pytest.mark.slow
def test_a_download_of_several_files_is_one_transfer(tmp_path: Path, large: bytes) -> None:
    reported = Reported()
    aws: Any = Bucket({"r/k_0": large, "r/k_1": large}, 1 << 20)
    result_files = results.ResultFiles("b", ("r/k_0", "r/k_1"), (len(large), len(large)))
    results.save(aws, result_files, FORMAT, 5, tmp_path, POINTS, reported)
    assert {what for what, _, _ in reported.events} == {"Downloading k_0 and 1 more"}
    assert {total for _, _, total in reported.events} == {2 * len(large)}
    done = [done for _, done, _ in reported.events]
    assert done == sorted(set(done)) and (done[0], done[-1]) == (0, 2 * len(large))


def test_parquet_has_the_same_rows(tmp_path: Path) -> None:
    saved(tmp_path, HEADER + '1.5,-2,"U\nS",Valid Data\nx,2,,Invalid\n1,2\n')
    file = parquet.ParquetFile(tmp_path / "results.parquet")
    geo = json.loads(file.schema_arrow.metadata[b"geo"])
    assert (geo["version"], geo["primary_column"]) == ("1.1.0", "geometry")
    assert geo["columns"]["geometry"] == {"encoding": "WKB", "geometry_types": ["Point"]}
    first, second, third = file.read().to_pylist()
    wkb = bytes.fromhex("0101000000000000000000f83f00000000000000c0")
    assert first == {
        "Longitude": "1.5",
        "Latitude": -2.0,
        "reverse_geo.country": "U\nS",
        "reverse_geo.status": "Valid Data",
        "geometry": wkb,
    }
    assert (second["Longitude"], second["reverse_geo.country"], second["geometry"]) == ("x", None, None)
    assert third["reverse_geo.country"] is None and third["geometry"] is not None


@pytest.mark.slow
def test_parquet_is_written_in_groups(tmp_path: Path) -> None:

    class Many(Bucket):
        def get_object(self, **wanted: Any) -> dict[str, Any]:
            return {"Body": Rows(70_000)}

    aws: Any = Many({})
    results.save(aws, results.ResultFiles("b", ("k",), (1,)), FORMAT, 5, tmp_path, POINTS)
    file = parquet.ParquetFile(tmp_path / "results.parquet")
    groups = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    assert groups == [32_768, 32_768, 4_464]


@pytest.mark.slow
def test_a_group_of_wide_rows_has_fewer(tmp_path: Path, large: bytes) -> None:
    aws: Any = Bucket({"k": large * 2}, 1 << 20)
    results.save(aws, results.ResultFiles("b", ("k",), (1,)), FORMAT, 5, tmp_path, POINTS)
    file = parquet.ParquetFile(tmp_path / "results.parquet")
    groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
    assert len(groups) > 1 and sum(group.num_rows for group in groups) == 2 * (SHORT + WIDE) + 1


def test_an_empty_parquet_has_columns(tmp_path: Path) -> None:
    saved(tmp_path, HEADER)
    assert parquet.read_table(tmp_path / "results.parquet").column_names == [
        "Longitude",
        "Latitude",
        "reverse_geo.country",
        "reverse_geo.status",
        "geometry",
    ]


@pytest.mark.parametrize("name", ["results.geojson", "results.parquet"])
def test_geopandas_reads_it_back(tmp_path: Path, name: str) -> None:
    text = (
        HEADER
        + "".join(f"{row}.25,-{row % 90}.5,Land {row},Valid Data\n" for row in range(120))
        + ",,nowhere,Invalid\n"
    )
    saved(tmp_path, text, piece=1 << 20)
    reader = geopandas.read_parquet if name.endswith("parquet") else geopandas.read_file
    frame = reader(tmp_path / name)
    assert len(frame) == 121 and frame.crs.to_authority() in (("OGC", "CRS84"), ("EPSG", "4326"))
    assert (frame.geometry[7].x, frame.geometry[7].y) == (7.25, -7.5)
    assert frame.geometry[120] is None
    assert list(frame["reverse_geo.country"][[7, 120]]) == ["Land 7", "nowhere"]
