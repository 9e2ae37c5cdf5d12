"""Results on the disk: the files, the record of the run, large results, and a save that is killed."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tests.support.e2e import Standing, Workplace
from tests.support.paths import ROOT

BUCKET = "geopipe-local-123456789012"
KEEP = ("--non-interactive", "--cleanup=none")


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def _json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def _events(text: str, kind: str) -> list[dict[str, Any]]:
    return [event for event in map(json.loads, text.splitlines()) if event["event"] == kind]


def _large_input(folder: Path, rows: int = 100) -> Path:
    """Few rows of many bytes: quickly geocoded, and worth a progress bar."""
    path = folder / "large.csv"
    path.write_text(
        "Longitude,Latitude,note\n" + "".join(f"{row}.5,{row % 90},{'x' * 100_000}\n" for row in range(rows))
    )
    return path


def _replace_result(standing: Standing, rows: int) -> None:
    """A result that takes a while to save."""
    s3 = standing.client("s3")
    (found,) = s3.list_objects_v2(Bucket=BUCKET, Prefix="output/")["Contents"]
    body = "Longitude,Latitude,reverse_geo.status\n" + "1.25,2.5,Valid Data\n" * rows
    s3.put_object(Bucket=BUCKET, Key=found["Key"], Body=body.encode())


def test_a_run_leaves_its_results_and_its_record(workplace: Workplace) -> None:
    out = workplace.folder / "new" / "out"
    done = workplace.geopipe(workplace.config(), "--non-interactive", "--cleanup=all", "--output-dir", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert {"results.csv", "results.geojson", "run.json"} <= {path.name for path in out.iterdir()}
    assert not list(out.glob(".*"))
    rows, features = _rows(out / "results.csv"), _json(out / "results.geojson")["features"]
    assert len(rows) == len(features) == 200
    for row, feature in zip(rows, features, strict=True):
        assert feature["geometry"]["coordinates"] == [float(row.pop("Longitude")), float(row.pop("Latitude"))]
        assert feature["properties"] == {name: cell or None for name, cell in row.items()}
    _assert_is_a_record(_json(out / "run.json"), out)


def _assert_is_a_record(record: dict[str, Any], out: Path) -> None:
    assert (record["version"], record["status"], record["failure"]) == (1, "Succeeded", None)
    assert (record["account_id"], record["region"], record["config"]) == ("123456789012", "us-west-2", "config.yaml")
    assert record["began"] < record["ended"]
    assert len(record["plan"]["steps"]) == len(record["applied"]) == 13 and record["remaining"] == []
    steps = {step["name"]: step for step in record["steps"]}
    assert len(steps) == 4 and all(step["status"] == "Succeeded" and step["ended"] for step in steps.values())
    needs = {step["name"]: step["depends_on"] for step in record["definition"]}
    assert set(needs) == set(steps) and needs["vej-processing-step"] == []
    assert needs["vej-callback-step"] == ["vej-processing-step"]
    assert record["parameters"]["parameter_region"] == "us-west-2"
    results = record["results"]
    assert (results["rows"], results["valid"], results["saved"]) == (200, 200, str(out / "results.csv"))
    assert record["run_id"] in results["keys"][0] and record["execution_arn"].startswith("arn:aws:sagemaker:")


def test_results_are_shown_and_saved_again(workplace: Workplace, standing: Standing) -> None:
    config = workplace.config(endpoint=standing.url)
    early = workplace.geopipe("results", config)
    assert early.returncode == 2 and "has no execution yet" in early.stderr
    assert workplace.geopipe(config, *KEEP).returncode == 0
    first = json.loads(workplace.geopipe("status", config, "--output", "json").stdout.splitlines()[0])["run_id"]
    two = workplace.folder / "two.csv"
    two.write_text("Longitude,Latitude\n2.2945,48.8584\n-149.9,61.2\n")
    config = workplace.config(endpoint=standing.url, input={"source": str(two)})
    assert workplace.geopipe(config, *KEEP).returncode == 0
    before = standing.mutating_calls()

    latest = workplace.geopipe("results", config)
    assert (latest.returncode, latest.stderr) == (0, "")
    assert "2 rows, 2 of them Valid Data." in latest.stdout and "Saved" not in latest.stdout
    named = workplace.geopipe("results", config, "--run", first, "--output-dir", workplace.folder / "out")
    assert "200 rows, 200 of them Valid Data." in named.stdout, named.stderr
    record = _json(workplace.folder / "out/run.json")
    assert (record["run_id"], record["status"], record["deployment"]) == (first, "Succeeded", "local")
    assert len(record["steps"]) == len(record["definition"]) == 4 and record["plan"] is None
    assert len(_json(workplace.folder / "out/results.geojson")["features"]) == 200
    unknown = workplace.geopipe("results", config, "--run", "unknown")
    assert unknown.returncode == 2 and "no execution unknown" in unknown.stderr
    assert standing.mutating_calls() == before


def test_a_failed_run_has_a_record_and_no_results(workplace: Workplace, standing: Standing) -> None:
    source, out = standing.put_input(b"lon,lat\n1,2\n"), workplace.folder / "out"
    config = workplace.config(endpoint=standing.url, input={"source": source})
    assert workplace.geopipe(config, *KEEP, "--output-dir", out).returncode == 3
    assert not list(out.glob("results.*")) and not list(out.glob(".*"))
    record = _json(out / "run.json")
    assert (record["status"], record["results"]) == ("Failed", None)
    assert record["failure"]["code"] == "input-column-missing" and record["failure"]["reason"]
    assert "Failed" in {step["status"] for step in record["steps"]}
    again = workplace.geopipe("results", config)
    assert again.returncode == 2 and "is Failed, so it has no results" in again.stderr


def test_large_files_have_a_progress_and_only_their_beginning_is_shown(
    workplace: Workplace, standing: Standing
) -> None:
    source = _large_input(workplace.folder)
    config = workplace.config(endpoint=standing.url, input={"source": str(source)}, output={"preview_rows": 2})
    run = workplace.geopipe(config, "--cleanup=none", "--output", "json")
    assert run.returncode == 0, run.stderr
    up = _events(run.stdout, "transfer")
    assert {event["what"] for event in up} == {"Uploading large.csv"}
    assert {event["total"] for event in up} == {source.stat().st_size}
    done = [event["done"] for event in up]
    assert done == sorted(set(done)) and (done[0], done[-1]) == (0, source.stat().st_size)
    (shown,) = _events(run.stdout, "results")
    assert (shown["rows"], shown["valid"], len(shown["first_rows"])) == (None, None, 2)
    assert shown["size"] > source.stat().st_size and shown["saved"] is None

    text = workplace.geopipe("results", config)
    assert "The first 2 rows of 10" in text.stdout and "Valid Data.\n" not in text.stdout
    down = workplace.geopipe("results", config, "--output", "json", "--output-dir", workplace.folder / "out")
    assert {event["what"] for event in _events(down.stdout, "transfer")} == {"Downloading results_0.csv"}
    (saved,) = _events(down.stdout, "results")
    assert (saved["rows"], saved["valid"]) == (100, 100)


@pytest.mark.parametrize("columns", [60, 120])
def test_a_terminal_shows_bars(workplace: Workplace, standing: Standing, columns: int) -> None:
    config = workplace.config(endpoint=standing.url, input={"source": str(_large_input(workplace.folder))})
    command = workplace.command(config, *KEEP, "--output-dir", workplace.folder / "out")
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": str(columns)}
    terminal = pexpect.spawn(
        command[0], command[1:], env=environment, encoding="utf-8", timeout=60, dimensions=(40, columns)
    )
    terminal.expect("Uploading large.csv")
    terminal.expect("MB")
    terminal.expect("Downloading results_0.csv")
    terminal.expect("100 rows, 100 of them Valid Data")
    terminal.expect(pexpect.EOF)
    terminal.close()
    assert terminal.exitstatus == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["terminated", "killed"])
def test_a_save_that_is_interrupted_leaves_no_results(workplace: Workplace, standing: Standing, how: int) -> None:
    config, out = workplace.config(endpoint=standing.url), workplace.folder / "out"
    assert workplace.geopipe(config, *KEEP).returncode == 0
    _replace_result(standing, 600_000)
    process = workplace.start("results", config, "--output-dir", out)
    _wait_until_written(out, process)
    process.send_signal(how)
    process.communicate(timeout=90)
    assert process.returncode != 0
    assert not list(out.glob("results.*"))
    assert how == signal.SIGKILL or ((out / "run.json").exists() and not list(out.glob(".*")))
    _replace_result(standing, 1000)
    assert workplace.geopipe("results", config, "--output-dir", out).returncode == 0
    assert not list(out.glob(".*")) and len(_rows(out / "results.csv")) == 1000


def _wait_until_written(folder: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a part of the CSV is there: the command has no other way to show how far it is."""
    while not any(path.stat().st_size for path in folder.glob(".results.csv.*.part")):
        assert process.poll() is None, "it ended before it could be interrupted"
        time.sleep(0.005)


def test_a_second_command_in_the_same_folder_is_refused(workplace: Workplace, standing: Standing) -> None:
    config, out = workplace.config(endpoint=standing.url), workplace.folder / "out"
    assert workplace.geopipe(config, *KEEP).returncode == 0
    _replace_result(standing, 600_000)
    first = workplace.start("results", config, "--output-dir", out)
    _wait_until_written(out, first)
    second = workplace.geopipe("results", config, "--output-dir", out)
    assert first.poll() is None, "it ended before the second command was refused"
    assert second.returncode == 1 and f"Another geopipe command is writing into {out}." in second.stderr
    assert second.stderr.count("name another --output-dir") == 1 and "Traceback" not in second.stderr
    stdout, stderr = first.communicate(timeout=120)
    assert first.returncode == 0 and "600,000 rows" in stdout, stderr
    assert len(_rows(out / "results.csv")) == 600_000
    assert _json(out / "run.json")["failure"] is None and not list(out.glob(".*"))


def test_a_folder_that_cannot_be_written_is_an_error_before_anything_is_fetched(
    workplace: Workplace, standing: Standing
) -> None:
    blocked = workplace.folder / "file"
    blocked.write_text("")
    done = workplace.geopipe("results", workplace.config(endpoint=standing.url), "--output-dir", blocked / "out")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert done.stderr.count("--output-dir") == 1
    assert standing.calls() == []


def test_the_schema_describes_every_event(workplace: Workplace, standing: Standing) -> None:
    from jsonschema import Draft202012Validator

    schema = Draft202012Validator(_json(ROOT / "geopipe_runner/events.schema.json"))
    config = workplace.config(endpoint=standing.url, input={"source": str(_large_input(workplace.folder))})
    run = workplace.geopipe(config, "--cleanup=none", "--output", "json", "--output-dir", workplace.folder / "out")
    again = workplace.geopipe("results", config, "--output", "json", "--output-dir", workplace.folder / "out")
    events = [json.loads(line) for line in (run.stdout + again.stdout).splitlines()]
    for event in events:
        schema.validate(event)
    assert {"connected", "transfer", "execution", "results", "execution_started"} <= {e["event"] for e in events}
