"""Which lines of the function's log belong to one execution."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from geopipe_runner.pipeline.execution import ExecutionView, StepView
from geopipe_runner.pipeline.function_log import ExecutionLog, read_function_log, read_function_logs
from tests.support.runner_fakes import answer_error
from tests.support.stage_fakes import EXECUTION_ARN, JOB_ARN, PIPELINE_ARN, RUN_ID, CannedAws

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
OTHER = f"{PIPELINE_ARN}/execution/zzzzzzzzzzzz"
STEP = StepView("s", "Lambda", "Failed", NOON, NOON + timedelta(seconds=9), outputs={"vej_arn": JOB_ARN})
VIEW = ExecutionView(EXECUTION_ARN, "Failed", "", NOON, steps=(STEP,))


def invocation(number: int, *lines: str, ends: bool = True) -> list[str]:
    begin, end = f"START RequestId: {number} Version: $LATEST", f"REPORT RequestId: {number} Duration: 1 ms"
    return [begin, *lines, *([end] if ends else [])]


def streams(*logs: list[str]) -> dict[str, Any]:
    """Events of several streams, one line of each in turn, as CloudWatch sorts them by time."""
    longest = max(map(len, logs), default=0)
    events = [
        {"logStreamName": str(number), "message": f"{log[at]}\n"}
        for at in range(longest)
        for number, log in enumerate(logs)
        if at < len(log)
    ]
    return {"events": events}


def summary(arn: str, minutes: float) -> dict[str, Any]:
    return {
        "PipelineExecutionArn": arn,
        "PipelineExecutionStatus": "Failed",
        "StartTime": NOON + timedelta(minutes=minutes),
    }


ALONE = [summary(EXECUTION_ARN, 0)]


def read(log: dict[str, Any] | Exception, executions: list[dict[str, Any]] = ALONE, **more: Any) -> ExecutionLog:
    aws: Any = CannedAws(
        {
            "filter_log_events": log,
            "list_pipeline_executions": {"PipelineExecutionSummaries": executions},
            **more,
        }
    )
    return read_function_log(aws, "group", "p", VIEW)


def test_invocations_that_name_the_execution_or_its_job_are_kept() -> None:
    ours = invocation(1, f'{{"execution_arn": "{EXECUTION_ARN}"}}', "step")
    theirs = invocation(2, f'{{"execution_arn": "{OTHER}"}}', "[ERROR] not ours")
    job = invocation(3, f'{{"vej_arn": "{JOB_ARN}"}}', "callback")
    log = read(streams([*ours, *job], theirs))
    assert log.lines == (*ours, *job)
    assert log.is_complete and log.errors == ()


def test_an_invocation_without_a_name_is_kept_where_nothing_else_ran() -> None:
    lines = ["[ERROR] Runtime.ImportModuleError: no pandas", *invocation(1, "[ERROR] again")]
    log = read(streams(lines))
    assert log.lines == tuple(lines)
    assert log.errors == (lines[0], "[ERROR] again")


@pytest.mark.parametrize(
    ("minutes", "modified", "kept"),
    [
        (0.1, None, False),
        (60, None, True),
        (-10, NOON - timedelta(minutes=5), True),
        (-10, NOON + timedelta(seconds=2), False),
    ],
    ids=["began meanwhile", "began afterwards", "had ended", "still ran"],
)
def test_an_invocation_without_a_name_is_dropped_where_another_execution_ran(
    minutes: float, modified: datetime | None, kept: bool
) -> None:
    executions = sorted([*ALONE, summary(OTHER, minutes)], key=lambda one: one["StartTime"], reverse=True)
    described = {"PipelineExecutionStatus": "Failed", "LastModifiedTime": modified}
    log = read(streams(invocation(1, "no name")), executions, describe_pipeline_execution=described)
    assert bool(log.lines) is kept


def test_an_invocation_that_has_not_reported_its_end_is_incomplete() -> None:
    assert not read(streams(invocation(1, EXECUTION_ARN, ends=False))).is_complete
    assert not read(streams([])).is_complete


def test_no_log_group_is_no_log() -> None:
    assert read(answer_error("ResourceNotFoundException")).lines == ()


def test_only_the_time_of_the_execution_is_read() -> None:
    aws: Any = CannedAws({"filter_log_events": streams([])})
    read_function_log(aws, "group", "p", VIEW)
    (request,) = aws.requests_of("filter_log_events")
    assert request["startTime"] == int(NOON.timestamp() * 1000)
    assert request["endTime"] == request["startTime"] + 14_000


def test_the_worker_s_log_follows_the_function_s() -> None:
    manifest = f"s3://bucket/output/{RUN_ID}/parts/manifest.json"
    step = StepView("start", "Lambda", "Succeeded", NOON, NOON, outputs={"parts_manifest": manifest})
    view = dataclasses.replace(VIEW, run_id=RUN_ID, steps=(step,))
    main = invocation(1, EXECUTION_ARN)
    ours, theirs = invocation(2, manifest), invocation(3, OTHER)
    logs = {"main": streams(main), "worker": streams(ours, theirs), "idle": streams([])}
    aws: Any = CannedAws({"filter_log_events": lambda **request: logs[request["logGroupName"]]})
    assert read_function_logs(aws, ("main", "worker"), "p", view) == ExecutionLog((*main, *ours), True)
    assert read_function_logs(aws, ("main", "idle"), "p", view) == ExecutionLog(tuple(main), True)
