"""What is said of a local input before the job that reads it is paid for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from runner_fakes import deployment

from geopipe_runner.config.model import S3Location
from geopipe_runner.jobs.reverse_geocoding import ReverseGeocoding


def warning(source: Path | S3Location) -> str | None:
    there = deployment()
    config = replace(there.config, input=replace(there.config.input, source=source))
    return ReverseGeocoding().input_warning(replace(there, config=config))


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("Longitude,Latitude", None),
        ("\ufeffname,Latitude, Longitude ", None),
        ("", None),
        ("lon,lat", "has no columns 'Longitude' and 'Latitude', so the job will fail; it has 'lon', 'lat'."),
        ("longitude,Latitude", "has no column 'Longitude', so"),
    ],
)
def test_columns_that_are_missing(tmp_path: Path, header: str, told: str | None) -> None:
    source = tmp_path / "points.csv"
    source.write_text(f"{header}\n1,2\n", "utf-8")
    found = warning(source)
    assert found is None if told is None else found and f"points.csv {told}" in found


def test_of_what_cannot_be_read_nothing_is_said(tmp_path: Path) -> None:
    assert warning(tmp_path / "gone.csv") is None
    assert warning(S3Location("bucket", "key.csv")) is None
