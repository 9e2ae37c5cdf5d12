"""Every provider runs the same pipeline offline and finds the same places; so does a function of the user's own."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.e2e import StartStanding, Workplace
from tests.support.paths import ROOT

EXAMPLE = ROOT / "docs/examples/map_rows/config.yaml"
PLACE = ("reverse_geo.municipality", "reverse_geo.region", "reverse_geo.country")
ROWS = 200


def run(workplace: Workplace, config: Path) -> list[dict[str, str]]:
    """Returns the result rows of a run that must succeed."""
    folder = workplace.folder / "out"
    done = workplace.geopipe(config, "--non-interactive", "--cleanup=all", "--output-dir", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Execution finished with status Succeeded." in done.stdout
    return rows_of(folder / "results.csv")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """The rows of the provider that runs a job of SageMaker geospatial."""
    workplace = Workplace(tmp_path_factory.mktemp("geospatial"))
    return run(workplace, workplace.config())


@pytest.mark.parametrize("scope", ["all", "resources"])
@pytest.mark.parametrize("provider", ["gazetteer", "amazon_location"])
def test_a_provider_finds_the_places_that_sagemaker_geospatial_finds(
    workplace: Workplace, expected: list[dict[str, str]], provider: str, scope: str
) -> None:
    rows = run(workplace, workplace.config(job={"provider": provider}, iam={"scope": scope}))
    assert len(rows) == len(expected) == ROWS
    assert [{name: row[name] for name in PLACE} for row in rows] == [
        {name: row[name] for name in PLACE} for row in expected
    ]
    assert {row["reverse_geo.status"] for row in rows} == {"Valid Data"}
    coordinates = ("Longitude", "Latitude")
    assert [[row[name] for name in coordinates] for row in rows] == [
        [row[name] for name in coordinates] for row in rows_of(ROOT / "resources/latlongtest.csv")
    ]


def test_the_provider_is_the_only_value_to_change(workplace: Workplace) -> None:
    text = (ROOT / "config/local.yaml").read_text(encoding="utf-8")
    assert "provider: sagemaker_geospatial" in text
    config = workplace.folder / "local.yaml"
    text = text.replace("provider: sagemaker_geospatial", "provider: gazetteer")
    config.write_text(text.replace("../", f"{ROOT}/"), encoding="utf-8")
    assert len(run(workplace, config)) == ROWS


def test_the_local_configuration_of_amazon_location_runs(workplace: Workplace) -> None:
    assert len(run(workplace, ROOT / "config/local-amazon-location.yaml")) == ROWS


def test_a_function_of_the_users_own_runs_over_all_rows(workplace: Workplace) -> None:
    rows = run(workplace, EXAMPLE)
    given = rows_of(ROOT / "docs/examples/own_steps/deliveries.csv")
    assert [row["delivery"] for row in rows] == [row["delivery"] for row in given]
    by_delivery = {row["delivery"]: row for row in rows}
    assert by_delivery["D-001"]["depot"] == "Berlin" and float(by_delivery["D-001"]["depot_km"]) < 150
    assert by_delivery["D-008"]["depot"] == by_delivery["D-008"]["depot_km"] == ""  # it has no coordinates


@pytest.mark.parametrize("options", [["--non-interactive"], ["--output", "json"]])
def test_a_run_above_the_limit_of_requests_is_refused_before_anything_is_created(
    workplace: Workplace, start_standing: StartStanding, options: list[str]
) -> None:
    standing = start_standing()
    config = workplace.config(endpoint=standing.url, job=_paid())
    done = workplace.geopipe(config, *options)
    assert done.returncode == 5, done.stdout + done.stderr
    assert "200 requests" in done.stdout + done.stderr and "--yes-cost" in done.stdout + done.stderr
    assert standing.mutating_calls() == {} and standing.inventory() == {}


def test_the_plan_says_what_a_run_costs(workplace: Workplace) -> None:
    config = workplace.config(job={**_paid(), "price_per_1000": 0.5})
    done = workplace.geopipe(config, "--dry-run")
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    assert "The input has 200 rows, in 3 parts." in text
    assert "200 requests" in text and "IntendedUse=Storage" in text and "they cost 0.10" in text


def test_a_person_is_asked_about_the_cost(workplace: Workplace, start_standing: StartStanding) -> None:
    standing = start_standing()
    config = workplace.config(endpoint=standing.url, job=_paid())
    done = workplace.geopipe(config, answers="n\n")
    assert done.returncode == 5, done.stdout + done.stderr
    assert "Run it? (y/n)" in done.stdout and "the cost was not confirmed" in done.stderr
    assert standing.mutating_calls() == {}


def test_a_confirmed_cost_is_paid(workplace: Workplace) -> None:
    done = workplace.geopipe(workplace.config(job=_paid()), "--output", "json", "--cleanup=all", "--yes-cost")
    assert done.returncode == 0, done.stdout + done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["rows"] for event in events if event["event"] == "results"] == [ROWS]


def _paid() -> dict[str, Any]:
    return {"provider": "amazon_location", "confirm_above_requests": 199}
