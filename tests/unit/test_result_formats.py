"""The saved formats: as many features as rows, every cell where it belongs, and no half-written file."""

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
from test_results import FORMAT, HEADER, POINTS, Bucket, Rows, read

from geopipe_runner.aws.transfer import WORTH_TELLING, Meter
from geopipe_runner.errors import AwsError
from geopipe_runner.jobs.base import PointColumns
from geopipe_runner.pipeline import results, saving
from geopipe_runner.pipeline.geojson import GeoJson
from geopipe_runner.pipeline.table import Point, table

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
    assert two["properties"] == {"reverse_geo.country": "", "reverse_geo.status": "Invalid"}


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
    assert table(["Longitude", "Latitude"], POINTS).point(row) == point


def test_short_and_long_rows_are_features_too(tmp_path: Path) -> None:
    short, long = saved(tmp_path, HEADER + "1,2\n1,2,USA,Valid Data,too,much\n")
    assert short["geometry"]["coordinates"] == [1, 2]
    assert short["properties"] == {"reverse_geo.country": None, "reverse_geo.status": None}
    assert long["properties"] == {"reverse_geo.country": "USA", "reverse_geo.status": "Valid Data"}


def test_a_line_with_nothing_on_it_is_no_row(tmp_path: Path) -> None:
    found = read(HEADER + "1,2,USA,Valid Data\n\n\r\n", save_to=tmp_path)
    assert found.rows == len(features(tmp_path)) == 1


def test_names_are_told_apart() -> None:
    columns = table(["a", "Latitude", "", "a", "Longitude", "geometry", " b "], POINTS)
    assert columns.names == ("a", "column_3", "a_2", "geometry_2", "b")
    assert columns.columns == (0, 2, 3, 5, 6)
    assert columns.point(["", "1", "", "", "2"]) == (2.0, 1.0)


def test_columns_are_found_whatever_blanks_are_around_them() -> None:
    assert table([" Longitude", "Latitude "], POINTS).longitude == 0
    assert table(["Longitude ", "Longitude"], PointColumns("Longitude", "Latitude")).names == (
        "Longitude",
        "Longitude_2",
    )


def test_without_coordinate_columns_nothing_has_a_place(tmp_path: Path) -> None:
    (feature,) = saved(tmp_path, "Longitude,b\n1,2\n")
    assert feature == {"type": "Feature", "geometry": None, "properties": {"Longitude": "1", "b": "2"}}


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
    there = results.ResultFiles("b", ("k",), (1,))
    found = results.save(aws, there, FORMAT, 3, folder, PointColumns(longitude, latitude))
    collection = features(folder)
    assert found.rows == len(collection) == len(rows)
    columns = table(header, PointColumns(longitude, latitude))
    for row, feature in zip(rows, collection, strict=True):
        assert list(feature["properties"].values()) == columns.properties(row)
        point = columns.point(row)
        assert feature["geometry"] == (point and {"type": "Point", "coordinates": list(point)})


class Interrupted(Bucket):
    """Someone presses Ctrl-C in the midst of a file."""

    def get_object(self, **wanted: Any) -> dict[str, Any]:
        return {"Body": self, "ETag": "etag"}

    def read(self, size: int) -> bytes:
        self.fetched.append(size)
        if len(self.fetched) == 3:
            raise KeyboardInterrupt
        return (HEADER + "1,2,USA,Valid Data\n" * 3000).encode()[:size]


def test_an_interrupted_save_leaves_nothing(tmp_path: Path) -> None:
    aws: Any = Interrupted({})
    with pytest.raises(KeyboardInterrupt):
        results.save(aws, results.ResultFiles("b", ("k",), (1,)), FORMAT, 5, tmp_path, POINTS)
    assert list(tmp_path.iterdir()) == []


def test_all_files_get_their_names_at_the_end(tmp_path: Path) -> None:
    with saving.saving(tmp_path, POINTS, {"results.geojson": GeoJson}) as copy:
        copy.copy(b"Longitude,Latitude\n1,2\n")
        copy.begin_rows(["Longitude", "Latitude"])
        copy.add(["1", "2"])
        assert not any(path.exists() for path in copy.paths)
    assert {path.name for path in tmp_path.iterdir()} == {"results.csv", "results.geojson"}


def test_what_is_saved_is_told(tmp_path: Path) -> None:
    found = read(HEADER, save_to=tmp_path)
    assert found.saved == found.files[0] == tmp_path / "results.csv"
    assert (
        set(found.files) == set(tmp_path.iterdir()) == {tmp_path / name for name in ("results.csv", *saving.formats())}
    )


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
    there = results.ResultFiles("b", ("k_0", "k_1"), (len(large), len(large)))
    found = results.show(aws, there, FORMAT, rows)
    assert (found.rows, found.valid, found.size) == (None, None, 2 * len(large))
    assert found.header == ("Longitude", "Latitude", "é")
    assert found.first == tuple((str(row % 180), str(row % 90), f"éü{row}") for row in range(rows))
    assert 0 < sum(bucket.fetched) <= most


def test_a_preview_goes_on_in_the_next_file(large: bytes) -> None:
    small = "Longitude,Latitude,é\n1,2,first".encode()
    aws: Any = Bucket({"k_0": small, "k_1": b"", "k_2": large}, 1 << 20)
    there = results.ResultFiles("b", ("k_0", "k_1", "k_2"), (len(small), 0, len(large)))
    found = results.show(aws, there, FORMAT, 2)
    assert found.first == (("1", "2", "first"), ("0", "0", "éü0"))


def test_a_preview_of_less_than_is_wanted_is_all(large: bytes) -> None:
    aws: Any = Bucket({"k": large}, 1 << 20)
    found = results.show(aws, results.ResultFiles("b", ("k",), (len(large),)), FORMAT, 2_000_000)
    assert len(found.first) == SHORT + WIDE


def test_a_small_result_is_counted() -> None:
    found = read(HEADER + "1,2,USA,Valid Data\n")
    assert (found.rows, found.valid, found.saved, found.files) == (1, 1, None, ())
    assert found.size == len(HEADER) + 19


class Told:
    def __init__(self) -> None:
        self.events: list[tuple[str, int, int]] = []

    def __call__(self, what: str, done: int, total: int) -> None:
        self.events.append((what, done, total))


def test_a_small_transfer_is_not_told() -> None:
    told = Told()
    Meter(told, "x", WORTH_TELLING - 1).add(WORTH_TELLING - 1)
    assert told.events == []


@pytest.mark.parametrize("piece", [1000, 1 << 20, 1 << 30])
def test_a_transfer_is_told_from_begin_to_end(piece: int) -> None:
    told, total = Told(), 10 * WORTH_TELLING + 1
    meter = Meter(told, "x", total)
    for begin in range(0, total, piece):
        meter.add(min(piece, total - begin))
    done = [done for _, done, _ in told.events]
    assert done == sorted(set(done)) and done[0] == 0 and done[-1] == total
    assert len(done) <= 102


def test_a_download_is_told_as_one_whole(tmp_path: Path, large: bytes) -> None:
    told = Told()
    aws: Any = Bucket({"r/k_0": large, "r/k_1": large}, 1 << 20)
    there = results.ResultFiles("b", ("r/k_0", "r/k_1"), (len(large), len(large)))
    results.save(aws, there, FORMAT, 5, tmp_path, POINTS, told)
    assert {what for what, _, _ in told.events} == {"Downloading k_0 and 1 more"}
    assert {total for _, _, total in told.events} == {2 * len(large)}
    done = [done for _, done, _ in told.events]
    assert done == sorted(set(done)) and (done[0], done[-1]) == (0, 2 * len(large))


def test_parquet_has_the_same_rows(tmp_path: Path) -> None:
    saved(tmp_path, HEADER + '1.5,-2,"U\nS",Valid Data\nx,2,,Invalid\n1,2\n')
    file = parquet.ParquetFile(tmp_path / "results.parquet")
    geo = json.loads(file.schema_arrow.metadata[b"geo"])
    assert (geo["version"], geo["primary_column"]) == ("1.1.0", "geometry")
    assert geo["columns"]["geometry"] == {"encoding": "WKB", "geometry_types": ["Point"]}
    first, second, third = file.read().to_pylist()
    wkb = bytes.fromhex("0101000000000000000000f83f00000000000000c0")
    assert first == {"reverse_geo.country": "U\nS", "reverse_geo.status": "Valid Data", "geometry": wkb}
    assert second == {"reverse_geo.country": "", "reverse_geo.status": "Invalid", "geometry": None}
    assert third["reverse_geo.country"] is None and third["geometry"] is not None


def test_parquet_is_written_in_groups(tmp_path: Path) -> None:

    class Many(Bucket):
        def get_object(self, **wanted: Any) -> dict[str, Any]:
            return {"Body": Rows(70_000)}

    aws: Any = Many({})
    results.save(aws, results.ResultFiles("b", ("k",), (1,)), FORMAT, 5, tmp_path, POINTS)
    file = parquet.ParquetFile(tmp_path / "results.parquet")
    groups = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
    assert groups == [32_768, 32_768, 4_464]


def test_a_group_of_wide_rows_has_fewer(tmp_path: Path, large: bytes) -> None:
    aws: Any = Bucket({"k": large * 2}, 1 << 20)
    results.save(aws, results.ResultFiles("b", ("k",), (1,)), FORMAT, 5, tmp_path, POINTS)
    file = parquet.ParquetFile(tmp_path / "results.parquet")
    groups = [file.metadata.row_group(number) for number in range(file.num_row_groups)]
    assert len(groups) > 1 and sum(group.num_rows for group in groups) == 2 * (SHORT + WIDE) + 1


def test_an_empty_parquet_has_columns(tmp_path: Path) -> None:
    saved(tmp_path, HEADER)
    assert parquet.read_table(tmp_path / "results.parquet").column_names == [
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
