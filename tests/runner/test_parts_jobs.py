"""Jobs that work in parts: what they ask of the function, what they refuse, and what they say a run costs."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from geopipe_runner.config import load
from geopipe_runner.config.model import S3Location
from geopipe_runner.errors import ConfigError
from geopipe_runner.inputs.amount import Amount, count_requests, measure
from geopipe_runner.inputs.columns import Columns
from geopipe_runner.jobs.amazon_location import AmazonLocation
from geopipe_runner.jobs.base import JobKind
from geopipe_runner.jobs.gazetteer import GazetteerInParts
from geopipe_runner.jobs.map_rows import MapRows
from geopipe_runner.kinds.role_policies import lambda_policy, sagemaker_policy
from tests.support.config_files import MINIMAL_CONFIG
from tests.support.paths import ROOT
from tests.support.runner_fakes import config, deployment
from tests.support.stage_fakes import CannedAws

RUN = "20260101T000000-abcdef"
COLUMNS = Columns("Longitude", "Latitude")


def settings_of(job: JobKind, **changes: Any) -> dict[str, Any]:
    text = job.parameters(deployment(config(job={"provider": job.provider, "kind": job.name, **changes})), RUN)
    settings: dict[str, Any] = json.loads(text["parameter_parts_config"])
    return settings


def test_each_provider_says_what_it_asks_of_the_function() -> None:
    columns = {"LongitudeColumn": "Longitude", "LatitudeColumn": "Latitude"}
    assert settings_of(GazetteerInParts(), part_size_mb=2) == {"Provider": "gazetteer", "PartBytes": 2097152, **columns}
    assert settings_of(AmazonLocation(), workers=4, max_requests_per_second=20.5) == {
        "Provider": "amazon_location",
        "PartBytes": 8388608,
        **columns,
        "RequestsPerSecond": 20.5,
        "Workers": 4,
    }
    assert settings_of(MapRows(), transform="depots", columns=("depot", "km")) == {
        "Provider": "map_rows",
        "PartBytes": 8388608,
        "Transform": "depots",
        "Columns": ["depot", "km"],
    }


def test_the_other_parameters_say_where_to_read_and_write() -> None:
    parameters = dict(GazetteerInParts().parameters(deployment(config(job={"provider": "gazetteer"})), RUN))
    assert parameters.pop("parameter_parts_config")
    assert parameters == {
        "parameter_execution_role": "arn:aws:iam::123456789012:role/geopipe/local/SageMakerExampleRole",
        "parameter_region": "us-west-2",
        "parameter_queue_url": "https://sqs.us-west-2.amazonaws.com/123456789012/sagemaker-sdk-example-queue",
        "parameter_parts_input_uri": "s3://geopipe-local-123456789012/input/latlongtest.csv",
        "parameter_parts_output_uri": f"s3://geopipe-local-123456789012/output/{RUN}/",
    }


def test_the_users_modules_stand_next_to_geopipes_own_function(tmp_path: Path) -> None:
    (tmp_path / "depots.py").write_text("def transform(rows):\n    return rows\n", encoding="utf-8")
    template = ROOT / "pipeline_templates/reverse_geocoding.json.j2"
    job = "job: {kind: map_rows, transform: depots, columns: [depot]}"
    for source in ("depots.py", "[depots.py]"):
        path = tmp_path / "rows.yaml"
        text = f"{MINIMAL_CONFIG}{job}\nfunction: {{source: {source}}}\npipeline: {{template: {template}}}\n"
        path.write_text(text, encoding="utf-8")
        assert load(path, {}).function.source == (ROOT / "lambda", tmp_path / "depots.py")


def test_the_gazetteer_needs_the_rights_of_amazon_location_but_its_own() -> None:
    """So tests/e2e/test_least_privilege.py tries the statements of both."""

    def statements(provider: str) -> set[tuple[str, ...]]:
        given = deployment(config(job={"provider": provider}, iam={"scope": "resources"}))
        both = [*lambda_policy(given)["Statement"], *sagemaker_policy(given)["Statement"]]
        return {tuple(statement["Action"]) for statement in both}

    assert statements("amazon_location") - statements("gazetteer") == {("geo-places:ReverseGeocode",)}
    assert statements("gazetteer") < statements("amazon_location")


# What AWS would refuse later


STATEMENT = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": "x" * 5000}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"function": {"name": "f" * 58}}, "function.name leaves no room for the worker"),
        ({"queue": {"name": "q" * 72}}, "queue.name leaves no room for the queues of parts"),
        ({"queue": {"name": "q", "dead_letter_name": "q-work"}}, "is the name of a queue of parts"),
        ({"function": {"source": (Path("nowhere"),)}}, "function.source has no part_worker.py"),
        ({"function": {"policy_statements": (STATEMENT,)}}, "IAM allows 6,144"),
        ({"function": {"environment": {"A": "x" * 3700}}}, "Lambda allows 4,096"),
    ],
)
def test_names_and_texts_too_long_for_aws_are_refused_before_any_call(changes: dict[str, Any], said: str) -> None:
    given = deployment(config(job={"provider": "gazetteer"}, **changes))
    with pytest.raises(ConfigError) as refused:
        GazetteerInParts().prepare_input(given)
    assert said in str(refused.value)


# How far it is


def test_the_state_says_how_many_parts_are_done() -> None:
    manifest = json.dumps({"parts": [[0, 1, 1]] * 3})
    aws: Any = CannedAws(
        {
            "get_object": {"Body": io.BytesIO(manifest.encode())},
            "list_objects_v2": {"Contents": [{"Key": "a"}, {"Key": "b"}]},
        }
    )
    outputs = {"parts_manifest": "s3://bucket/output/run/parts/manifest.json"}
    assert GazetteerInParts().state(aws, outputs) == "2 of 3 parts done"
    assert aws.requests == [
        ("get_object", {"Bucket": "bucket", "Key": "output/run/parts/manifest.json"}),
        ("list_objects_v2", {"Bucket": "bucket", "Prefix": "output/run/parts/results/"}),
    ]
    assert GazetteerInParts().state(aws, {}) == "the input is not cut into parts yet"


# How much work it is


def write(folder: Path, text: str) -> Path:
    path = folder / "points.csv"
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", 0),
        ("a,b\n", 0),
        ("a,b", 0),
        ("a,b\n1,2", 1),
        ("a,b\r\n1,2\r\n3,4\r\n", 2),
        ('a,b\n"one\nrow",2\n"with ""quotes""\n in it",4\n', 2),
        ('a,b\n5" pipe,2\n"3"" pipe",4\nx,5\n', 3),
        ('\ufeff"a","b"\n1,2', 1),
        ("a,b\n\n1,2\n\n\n3,4\n\n", 2),
        ("a,b\r\n\r\n1,2\r\n\r\n\r\n3,4\r\n\r\n", 2),
        ("\n\na,b\n1,2\n", 1),
        ("\ufeff\r\na,b\n1,2\n", 1),
        ("a,b\n \n,\n", 2),
        ("a,b\n1,2\r3,4\n\r5,6", 3),
        ('\ufeff\n"a","b"\n\n1,2\n\n"3",4\r\n\r\n', 2),
        ('a,b\n1,"two\n\nlines"\n\n""\n', 2),
    ],
)
def test_rows_are_counted_with_line_breaks_in_quotes(tmp_path: Path, text: str, rows: int) -> None:
    assert measure(write(tmp_path, text)) == Amount(rows, len(text.encode()))


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_lines_are_followed_from_one_block_to_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr("geopipe_runner.inputs.amount._BLOCK", size)
    assert measure(write(tmp_path, "a,b\r\n\r\n1,2\n\n\n33,44\n\r\n5,6")).rows == 3


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", '"'])
def test_empty_lines_are_no_requests(tmp_path: Path, end: str, mark: str) -> None:
    header = f"{end}{end}id,{mark}Longitude{mark},Latitude{end}{end}"
    path = write(tmp_path, header + "".join(f"{n},{n},1{end * 3}" for n in range(90)))
    rows = measure(path).rows
    assert rows == 90
    assert count_requests(path, COLUMNS, rows, 9) == 90
    job = {"provider": "amazon_location", "price_per_1000": 100, "confirm_above_requests": 90}
    estimate = AmazonLocation().estimate(config(job=job), path)
    assert estimate.notes[0].startswith("The input has 90 rows, ")
    assert "sends 90 requests" in estimate.notes[1]
    assert estimate.notes[1].endswith("they cost 9.00.")
    assert estimate.question == ""


def test_a_sample_of_a_large_input_skips_empty_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geopipe_runner.inputs.amount.SAMPLED_ABOVE", 1000)
    path = write(tmp_path, points(5_000, 5_000).replace("\n", "\n\n"))
    assert measure(path).rows == 5_000
    assert count_requests(path, COLUMNS, 5_000, 100) == 5_000


def test_a_quotation_mark_inside_a_cell_hides_no_requests(tmp_path: Path) -> None:
    text = "id,Longitude,Latitude\n" + "".join(f'{n}" pipe,{n % 180},{n // 180}\n' for n in range(999))
    amount = measure(write(tmp_path, text))
    assert amount == Amount(999, len(text))
    assert count_requests(tmp_path / "points.csv", COLUMNS, amount.rows, 100) == 999


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n5,6\n"])
def test_a_row_that_is_never_closed_is_refused_with_its_line(tmp_path: Path, end: str) -> None:
    path = write(tmp_path, f'Longitude,Latitude,Note\n1,2,"two\nlines"\n3,4,"open{end}')
    assert measure(path).open_line == 4
    given = deployment(config(job={"provider": "gazetteer"}, input={"source": path}))
    for job in (GazetteerInParts(), AmazonLocation(), MapRows()):
        with pytest.raises(ConfigError, match=r"the row in line 4 of points\.csv is never closed"):
            job.prepare_input(given)


@pytest.mark.parametrize("job", [GazetteerInParts(), MapRows()])
def test_an_input_of_every_job_in_parts_is_converted_or_refused(tmp_path: Path, job: JobKind) -> None:
    path = tmp_path / "points.csv"
    given = deployment(config(job={"provider": "gazetteer"}, input={"source": path}))
    path.write_bytes("Longitude;Latitude;Größe\n1;2;a,b\n".encode("utf-16"))
    prepared = job.prepare_input(given)
    assert "its encoding is utf-16, its delimiter is a semicolon" in prepared.notes[0]
    (folder := tmp_path / "converted").mkdir()
    converted = prepared.convert(folder)
    assert converted is not None and converted.read_text(encoding="utf-8") == 'Longitude,Latitude,Größe\n1,2,"a,b"\n'
    path.write_text('Longitude;Latitude;a\n1;2;"b\n3;4;c\n', encoding="utf-8")
    assert "line 2 of points.csv is never closed" in job.prepare_input(given).notes[-1]
    path.write_text("Longitude,Latitude,a|b|c|d\n1,2,3\n", encoding="utf-8")
    assert job.prepare_input(given).form is None
    for content, message in (("Longitude,Latitude\n\n", "no rows"), ('[{"a": 1}]', "JSON"), ("\n", "no content")):
        path.write_text(content, encoding="utf-8")
        with pytest.raises(ConfigError, match=message):
            job.prepare_input(given)


def test_quotes_across_blocks_are_followed(tmp_path: Path) -> None:
    cell = '"' + "x\n" * 700_000 + '"'
    assert measure(write(tmp_path, f"a,b\n{cell},1\n{cell},2\n")).rows == 2


def points(rows: int, different: int) -> str:
    return "id,Longitude,Latitude\n" + "".join(f"{n},{n % different},1\n" for n in range(rows))


def test_equal_points_of_one_part_are_one_request(tmp_path: Path) -> None:
    path = write(tmp_path, points(100, 10))
    assert count_requests(path, COLUMNS, 100, 1000) == 10
    assert count_requests(path, COLUMNS, 100, 50) == 20
    assert count_requests(path, COLUMNS, 100, 3) == 100


def test_a_large_input_is_sampled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geopipe_runner.inputs.amount.SAMPLED_ABOVE", 1000)
    path = write(tmp_path, points(10_000, 50))
    exact = 100 * 50
    assert count_requests(path, COLUMNS, 10_000, 100) == pytest.approx(exact, rel=0.05)


def test_the_gazetteer_costs_no_requests(tmp_path: Path) -> None:
    estimate = GazetteerInParts().estimate(config(), write(tmp_path, points(2000, 2000)))
    assert estimate.notes == ("The input has 2,000 rows, in 1 part.",)
    assert estimate.question == ""


def test_amazon_location_says_requests_minutes_and_the_bill(tmp_path: Path) -> None:
    path = write(tmp_path, points(9000, 9000))
    job = {"provider": "amazon_location", "max_requests_per_second": 50, "workers": 10}
    size, what = AmazonLocation().estimate(config(job=job), path).notes
    assert size == "The input has 9,000 rows, in 10 parts."  # as many as there are workers
    assert all(text in what for text in ("9,000 requests", "IntendedUse=Storage", "At 50 a second", "at least 3 min"))
    assert "cost" not in what  # geopipe knows no prices
    priced = AmazonLocation().estimate(config(job={**job, "price_per_1000": 0.5}), path).notes[1]
    assert priced.endswith("At 0.5 for 1,000 requests they cost 4.50.")


@pytest.mark.parametrize(("limit", "asks"), [(None, False), (9000, False), (8999, True), (0, True)])
def test_the_limit_of_requests_without_a_question(tmp_path: Path, limit: int | None, asks: bool) -> None:
    job = {"provider": "amazon_location", "confirm_above_requests": limit}
    estimate = AmazonLocation().estimate(config(job=job), write(tmp_path, points(9000, 9000)))
    assert bool(estimate.question) == asks


def test_an_input_in_s3_is_not_counted_and_paid_requests_are_confirmed() -> None:
    given = config(input={"source": S3Location("theirs", "a.csv")}, job={"provider": "amazon_location"})
    assert "in S3" in AmazonLocation().estimate(given, None).question
    assert GazetteerInParts().estimate(given, None).question == ""
