"""Running failed steps again: only where it can help, and followed only once it shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from geopipe_runner.errors import AwsError, RefusedError
from geopipe_runner.stages.find import find_execution
from geopipe_runner.stages.retry import retry_failed_steps
from tests.support.stage_fakes import RUN_ID, CannedAws, callback_step, stage_context, waiting_pipeline

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def described(status: str, seconds: float = 0) -> dict[str, Any]:
    return {
        "PipelineExecutionStatus": status,
        "PipelineExecutionDisplayName": RUN_ID,
        "CreationTime": NOON,
        "LastModifiedTime": NOON + timedelta(seconds=seconds),
    }


def failed_pipeline(*later: dict[str, Any], **changed: Any) -> CannedAws:
    """An execution that has failed, and what DescribePipelineExecution says after the retry; the last one forever."""
    script = [described("Failed"), *later]
    failed = {"StepName": "s", "StepStatus": "Failed", "Metadata": {"Lambda": {}}}

    def describe(**_: Any) -> dict[str, Any]:
        return script.pop(0) if len(script) > 1 else script[0]

    return waiting_pipeline(
        describe_pipeline_execution=describe,
        list_pipeline_execution_steps={"PipelineExecutionSteps": [failed]},
        retry_pipeline_execution={},
        **changed,
    )


def retry(aws: CannedAws) -> str:
    context, _ = stage_context(aws)
    return retry_failed_steps(context, find_execution(context, None)).status


@pytest.mark.parametrize(
    "later",
    [
        [described("Executing", 1)],
        [described("Failed"), described("Failed"), described("Executing", 1)],
        [described("Failed"), described("Failed", 5)],
        [described("Failed"), described("Succeeded", 5)],
    ],
    ids=["immediately", "late", "failed again", "succeeded meanwhile"],
)
def test_the_old_status_is_not_taken_for_the_new_end(later: list[dict[str, Any]]) -> None:
    aws = failed_pipeline(*later)
    assert retry(aws) == later[-1]["PipelineExecutionStatus"]
    assert len(aws.requests_of("retry_pipeline_execution")) == 1
    assert len(aws.requests_of("describe_pipeline_execution")) == 1 + len(later)


def test_an_execution_that_never_runs_again_is_an_error() -> None:
    with pytest.raises(AwsError, match="is still Failed 60 s after it was retried"):
        retry(failed_pipeline(described("Failed")))


@pytest.mark.parametrize("status", ["Executing", "Stopping", "Succeeded"])
def test_only_what_failed_or_was_stopped_can_be_retried(status: str) -> None:
    aws = waiting_pipeline(describe_pipeline_execution=described(status))
    with pytest.raises(RefusedError, match=f"is {status}; only one that failed or was stopped"):
        retry(aws)


def test_a_failed_job_makes_it_hopeless() -> None:
    step = callback_step() | {"StepStatus": "Failed"}
    outputs = [{"Name": "vej_arn", "Value": "arn:job"}]
    start = {"StepName": "s", "StepStatus": "Succeeded", "Metadata": {"Lambda": {"OutputParameters": outputs}}}
    aws = waiting_pipeline(
        describe_pipeline_execution=described("Failed"),
        list_pipeline_execution_steps={"PipelineExecutionSteps": [start, step]},
        get_vector_enrichment_job={"Status": "FAILED", "ErrorDetails": {"ErrorMessage": "no rows"}},
    )
    with pytest.raises(RefusedError, match="A retry cannot help: Job FAILED: no rows") as raised:
        retry(aws)
    assert "geopipe run " in raised.value.hint
