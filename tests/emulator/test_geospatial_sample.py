"""The sample file that comes along: real places all over the world, in the plainest form of CSV."""

from __future__ import annotations

import csv
import io

from geopipe_emulator.services.sagemaker_geospatial.addresses import AddressBook
from geopipe_emulator.services.sagemaker_geospatial.reverse_geocoding import Attributes, enrich
from geopipe_gazetteer.gazetteer import default_places
from tests.support.paths import ROOT

SAMPLE = ROOT / "resources" / "latlongtest.csv"

WHO_IS_THERE = {
    ("-74.0445", "40.6892"): "Battery Park City, New York, USA",  # Statue of Liberty
    ("-58.3816", "-34.6037"): "Buenos Aires, Buenos Aires F.D., ARG",
    ("-0.1246", "51.5007"): "City of Westminster, England, GBR",  # Big Ben
    ("31.1342", "29.9792"): "Kirdāsah, Giza, EGY",  # the pyramids
    ("139.7454", "35.6586"): "Shibakōen, Tokyo, JPN",  # Tokyo Tower
    ("151.2153", "-33.8568"): "The Rocks, New South Wales, AUS",  # Sydney Opera House
    ("-176.5597", "-43.9535"): "Waitangi, Chatham Islands, NZL",
    ("-179.9870", "-16.7890"): "Labasa, Northern, FJI",  # across the antimeridian
    ("172.9100", "52.9000"): "Nikol’skoye, Kamchatka, RUS",  # Attu
    ("15.6356", "78.2232"): "Longyearbyen, Svalbard, SJM",
    ("-62.3481", "82.5018"): "Upernavik, Avannaata, GRL",  # Alert
    ("0.0000", "-90.0000"): "Puerto Williams, Region of Magallanes, CHL",  # Amundsen-Scott
}


def test_the_file_is_plain() -> None:
    data = SAMPLE.read_bytes()
    assert data.isascii() and b"\r" not in data and b'"' not in data and data.endswith(b"\n")
    lines = data.decode().splitlines()
    assert lines[0] == "Longitude,Latitude"
    assert len(lines) == 201 and len(set(lines)) == 201


def test_its_points_lie_all_over_the_world() -> None:
    points = [(float(row["Longitude"]), float(row["Latitude"])) for row in read_sample()]
    assert sum(longitude > 170 for longitude, _ in points) >= 8
    assert sum(longitude < -170 for longitude, _ in points) >= 8
    assert sum(latitude > 66.5 for _, latitude in points) >= 8
    assert sum(latitude < -63 for _, latitude in points) >= 8


def test_every_row_is_enriched_with_the_place_it_means() -> None:
    target = io.StringIO(newline="")
    with SAMPLE.open("rb") as source:
        count = enrich(source, target, Attributes("Longitude", "Latitude"), AddressBook(default_places()))
    rows = list(csv.DictReader(io.StringIO(target.getvalue(), newline="")))
    assert count == len(rows) == 200
    assert {row["reverse_geo.status"] for row in rows} == {"Valid Data"}
    assert len({row["reverse_geo.country"] for row in rows}) > 90
    labels = {(row["Longitude"], row["Latitude"]): row["reverse_geo.label"] for row in rows}
    assert {point: labels.get(point) for point in WHO_IS_THERE} == WHO_IS_THERE


def read_sample() -> list[dict[str, str]]:
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
