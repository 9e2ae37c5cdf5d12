"""The scenario of the specification, offline, from the first line to an empty account."""

from __future__ import annotations

import csv
import math
import random
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

from geopipe_gazetteer.gazetteer import default_places
from tests.support.e2e import Standing, Workplace
from tests.support.paths import ROOT

_TRANSCRIPT = [
    "Welcome to the Amazon SageMaker pipeline example scenario.",
    "Plan: 13 to create, 0 to update, 0 to delete, 0 unchanged.",
    "First, we will set up the roles, functions, and queue needed by the SageMaker pipeline.",
    "Checking for role named SageMakerExampleLambdaRole.",
    "Checking for role named SageMakerExampleRole.",
    "Setting up the Lambda function for the pipeline.",
    "Lambda ready with ARN arn:aws:lambda:us-west-2:123456789012:function:SageMakerExampleFunction",
    "Setting up queue sagemaker-sdk-example-queue.",
    "Setting up bucket geopipe-local-123456789012.",
    "Bucket geopipe-local-123456789012 ready",
    "Now we can create and execute our pipeline.",
    "Setting up the pipeline.",
    "Pipeline set up with ARN arn:aws:sagemaker:us-west-2:123456789012:pipeline/sagemaker-sdk-example-pipeline",
    "Starting pipeline execution.",
    "Execution started with ARN",
    "Waiting for pipeline execution to finish.",
    "Execution status is Executing.",
    "Execution status is Succeeded.",
    "Execution finished with status Succeeded.",
    "Getting output results geopipe-local-123456789012.",
    "Output file: output/",
    "Output file contents:",
    "200 rows, 200 of them Valid Data.",
    "The pipeline has completed. To view the pipeline and executions in SageMaker Studio, follow these instructions:",
    "https://docs.aws.amazon.com/sagemaker/latest/dg/pipelines-studio.html",
    "Finally, let's clean up our resources.",
    "Clean up resources.",
    "SageMaker pipeline scenario is complete.",
]


# Ours to start it, the function's to do its work.
_CALLS_OF_AN_EXECUTION = {
    # The deployment's lock.
    "s3:PutObject",
    "s3:DeleteObject",
    "sagemaker:StartPipelineExecution",
    "sagemaker:SendPipelineExecutionStepSuccess",
    "sagemaker-geospatial:StartVectorEnrichmentJob",
    "sagemaker-geospatial:ExportVectorEnrichmentJob",
    "sqs:ChangeMessageVisibility",
}


def _assert_in_order(text: str, expected: list[str]) -> None:
    position = 0
    for line in expected:
        found = text.find(line, position)
        assert found >= 0, f"{line!r} is missing after {text[:position][-200:]!r}"
        position = found + len(line)


def test_whole_scenario_embedded(workplace: Workplace) -> None:
    """No credentials are needed, and none are used when they are there and wrong."""
    misleading = {
        "AWS_PROFILE": "no-such-profile",
        "AWS_ACCESS_KEY_ID": "wrong",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "HTTPS_PROXY": "http://127.0.0.1:9",
    }
    done = workplace.geopipe(ROOT / "config/local.yaml", "--non-interactive", "--cleanup=all", env=misleading)
    assert (done.returncode, done.stderr) == (0, "")
    _assert_in_order(done.stdout, _TRANSCRIPT)
    assert "\x1b" not in done.stdout
    assert len(re.findall(r"^        Deleted ", done.stdout, re.M)) == 13


def test_the_shipped_local_run_asks_only_on_request(workplace: Workplace) -> None:
    """Its emulator ends with it, so there is nothing to decide; `--cleanup=ask` shows the specification's questions."""
    quiet = workplace.geopipe(ROOT / "config/local.yaml")
    assert (quiet.returncode, "(y/n)" in quiet.stdout) == (0, False), quiet.stderr
    assert "Deleted bucket geopipe-local-123456789012." in quiet.stdout
    asking = workplace.geopipe(ROOT / "config/local.yaml", "--cleanup=ask", answers="n\n" * 6)
    assert asking.returncode == 0, asking.stderr
    assert asking.stdout.count("(y/n)") == 6
    assert "Delete pipeline sagemaker-sdk-example-pipeline? (y/n)" in asking.stdout
    assert "Deleted" not in asking.stdout


def test_nothing_is_left_in_any_service(workplace: Workplace, standing: Standing) -> None:
    config = workplace.config(endpoint=standing.url)
    done = workplace.geopipe(config, "--non-interactive", "--cleanup=all", "--output-dir", workplace.folder / "out")
    assert done.returncode == 0, done.stderr
    assert standing.inventory() == {}
    with (workplace.folder / "out/results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (ROOT / "resources/latlongtest.csv").open(newline="") as file:
        sample = list(csv.DictReader(file))
    assert [(r["Longitude"], r["Latitude"]) for r in rows] == [(r["Longitude"], r["Latitude"]) for r in sample]
    assert {r["reverse_geo.status"] for r in rows} == {"Valid Data"}


def test_second_run_changes_no_resource(workplace: Workplace, standing: Standing) -> None:
    config = workplace.config(endpoint=standing.url)
    assert workplace.geopipe(config, "--non-interactive", "--cleanup=none").returncode == 0
    before = standing.mutating_calls()
    again = workplace.geopipe(config, "--non-interactive", "--cleanup=none")
    assert again.returncode == 0, again.stderr
    assert "Plan: 0 to create, 0 to update, 0 to delete, 13 unchanged." in again.stdout
    after = standing.mutating_calls()
    made = {call for call in after if after[call] != before.get(call, 0)}
    assert "sagemaker:StartPipelineExecution" in made
    assert made <= _CALLS_OF_AN_EXECUTION


def test_dry_run_makes_no_mutating_call(workplace: Workplace, standing: Standing) -> None:
    config = workplace.config(endpoint=standing.url)
    for arguments in (["--dry-run"], ["plan"], ["cleanup", "--dry-run"]):
        command = [*arguments, config] if arguments[0] in ("plan", "cleanup") else [config, *arguments]
        done = workplace.geopipe(*command)
        assert done.returncode == 0, done.stderr
        assert "Plan: " in done.stdout
    assert standing.mutating_calls() == {}


def test_definition_and_input_in_the_form_of_aws_samples(workplace: Workplace, standing: Standing) -> None:
    """A plain definition with the placeholder and no idempotency arguments; an input with BOM and CRLF."""
    definition = (ROOT / "resources/GeoSpatialPipeline.json").read_text()
    plain = re.sub(r',\s*"(execution_arn|step|phase)": ("[^"]*"|\{[^}]*\})', "", definition)
    assert "phase" not in plain and "execution_arn" not in plain and plain.count("*FUNCTION_ARN*") == 2
    template, source = workplace.folder / "plain.json", workplace.folder / "with-bom.csv"
    template.write_text(plain)
    source.write_bytes(b"\xef\xbb\xbfLongitude,Latitude\r\n2.2945,48.8584\r\n-149.9,61.2\r\n")
    config = workplace.config(
        endpoint=standing.url, pipeline={"template": str(template)}, input={"source": str(source)}
    )
    done = workplace.geopipe(config, "--non-interactive", "--cleanup=all")
    assert done.returncode == 0, done.stderr
    assert "2 rows, 2 of them Valid Data." in done.stdout
    assert "France" in done.stdout or "FRA" in done.stdout
    assert standing.inventory() == {}


def _random_points(count: int) -> list[tuple[float, float]]:
    """Uniform on the sphere, with a quarter near the poles and a quarter near the antimeridian."""
    chance = random.Random(20261122)
    points = []
    for number in range(count):
        longitude = chance.uniform(-180, 180)
        latitude = math.degrees(math.asin(chance.uniform(-1, 1)))
        if number % 4 == 0:
            latitude = chance.choice((-1, 1)) * (90 - chance.expovariate(0.3) % 30)
        elif number % 4 == 1:
            longitude = chance.choice((-1, 1)) * (180 - chance.expovariate(1) % 10)
        points.append((round(longitude, 6), round(latitude, 6)))
    return points


def _unit_vectors(longitudes: numpy.ndarray, latitudes: numpy.ndarray) -> numpy.ndarray:
    x, y = numpy.radians(longitudes), numpy.radians(latitudes)
    return numpy.stack([numpy.cos(y) * numpy.cos(x), numpy.cos(y) * numpy.sin(x), numpy.sin(y)], axis=1)


def test_two_thousand_points_equal_brute_force(workplace: Workplace) -> None:
    """Every row's place is the nearest of all places by great circle, computed here by looking at all of them."""
    points = _random_points(2000)
    source = workplace.folder / "points.csv"
    source.write_text("Longitude,Latitude\n" + "".join(f"{x},{y}\n" for x, y in points))
    config = workplace.config(input={"source": str(source)})
    done = workplace.geopipe(config, "--non-interactive", "--cleanup=all", "--output-dir", workplace.folder)
    assert done.returncode == 0, done.stderr
    with (workplace.folder / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2000
    gazetteer = default_places().gazetteer
    places = [gazetteer.place(index) for index in range(len(gazetteer))]
    vectors = _unit_vectors(
        numpy.array([place.longitude for place in places]), numpy.array([place.latitude for place in places])
    )
    wanted = _unit_vectors(numpy.array([p[0] for p in points]), numpy.array([p[1] for p in points]))
    for row, vector in zip(rows, wanted, strict=True):
        similarity = vectors @ vector
        best = similarity.max()
        nearest = {places[i].name for i in numpy.flatnonzero(similarity >= best - 1e-13)}
        assert row["reverse_geo.municipality"] in nearest, (row, nearest)


@pytest.mark.parametrize("target", [("192.0.2.1", 80), ("example.com", 443)])
def test_the_network_guard_refuses_other_addresses(target: tuple[str, int], network_guard: str) -> None:
    """In this process and in a child, an address other than loopback fails immediately."""
    with pytest.raises(OSError):
        socket.create_connection(target, timeout=2)
    code = f"import socket; socket.create_connection({target!r}, timeout=2)"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=90)
    assert child.returncode != 0
    assert "timed out" not in child.stderr, network_guard


def test_sample_file_is_ours_and_complete() -> None:
    with Path(ROOT / "resources/latlongtest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 200
    assert list(rows[0]) == ["Longitude", "Latitude"]
    assert any(abs(float(r["Longitude"])) > 178 for r in rows)
    assert any(float(r["Latitude"]) < -75 for r in rows) and any(float(r["Latitude"]) > 75 for r in rows)
