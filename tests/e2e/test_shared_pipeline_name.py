"""Two deployments whose configurations name one pipeline: a clean-up stops the runs of its own, and no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.e2e import Standing, StartStanding, Workplace
from tests.support.output import wait_for_output

PIPELINE = "sagemaker-sdk-example-pipeline"
OTHER: dict[str, Any] = {
    "deployment": "other",
    "queue": {"name": "other-queue"},
    "bucket": {"name": "other-bucket-123456789012"},
    "function": {"name": "OtherFunction"},
    "iam": {"lambda_role": "OtherLambdaRole", "sagemaker_role": "OtherSageMakerRole"},
}


def _leave_running(folder: Path, **changes: Any) -> None:
    """Start a run and kill the command, so that the execution continues without it."""
    folder.mkdir(exist_ok=True)
    workplace = Workplace(folder)
    process = workplace.start(workplace.config(**changes), "--non-interactive", "--cleanup=none")
    wait_for_output(process, "Execution status is Executing.")
    process.kill()
    process.communicate(timeout=90)


def _statuses(standing: Standing) -> list[str]:
    found = standing.client("sagemaker").list_pipeline_executions(PipelineName=PIPELINE)["PipelineExecutionSummaries"]
    return [entry["PipelineExecutionStatus"] for entry in found]


def test_a_clean_up_stops_its_own_runs_before_their_queue_goes_and_no_others(
    tmp_path: Path, start_standing: StartStanding
) -> None:
    standing = start_standing("--job-seconds", "600")
    _leave_running(tmp_path / "ours", endpoint=standing.url)
    _leave_running(tmp_path / "other", endpoint=standing.url, pipeline={"name": "other-pipeline"}, **OTHER)
    other = Workplace(tmp_path / "other")
    done = other.geopipe("cleanup", other.config(endpoint=standing.url, **OTHER), "--non-interactive", "--cleanup=all")
    assert done.returncode == 0, done.stderr
    assert _statuses(standing) == ["Executing"]
    lines = done.stdout.splitlines()
    (stopped,) = [n for n, line in enumerate(lines) if "Stopping execution" in line]
    assert "other-pipeline" in lines[stopped]
    assert stopped < min(n for n, line in enumerate(lines) if "Deleted queue" in line)
    assert standing.inventory()["pipelines"] == [PIPELINE]
