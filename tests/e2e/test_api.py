"""The Python API does what the commands do, and prints and asks nothing."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pandas
import pytest

import geopipe_runner as geopipe
from geopipe_runner.errors import AwsError, ConfigError, RefusedError, UsageError
from geopipe_runner.events import Event, ExecutionEnded
from tests.support.e2e import StartStanding, Workplace
from tests.support.paths import ROOT


def test_a_run_gives_its_rows_in_order(capfd: pytest.CaptureFixture[str]) -> None:
    events: list[Event] = []
    finished = geopipe.load(ROOT / "config/local.yaml", progress=events.append).run()
    assert finished.execution.succeeded
    results = finished.results
    assert results is not None
    assert (results.rows, results.valid) == (200, 200)
    source = (ROOT / "resources/latlongtest.csv").read_text().splitlines()[1:]
    rows = list(results)
    assert [f"{row['Longitude']},{row['Latitude']}" for row in rows] == source
    assert list(results) == rows
    table = results.to_pandas()
    assert list(table["reverse_geo.country"]) == [row["reverse_geo.country"] for row in rows]
    points = results.to_geopandas()
    assert (points.geometry.x.round(4) == table["Longitude"].round(4)).all()
    assert any(isinstance(event, ExecutionEnded) for event in events)
    assert capfd.readouterr().out == ""


def test_files_end_with_the_results(workplace: Workplace) -> None:
    results = geopipe.load(workplace.config()).run().results
    assert results is not None
    (folder,) = {path.parent for path in results.files}
    assert folder.is_dir()
    del results
    assert not folder.exists()


def test_what_is_applied_stays_until_it_is_cleaned_up(workplace: Workplace, start_standing: StartStanding) -> None:
    deployment = geopipe.load(workplace.config(endpoint=start_standing().url, cleanup="none"))
    planned, applied = deployment.plan(), deployment.apply()
    assert [step.key for step in planned] == [step.key for step in applied]
    assert planned.writes and applied.writes and not deployment.plan().writes
    finished = deployment.run()
    again = deployment.results(finished.execution.arn)
    assert again is not None and finished.results is not None
    assert list(again) == list(finished.results)
    deployment.cleanup()
    assert [step.action for step in deployment.plan()] == [step.action for step in planned]


def test_a_saved_plan_is_applied_if_nothing_has_changed(
    workplace: Workplace, start_standing: StartStanding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workplace.folder)
    standing = start_standing()
    config, file = workplace.config(endpoint=standing.url, cleanup="none"), workplace.folder / "plan.json"
    changed = {"function.timeout": 77, "tags.stage": "next", "function.environment.API_TOKEN": "hunter2-hunter2"}
    deployment = geopipe.load(config, set=changed)
    planned = deployment.plan(out=file)
    assert "hunter2" not in file.read_text()

    # Without the secret, it is another configuration; the other values of `set` are in the file.
    before = standing.mutating_calls()
    with pytest.raises(RefusedError, match=r"configuration: function\.environment\.API_TOKEN") as caught:
        geopipe.load(config).apply(plan_file=file)
    assert "function.timeout" not in caught.value.message and caught.value.exit_code == 5
    assert standing.mutating_calls() == before

    secret = {"function.environment.API_TOKEN": "hunter2-hunter2"}
    applied = geopipe.load(config, set=secret).apply(plan_file=str(file))
    assert [step.key for step in applied if step.writes] == [step.key for step in planned if step.writes]
    functions = standing.client("lambda")
    assert functions.get_function_configuration(FunctionName="SageMakerExampleFunction")["Timeout"] == 77
    with pytest.raises(RefusedError, match="the plan is to create it, now it would be to keep it"):
        deployment.apply(plan_file=file)

    # The command line applies the plans of the API, and the API those of the command line, with their options.
    del changed["function.timeout"]
    geopipe.load(config, set=changed).plan(out=file)
    by_command = workplace.geopipe("apply", file, "--set", f"function.environment.API_TOKEN={secret.popitem()[1]}")
    assert by_command.returncode == 0, by_command.stderr
    # The endpoint is in the plan file only.
    renamed = workplace.config(cleanup="none", protect=True, queue={"name": "another-queue"})
    planned_there = workplace.geopipe("plan", renamed, "--prune", "--set", f"endpoint={standing.url}", "--out", file)
    assert planned_there.returncode == 0 and "Warning" not in planned_there.stdout, planned_there.stderr
    with pytest.raises(RefusedError, match="protect"):
        geopipe.load(renamed).apply(plan_file=file)
    geopipe.load(renamed).apply(plan_file=file, confirm="local")
    queues = [url.rpartition("/")[2] for url in standing.client("sqs").list_queues()["QueueUrls"]]
    assert sorted(queues) == ["another-queue", "another-queue-dlq"]


def test_a_file_that_is_no_plan_to_apply(workplace: Workplace) -> None:
    config, file = workplace.config(endpoint="http://127.0.0.1:9"), workplace.folder / "plan.json"
    deployment = geopipe.load(config)
    for content, message in ((None, "does not exist"), ("{}", "is no plan file"), ('{"plan_file": 9}', "version 9")):
        if content is not None:
            file.write_text(content)
        with pytest.raises(UsageError, match=message):
            deployment.apply(plan_file=file)
    with pytest.raises(UsageError, match="is no plan file"):
        deployment.apply(plan_file=workplace.folder)
    with pytest.raises(UsageError, match="a plan would replace it"):
        deployment.plan(out=config)
    embedded = geopipe.load(workplace.config())
    with pytest.raises(UsageError, match="ends with its command") as caught:
        embedded.plan(out=file)
    assert "emulator.state_dir" in caught.value.hint and file.read_text() == '{"plan_file": 9}'
    kept = geopipe.load(workplace.config(emulator={"state_dir": str(workplace.folder / "kept")}))
    with pytest.raises(AwsError, match="Cannot write"):
        kept.plan(out=workplace.folder / "missing/plan.json")
    kept.plan(out=file)
    assert kept.apply(plan_file=file).writes and not kept.plan().writes


def test_errors_are_our_own(workplace: Workplace) -> None:
    with pytest.raises(ConfigError, match="bad"):
        geopipe.load(Path("bad.yaml"))
    refused = workplace.config(emulator={"geospatial_refusal": "AccessDeniedException"})
    with pytest.raises(RefusedError, match="gazetteer"):
        geopipe.load(refused).run()


def test_what_is_no_value_or_no_policy_is_refused(workplace: Workplace) -> None:
    config = workplace.config()
    assert geopipe.load(config, set={"input.source": ROOT / "resources/latlongtest.csv"}).validate() is not None
    for wrong in (object(), {1, 2}, [b"x"]):
        with pytest.raises(UsageError, match=r"'job\.workers' in `set` cannot be used"):
            geopipe.load(config, set={"job.workers": wrong})
    geopipe.load(config).cleanup(())
    for policy in ("everything", "queue", ("queu",)):
        with pytest.raises(UsageError, match="no clean-up policy"):
            geopipe.load(config).cleanup(policy)  # type: ignore[arg-type]


def test_it_works_on_another_thread(workplace: Workplace) -> None:
    """A notebook or a server may call it where signals cannot be handled."""
    found: list[object] = []
    thread = threading.Thread(target=lambda: found.append(geopipe.load(workplace.config()).run()))
    thread.start()
    thread.join()
    assert isinstance(found[0], geopipe.FinishedRun)


def test_reverse_geocoding_needs_no_configuration() -> None:
    places = geopipe.reverse_geocode([(48.8566, 2.3522), (91, 0), ("north", 1), (None, 2), (0, 181), (-33.87, 151.21)])
    assert [place["reverse_geo.country"] for place in places] == ["FRA", None, None, None, None, "AUS"]
    assert [place["reverse_geo.status"].partition(":")[0] for place in places] == [
        "Valid Data",
        *["Invalid Data"] * 4,
        "Valid Data",
    ]
    assert places[0]["reverse_geo.distance_km"] < 5


def test_a_table_keeps_its_rows_and_gets_columns() -> None:
    table = pandas.DataFrame({"id": [7, 8, 9], "lat": [52.52, None, 40.71], "lon": [13.4, 1.0, -74.0]}, index=[2, 1, 0])
    located = geopipe.reverse_geocode(table, latitude="lat", longitude="lon")
    assert list(located["id"]) == [7, 8, 9] and list(located.index) == [2, 1, 0]
    assert list(located["reverse_geo.country"].fillna("")) == ["DEU", "", "USA"]
    assert list(table.columns) == ["id", "lat", "lon"]
    with pytest.raises(UsageError, match="'Latitude'"):
        geopipe.reverse_geocode(table)


def test_the_guides_code_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs/how-to/use-from-python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    for name in ("config", "lambda", "resources"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "points.csv").write_text("Longitude,Latitude\n2.35,48.86\n")
    monkeypatch.chdir(tmp_path)
    for block in blocks:
        exec(block, {})
