"""Map matching: what the job is asked for, what is refused, and how its files become a table and a map."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.session import Session
from botocore.stub import Stubber
from botocore.validate import ParamValidator

from geopipe_runner.config import load
from geopipe_runner.errors import AwsError, ConfigError
from geopipe_runner.jobs.map_matching import MapMatching
from geopipe_runner.jobs.registry import job_of
from geopipe_runner.pipeline import execution_input
from geopipe_runner.pipeline.template import render, variables
from geopipe_runner.report.html import points as map_points
from geopipe_runner.results import read
from geopipe_runner.results.features import read_features
from tests.support.config_files import MINIMAL_CONFIG
from tests.support.paths import ROOT
from tests.support.result_files import POINTS, Bucket
from tests.support.runner_fakes import answer_error, config, deployment

RUN = "20260101T000000-00000000"
ARN = "arn:aws:sagemaker-geospatial:us-west-2:123456789012:vector-enrichment-job/abcdefghijkl"
MATCHING = {"kind": "map_matching"}
NAMES = {"id_column": "trip", "timestamp_column": "at", "longitude_column": "x", "latitude_column": "y"}
FOLDER = f"output/{RUN}/abc"


def on_aws(folder: Path, job: str, **changes: str) -> Any:
    text = MINIMAL_CONFIG.replace("target: local", f"target: {changes.get('target', 'aws')}")
    text = text.replace("region: us-west-2", f"region: {changes.get('region', 'us-west-2')}")
    path = folder / "matching.yaml"
    path.write_text(f"{text}job: {{kind: map_matching{job}}}\n", encoding="utf-8")
    return load(path, {})


def problems_of(folder: Path, job: str, **changes: str) -> str:
    with pytest.raises(ConfigError) as refused:
        on_aws(folder, job, **changes)
    return str(refused.value)


# What the job is asked for


def test_the_request_is_one_that_the_service_accepts() -> None:
    parameters = MapMatching().parameters(deployment(config(job={**MATCHING, **NAMES})), RUN)
    job_config = json.loads(parameters["parameter_step_1_vej_config"])
    assert job_config == {
        "MapMatchingConfig": {
            "IdAttributeName": "trip",
            "TimestampAttributeName": "at",
            "XAttributeName": "x",
            "YAttributeName": "y",
        }
    }
    model = Session().get_service_model("sagemaker-geospatial")
    request = {
        "Name": "n",
        "ExecutionRoleArn": "arn:aws:iam::123456789012:role/r",
        "InputConfig": json.loads(parameters["parameter_vej_input_config"]),
        "JobConfig": job_config,
    }
    shape = model.operation_model("StartVectorEnrichmentJob").input_shape
    assert ParamValidator().validate(request, shape).generate_report() == ""
    export = json.loads(parameters["parameter_vej_export_config"])
    output = model.operation_model("ExportVectorEnrichmentJob").input_shape.members["OutputConfig"]
    assert ParamValidator().validate(export, output).generate_report() == ""


def test_the_shipped_template_declares_its_parameters(tmp_path: Path) -> None:
    matching = on_aws(tmp_path, "")
    given = deployment(matching)
    assert matching.pipeline.template == ROOT / "pipeline_templates/reverse_geocoding.json.j2"
    definition = render(matching.pipeline.template, variables(given))
    parameters = execution_input.parameters(given, definition, RUN)
    assert parameters == MapMatching().parameters(given, RUN)


def test_the_configuration_chooses_the_job() -> None:
    assert isinstance(job_of(config(job=MATCHING).job), MapMatching)
    assert "sagemaker-geospatial:StartVectorEnrichmentJob" in MapMatching().rights.function_actions


def test_the_state_of_the_job_and_its_failure() -> None:
    client = boto3.client("sagemaker-geospatial", region_name="us-west-2")
    aws: Any = SimpleNamespace(client=lambda _service: client)
    job = {
        "Arn": ARN,
        "Type": "MAP_MATCHING",
        "CreationTime": "2026-01-01T00:00:00Z",
        "DurationInSeconds": 1,
        "Status": "FAILED",
        "Name": "n",
        "ExecutionRoleArn": "arn:aws:iam::123456789012:role/r",
        "InputConfig": {"DocumentType": "CSV", "DataSourceConfig": {"S3Data": {"S3Uri": "s3://b/k"}}},
        "JobConfig": {"MapMatchingConfig": {f"{name}AttributeName": "c" for name in ("Id", "Timestamp", "X", "Y")}},
        "ErrorDetails": {"ErrorType": "CLIENT_ERROR", "ErrorMessage": "column at not found"},
    }
    with Stubber(client) as stub:
        for _ in range(2):
            stub.add_response("get_vector_enrichment_job", job, {"Arn": ARN})
        assert MapMatching().state(aws, {"vej_arn": ARN}) == "job FAILED, export not started"
        failure = MapMatching().failure(aws, {"vej_arn": ARN})
    assert failure is not None and failure.code == "input-column-missing"


def test_an_account_that_is_not_enrolled_is_refused_without_talk_of_providers() -> None:
    def list_vector_enrichment_jobs(**_: Any) -> None:
        raise answer_error("OperationNotAllowedException")

    geospatial = SimpleNamespace(list_vector_enrichment_jobs=list_vector_enrichment_jobs)
    aws: Any = SimpleNamespace(client=lambda _service: geospatial)
    refusal = MapMatching().check_account(aws).refusal
    assert "(OperationNotAllowedException)" in refusal and "provider" not in refusal


# What is refused before anything is created


def test_the_local_target_is_refused(tmp_path: Path) -> None:
    said = problems_of(tmp_path, "", target="local")
    assert "job.kind map_matching is for target aws only: the emulator has no roads" in said


def test_other_regions_are_refused(tmp_path: Path) -> None:
    said = problems_of(tmp_path, "", region="eu-central-1")
    assert "region eu-central-1 has no SageMaker geospatial jobs, which job.kind map_matching needs" in said


@pytest.mark.parametrize("names", ["id_column: Longitude", "timestamp_column: Latitude", "timestamp_column: Id"])
def test_four_different_columns_are_needed(tmp_path: Path, names: str) -> None:
    assert "as is another column of the job" in problems_of(tmp_path, f", {names}")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("Longitude,Latitude,Timestamp", "has no column 'Id'"),
        ("Longitude,Latitude", "has no columns 'Id' and 'Timestamp'"),
        ("Longitude,Latitude,Id,Timestamp,Id", "has 2 columns named 'Id'"),
    ],
)
def test_a_missing_column_is_named_before_any_call(tmp_path: Path, header: str, said: str) -> None:
    source = tmp_path / "trips.csv"
    source.write_text(header + "\n" + ",".join("1" * len(header.split(","))) + "\n", encoding="utf-8")
    given = deployment(config(job=MATCHING, input={"source": source}))
    with pytest.raises(ConfigError, match=said):
        MapMatching().prepare_input(given)


def test_blanks_around_the_names_are_removed_for_the_job(tmp_path: Path) -> None:
    source = tmp_path / "trips.csv"
    source.write_text("Longitude,Latitude, Id,Timestamp \n1,2,a,2026-01-01T00:00:00Z\n", encoding="utf-8")
    prepared = MapMatching().prepare_input(deployment(config(job=MATCHING, input={"source": source})))
    target = tmp_path / "upload"
    target.mkdir()
    converted = prepared.convert(target)
    assert converted is not None
    assert converted.read_text(encoding="utf-8").splitlines()[0] == "Longitude,Latitude,Id,Timestamp"


# Its files


WAYPOINTS = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [13.4, 52.5]},
            "properties": {"id": "a", "street": "Unter den Linden, West", "matched": True},
        },
        {"type": "Feature", "geometry": None, "properties": {"id": "b", "offset": 1.5, "Longitude": "other"}},
        {"type": "Feature", "geometry": {"type": "LineString", "coordinates": [[1, 2], [3, 4]]}, "properties": None},
    ],
}
LINKS = b'{"type": "FeatureCollection", "features": []}'


def exported(**changes: bytes | None) -> tuple[Any, read.ResultFiles]:
    contents = {
        "links.geojson": LINKS,
        "waypoints.geojson": json.dumps(WAYPOINTS).encode(),
        "mapmatch_output.json": b"{}",
    }
    contents |= {name.replace("_geojson", ".geojson"): data for name, data in changes.items()}
    bucket: Any = Bucket({f"{FOLDER}/{name}": data for name, data in contents.items() if data is not None})
    return bucket, read.find(bucket, "b", f"output/{RUN}/", MapMatching.results)


HEADER = ("Longitude", "Latitude", "id", "street", "matched", "offset")
ROWS = [
    ("13.4", "52.5", "a", "Unter den Linden, West", "true", ""),
    ("", "", "b", "", "", "1.5"),
    ("", "", "", "", "", ""),
]


def test_the_waypoints_are_the_rows() -> None:
    bucket, files = exported()
    assert [key.rsplit("/", 1)[1] for key in files.keys] == [
        "links.geojson",
        "mapmatch_output.json",
        "waypoints.geojson",
    ]
    results = read_features(bucket, files, "waypoints.geojson", 2, POINTS)
    assert (results.header, list(results.first)) == (HEADER, ROWS[:2])
    assert (results.rows, results.valid, results.saved, results.files) == (3, None, None, ())


def test_every_file_is_saved_and_the_waypoints_are_on_the_map(tmp_path: Path) -> None:
    bucket, files = exported()
    results = read_features(bucket, files, "waypoints.geojson", 5, POINTS, tmp_path)
    saved = {path.name for path in results.files}
    assert {"results.csv", "results.geojson", "links.geojson", "waypoints.geojson", "mapmatch_output.json"} <= saved
    assert (tmp_path / "links.geojson").read_bytes() == LINKS
    assert json.loads((tmp_path / "waypoints.geojson").read_bytes()) == WAYPOINTS
    assert (tmp_path / "results.csv").read_text(encoding="utf-8").splitlines() == [
        "Longitude,Latitude,id,street,matched,offset",
        '13.4,52.5,a,"Unter den Linden, West",true,',
        ",,b,,,1.5",
        ",,,,,",
    ]
    on_map = map_points.read(tmp_path / "results.geojson")
    assert on_map is not None
    assert (on_map.rows, on_map.nowhere, list(on_map.longitude), list(on_map.latitude)) == (3, 2, [13.4], [52.5])


def test_an_export_without_waypoints_says_so() -> None:
    bucket, files = exported(waypoints_geojson=None)
    with pytest.raises(AwsError, match=r"left links\.geojson, mapmatch_output\.json, but no waypoints\.geojson"):
        read_features(bucket, files, "waypoints.geojson", 2, POINTS)


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"features": 1}', b'{"features": [1]}', b"\xff", b'{"features": ["x"]}']
)
def test_what_is_no_geojson_is_named_and_nothing_is_saved(tmp_path: Path, data: bytes) -> None:
    bucket, files = exported(waypoints_geojson=data)
    with pytest.raises(AwsError, match=r"waypoints\.geojson is not GeoJSON"):
        read_features(bucket, files, "waypoints.geojson", 2, POINTS, tmp_path)
    assert [path for path in tmp_path.iterdir() if path.suffix != ".lock"] == []
