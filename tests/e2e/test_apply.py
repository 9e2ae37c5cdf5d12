"""`apply` sets everything up and starts nothing; a run then finds everything in place."""

from __future__ import annotations

from tests.support.e2e import StartStanding, Workplace


def test_apply_sets_up_and_a_run_changes_nothing_more(workplace: Workplace, start_standing: StartStanding) -> None:
    standing = start_standing()
    config = workplace.config(endpoint=standing.url, cleanup="none")
    done = workplace.geopipe("apply", config, "--non-interactive")
    assert done.returncode == 0, done.stderr
    assert "13 to create" in done.stdout
    assert "Execution" not in done.stdout
    assert (
        standing.client("sagemaker").list_pipeline_executions(PipelineName="sagemaker-sdk-example-pipeline")[
            "PipelineExecutionSummaries"
        ]
        == []
    )
    again = workplace.geopipe(config, "--non-interactive")
    assert again.returncode == 0, again.stderr
    assert "0 to create, 0 to update, 0 to delete" in again.stdout
