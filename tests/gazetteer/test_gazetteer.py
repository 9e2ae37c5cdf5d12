"""The nearest place, by cells and by the k-d tree, against a comparison with every place."""

from __future__ import annotations

import gzip
import json
import math
import random
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geopipe_gazetteer import build_cells
from geopipe_gazetteer import build_gazetteer as builder
from geopipe_gazetteer.gazetteer import (
    CELLS_FILE,
    DATA_FILE,
    DEGREES,
    Gazetteer,
    NearestPlaces,
    Place,
    default_places,
    first_place,
    group_of,
    unit_vector,
)
from tests.support.kd_tree import KdTree

Point = tuple[float, float]
Numbers = npt.NDArray[np.float64]

FAMOUS = [
    ("White House", (38.8977, -77.0365), "Washington, District of Columbia, USA"),
    ("French Quarter", (29.9584, -90.0644), "New Orleans, Louisiana, USA"),
    ("The Alamo", (29.4260, -98.4861), "San Antonio, Texas, USA"),
    ("Parliament Hill", (45.4236, -75.7009), "Ottawa, Ontario, CAN"),
    ("Zócalo", (19.4326, -99.1332), "Mexico City, Mexico City, MEX"),
    ("Plaza Mayor", (-12.0453, -77.0306), "Lima, Lima Province, PER"),
    ("Obelisco", (-34.6037, -58.3816), "Buenos Aires, Buenos Aires F.D., ARG"),
    ("Edinburgh Castle", (55.9486, -3.2005), "Edinburgh, Scotland, GBR"),
    ("Trinity College", (53.3438, -6.2546), "Dublin, Leinster, IRL"),
    ("Colosseum", (41.8902, 12.4924), "Rome, Lazio, ITA"),
    ("San Marco", (45.4342, 12.3390), "Venice, Veneto, ITA"),
    ("Stephansdom", (48.2085, 16.3738), "Vienna, Vienna, AUT"),
    ("Acropolis", (37.9715, 23.7257), "Athens, Attica, GRC"),
    ("Red Square", (55.7539, 37.6208), "Moscow, Moscow, RUS"),
    ("Taj Mahal", (27.1751, 78.0421), "Agra, Uttar Pradesh, IND"),
    ("Tiananmen Square", (39.9055, 116.3975), "Beijing, Beijing, CHN"),
    ("Angkor Wat", (13.4125, 103.8670), "Siem Reap, Siem Reap, KHM"),
    ("Sky Tower", (-36.8485, 174.7622), "Auckland, Auckland, NZL"),
    ("Suva", (-18.1416, 178.4419), "Suva, Central, FJI"),
    ("Longyearbyen", (78.2232, 15.6356), "Longyearbyen, Svalbard, SJM"),
    ("Pristina", (42.6629, 21.1655), "Pristina, Pristina, XKX"),
]


def a_gazetteer(*points: Point, per_leaf: int = 2) -> Gazetteer:
    """Places at the points, named by their position among them."""
    places = [
        builder.SourcePlace(round(latitude * 100_000), round(longitude * 100_000), str(number), "", "AAA")
        for number, (latitude, longitude) in enumerate(points)
    ]
    return Gazetteer(builder.pack(builder.grow_tree(places, per_leaf)))


def points_of_the_globe(count: int, seed: int) -> list[Point]:
    """A fifth each: anywhere, near each pole, near the antimeridian, near land's end of both kinds."""
    source = random.Random(seed)
    anywhere = [(math.degrees(math.asin(source.uniform(-1, 1))), source.uniform(-180, 180)) for _ in range(count // 5)]
    north = [(90 - abs(source.gauss(0, 6)), source.uniform(-180, 180)) for _ in range(count // 5)]
    south = [(abs(source.gauss(0, 6)) - 90, source.uniform(-180, 180)) for _ in range(count // 5)]
    seam = [
        (source.uniform(-80, 80), math.copysign(180 - source.random() * 2, source.random() - 0.5))
        for _ in range(count // 5)
    ]
    corners = [
        (source.uniform(64, 75), math.copysign(180 - source.random() * 20, source.random() - 0.5))
        for _ in range(count - 4 * (count // 5) - 4)
    ]
    return [*anywhere, *north, *south, *seam, *corners, (90.0, 0.0), (-90.0, 0.0), (0.0, 180.0), (0.0, -180.0)]


def by_brute_force(gazetteer: Gazetteer, points: list[Point]) -> list[int]:
    """Looks at every place: the angle's cosine says which are close, the haversine formula which of them is nearest."""
    latitudes = np.radians(np.array(gazetteer.latitudes) / 100_000)
    longitudes = np.radians(np.array(gazetteer.longitudes) / 100_000)
    across = np.cos(latitudes)
    places = np.column_stack((across * np.cos(longitudes), across * np.sin(longitudes), np.sin(latitudes)))
    found = []
    for latitude, longitude in np.radians(np.array(points)):
        flat = np.cos(latitude)
        cosines = places @ np.array((flat * np.cos(longitude), flat * np.sin(longitude), np.sin(latitude)))
        close = np.flatnonzero(cosines > cosines.max() - 1e-12)
        angles = haversine(latitude, longitude, latitudes[close], longitudes[close])
        found.append(int(close[np.argmin(angles)]))
    return found


def haversine(latitude: float, longitude: float, latitudes: Numbers, longitudes: Numbers) -> Numbers:
    half = np.sin((latitudes - latitude) / 2) ** 2
    half = half + np.cos(latitude) * np.cos(latitudes) * np.sin((longitudes - longitude) / 2) ** 2
    angles: Numbers = 2 * np.arcsin(np.sqrt(half))
    return angles


def test_two_thousand_points_are_where_brute_force_finds_them() -> None:
    places, points = default_places(), points_of_the_globe(2000, seed=1)
    gazetteer = places.gazetteer
    expected = by_brute_force(gazetteer, points)
    assert len(set(expected)) > 300
    assert places.nearest_of_each(points) == expected
    assert [KdTree(gazetteer).nearest(*point) for point in points[:200]] == expected[:200]


def edges() -> list[Point]:
    """Poles, the antimeridian, corners of cells of every size, and the very places."""
    source, gazetteer = random.Random(3), default_places().gazetteer
    whole = [(float(a), float(b)) for a in (-90, -89, -1, 0, 1, 89, 90) for b in range(-180, 181, 9)]
    near_whole = [(math.nextafter(a, 0), math.nextafter(b, 0)) for a, b in whole]
    corners = [(source.randrange(46080) / 256 - 90, source.randrange(92160) / 256 - 180) for _ in range(1500)]
    exact = [
        (gazetteer.latitudes[i] / DEGREES, gazetteer.longitudes[i] / DEGREES)
        for i in source.sample(range(len(gazetteer)), 1500)
    ]
    return [*whole, *near_whole, *corners, *exact]


def test_edges_are_where_the_tree_finds_them() -> None:
    places = default_places()
    tree = KdTree(places.gazetteer)
    assert places.nearest_of_each(edges()) == [tree.nearest(*point) for point in edges()]


def test_a_search_that_begins_again_finds_the_same() -> None:
    points = points_of_the_globe(300, seed=9)
    fresh = NearestPlaces(default_places().gazetteer, CELLS_FILE.read_bytes())
    assert fresh.nearest_of_each(points) == fresh.nearest_of_each(points) == default_places().nearest_of_each(points)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 8), st.integers(2, 60))
def test_no_place_that_is_nearest_in_a_cell_is_dropped(seed: int, level: int, count: int) -> None:
    source, size = random.Random(seed), 256 >> level
    row, column = source.randrange(0, 46080, size), source.randrange(0, 92160, size)
    south, west, degrees = row / 256 - 90, column / 256 - 180, size / 256
    spread = degrees * source.choice([0.5, 1, 4])
    places = [
        unit_vector(max(-90, min(90, source.gauss(south, spread))), source.gauss(west, spread)) for _ in range(count)
    ]
    vectors = np.array(places)
    left = set(build_cells.Builder(vectors)._prune(row, column, level, np.arange(count)).tolist())
    assert left
    for _ in range(40):
        point = unit_vector(south + source.random() * degrees, west + source.random() * degrees)
        assert int(np.argmax(vectors @ np.array(point))) in left


def test_cells_of_another_gazetteer_are_refused() -> None:
    with pytest.raises(ValueError, match="another gazetteer"):
        NearestPlaces(a_gazetteer((1.0, 2.0), (3.0, 4.0)), CELLS_FILE.read_bytes())
    with pytest.raises(ValueError, match="not cells"):
        NearestPlaces(default_places().gazetteer, b"x" * 100)


def test_the_files_are_small_enough_for_a_function() -> None:
    deflated = len(zlib.compress(DATA_FILE.read_bytes())) + CELLS_FILE.stat().st_size
    assert deflated < 6_500_000


@pytest.mark.parametrize(("name", "point", "label"), FAMOUS, ids=[name for name, _, _ in FAMOUS])
def test_famous_places(name: str, point: Point, label: str) -> None:
    place = default_places().gazetteer.place(default_places().nearest(*point))
    assert f"{place.name}, {place.region}, {place.country}" == label


def test_the_antimeridian_is_no_border() -> None:
    gazetteer = a_gazetteer((-16.8, 179.9), (-16.8, 178.0), (-16.8, -178.0))
    assert gazetteer.place(KdTree(gazetteer).nearest(-16.8, -179.9)).name == "0"
    assert KdTree(gazetteer).nearest(-16.8, 180.0) == KdTree(gazetteer).nearest(-16.8, -180.0)


def test_near_the_pole_the_other_side_is_near() -> None:
    gazetteer = a_gazetteer((89.0, 0.0), (85.0, 180.0))
    assert gazetteer.place(KdTree(gazetteer).nearest(89.5, 180.0)).name == "0"


def test_of_places_equally_near_the_tree_takes_the_first() -> None:
    points = [(latitude, longitude) for latitude in (-10.0, 10.0) for longitude in (-20.0, -10.0, 10.0, 20.0)]
    gazetteer = a_gazetteer(*points, per_leaf=1)
    queries = [(0.0, 0.0), (0.0, 15.0), (0.0, -15.0), (10.0, 0.0), (90.0, 0.0)]
    expected = [first_of_the_nearest(gazetteer, query) for query in queries]
    assert [KdTree(gazetteer).nearest(*query) for query in queries] == expected


coordinates = st.tuples(
    st.integers(-9_000_000, 9_000_000).map(lambda value: value / 100_000),
    st.integers(-18_000_000, 18_000_000).map(lambda value: value / 100_000),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(coordinates, min_size=1, max_size=40), coordinates, st.integers(1, 5))
def test_any_tree_of_any_size(points: list[Point], query: Point, per_leaf: int) -> None:
    gazetteer = a_gazetteer(*points, per_leaf=per_leaf)
    assert KdTree(gazetteer).nearest(*query) == first_of_the_nearest(gazetteer, query)


def first_of_the_nearest(gazetteer: Gazetteer, query: Point) -> int:
    x, y, z = unit_vector(*query)
    distances = []
    for index in range(len(gazetteer)):
        place = gazetteer.place(index)
        px, py, pz = unit_vector(place.latitude, place.longitude)
        distances.append((px - x) * (px - x) + (py - y) * (py - y) + (pz - z) * (pz - z))
    return distances.index(min(distances))


@given(st.integers(1, 500), st.integers(0, 8))
def test_every_place_lies_in_one_leaf(places: int, depth: int) -> None:
    for place in range(places):
        leaf = group_of(place, places, depth)
        assert first_place(leaf, places, depth) <= place < first_place(leaf + 1, places, depth)


def write_sources(folder: Path, rows: list[dict[str, Any]]) -> None:
    for name in (builder.PLACES_FILE, builder.COUNTRIES_FILE):
        (folder / name).parent.mkdir(parents=True)
    with gzip.open(folder / builder.PLACES_FILE, "wt", encoding="utf-8") as file:
        json.dump(rows, file)
    countries = {"FR": {"iso3": "FRA"}, "XK": {"iso3": "XKX"}}
    (folder / builder.COUNTRIES_FILE).write_text(json.dumps(countries), encoding="utf-8")


def a_row(city: str, latitude: float = 1.0, longitude: float = 2.0, country: str = "FR", **more: Any) -> dict[str, Any]:
    row = {"city": city, "latitude": latitude, "longitude": longitude, "country_code": country, "population": 1}
    return row | more


def test_what_is_built_is_what_is_read(tmp_path: Path) -> None:
    rows = [
        a_row("Nîmes\u2028 Est", 43.83665, 4.35788, state="Occitanie"),
        a_row("Prishtinë", 42.67272, 21.16688, "XK"),
    ]
    write_sources(tmp_path, rows)
    assert builder.main([str(tmp_path), "--output", str(tmp_path / "one.bin")]) == 0
    gazetteer = Gazetteer((tmp_path / "one.bin").read_bytes())
    assert {gazetteer.place(index) for index in range(len(gazetteer))} == {
        Place("Nîmes Est", "Occitanie", "FRA", 43.83665, 4.35788),
        Place("Prishtinë", "", "XKX", 42.67272, 21.16688),
    }


def test_the_order_of_the_sources_does_not_matter(tmp_path: Path) -> None:
    rows = [a_row(str(number), latitude=number % 7, longitude=number % 11) for number in range(200)]
    for name, ordered in (("one", rows), ("two", rows[::-1])):
        write_sources(tmp_path / name, ordered)
        builder.main([str(tmp_path / name), "--output", str(tmp_path / f"{name}.bin")])
    assert (tmp_path / "one.bin").read_bytes() == (tmp_path / "two.bin").read_bytes()


def test_of_places_at_one_point_the_largest_stays(tmp_path: Path) -> None:
    write_sources(tmp_path, [a_row("A small"), a_row("C large", population=9), a_row("B large", population=9)])
    assert [place.name for place in builder.read_sources(tmp_path)] == ["B large"]


def test_a_country_without_a_code_is_not_passed_over(tmp_path: Path) -> None:
    write_sources(tmp_path, [a_row("Nowhere", country="ZZ")])
    with pytest.raises(KeyError, match="ZZ"):
        builder.read_sources(tmp_path)


def test_the_gazetteer_that_comes_along() -> None:
    gazetteer = default_places().gazetteer
    assert len(gazetteer) > 150_000
    assert DATA_FILE.stat().st_size < 5_000_000
    places = [gazetteer.place(index) for index in range(0, len(gazetteer), 500)]
    assert all(place.name and len(place.country) == 3 and place.country.isupper() for place in places)
    assert sum(bool(place.region) for place in places) > 0.99 * len(places)
    attribution = DATA_FILE.with_name("ATTRIBUTION.txt").read_text(encoding="utf-8")
    assert "GeoNames" in attribution and "creativecommons.org/licenses/by/4.0" in attribution


@pytest.mark.parametrize("data", [b"x" * 100, DATA_FILE.read_bytes()[:1000]], ids=["other", "cut short"])
def test_another_file_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="gazetteer"):
        Gazetteer(data)
