"""The scenarios that are recorded on a real account run on the emulator, too, and what they record is compared."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from geopipe_runner.config import load
from tests.support.e2e import ACCOUNT, Standing, Workplace, start_emulator
from tests.support.fidelity.comparison import differences
from tests.support.fidelity.recording import RecordedCall, Recording, read_calls, recordings, save
from tests.support.fidelity.scenarios import SCENARIOS, play, prepared, resources_that_exist

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Standing, Workplace, tuple[RecordedCall, ...]]:
    """An emulator on which all scenarios were played, and their calls."""
    folder = tmp_path_factory.mktemp("fidelity")
    standing = start_emulator("--job-seconds", "1")
    try:
        workplace = Workplace(folder)
        path = prepared(workplace.config(endpoint=standing.url), folder / "prepared")
        assert not resources_that_exist(path)
        assert tuple(play(path, folder / "calls")) == tuple(SCENARIOS)
        left = standing.inventory()
    finally:
        standing.process.terminate()
        standing.process.wait(60)
    assert left == {}
    return standing, workplace, read_calls(folder / "calls")


def test_every_scenario_records_calls_and_nothing_of_the_account(
    played: tuple[Standing, Workplace, tuple[RecordedCall, ...]], tmp_path: Path
) -> None:
    _, workplace, calls = played
    assert {call.scenario for call in calls} == set(SCENARIOS)
    codes = {(call.operation, call.code) for call in calls if call.scenario == "refusals"}
    assert {("DescribePipeline", "ResourceNotFound"), ("CreateQueue", "QueueAlreadyExists")} <= codes
    path = save(Recording("2026-01-31", "us-west-2", calls), tmp_path)
    assert [len(recording.calls) for recording in recordings(tmp_path)] == [len(calls)]
    text, config = path.read_text(), load(workplace.folder / "config.yaml", {})
    for private in (ACCOUNT, "AKIA", config.queue.name, config.function.name, config.pipeline.name):
        assert private not in text


def test_the_emulator_answers_as_recorded(played: tuple[Standing, Workplace, tuple[RecordedCall, ...]]) -> None:
    found = {recording.recorded_on: differences(recording.calls, played[2]) for recording in recordings()}
    assert not any(found.values()), json.dumps(found, indent=1)


def test_each_kind_of_difference_is_found(played: tuple[Standing, Workplace, tuple[RecordedCall, ...]]) -> None:
    calls = played[2]
    assert differences(calls, calls) == []
    described = next(c for c in calls if c.operation == "DescribePipeline" and c.status == 200)
    refused = next(c for c in calls if c.operation == "DescribePipeline" and c.code == "ResourceNotFound")
    more = replace(described, response={**described.response, "Extra": {"State": "Active"}})
    less = replace(described, response={"PipelineArn": "string"})
    where = f"{described.scenario}: sagemaker:DescribePipeline"
    assert differences([more], [described]) == [f"{where}: only AWS answers with Extra.State"]
    assert f"{where}: only the emulator answers with PipelineStatus" in differences([less], [described])
    (other,) = differences([replace(refused, message="No <PipelineName>.")], [refused])
    assert "AWS says 'No <PipelineName>.', the emulator" in other
    (never,) = differences([replace(refused, status=404, code="NotFound")], [refused])
    assert never.endswith("AWS answered 404 NotFound, the emulator never did")


def test_a_recording_of_another_format_is_refused(tmp_path: Path) -> None:
    path = save(Recording("2026-01-31", "us-west-2", ()), tmp_path)
    path.write_text(json.dumps(asdict(Recording("2026-01-31", "us-west-2", ())) | {"format": 99}))
    with pytest.raises(ValueError, match="another format"):
        recordings(tmp_path)
