"""Why an execution does not end: the first broken station between the queue and the answer, and what helps."""

from __future__ import annotations

from typing import Any

import pytest

from geopipe_runner.config.model import Provider
from geopipe_runner.stages import waiting
from geopipe_runner.stages.find import find_execution, with_steps
from tests.support.runner_fakes import answer_error
from tests.support.stage_fakes import (
    JOB_ARN,
    TOKEN,
    CannedAws,
    callback_step,
    queue_numbers,
    stage_context,
    start_step,
    waiting_pipeline,
)

GONE = answer_error("ResourceNotFoundException")
NO_QUEUE = answer_error("AWS.SimpleQueueService.NonExistentQueue")
NO_JOB_RUNS = {"VectorEnrichmentJobSummaries": []}


def explain(aws: CannedAws, provider: Provider = "sagemaker_geospatial") -> list[str]:
    context, _ = stage_context(aws, provider=provider)
    return list(waiting.explain(context, with_steps(context, find_execution(context, None))))


def mapping(state: str, **more: Any) -> dict[str, Any]:
    return {"EventSourceMappings": [{"UUID": "u", "State": state, **more}]}


def logged(*lines: str) -> dict[str, Any]:
    messages = ["START RequestId: r", f'{{"arguments": "{JOB_ARN}"}}', *lines, "REPORT RequestId: r"]
    return {"events": [{"logStreamName": "s", "message": message} for message in messages]}


@pytest.mark.parametrize(
    ("changed", "cause", "command"),
    [
        ({"get_function": GONE}, "function SageMakerExampleFunction does not exist", "geopipe run "),
        (
            {"get_function": {"Configuration": {"State": "Failed", "StateReason": "no subnet"}}},
            "is Failed: no subnet",
            "geopipe run ",
        ),
        (
            {"get_function": {"Configuration": {}, "Concurrency": {"ReservedConcurrentExecutions": 0}}},
            "reserved concurrency of 0",
            "aws lambda delete-function-concurrency --function-name SageMakerExampleFunction",
        ),
        ({"list_event_source_mappings": {"EventSourceMappings": []}}, "no event source mapping", "geopipe run "),
        ({"list_event_source_mappings": mapping("Deleting")}, "no event source mapping", "geopipe run "),
        ({"list_event_source_mappings": mapping("Disabled")}, "event source mapping is Disabled", "geopipe run "),
        ({"list_event_source_mappings": mapping("Disabling")}, "event source mapping is Disabling", "geopipe run "),
        ({"get_queue_attributes": NO_QUEUE}, "The queue does not exist", "geopipe callbacks "),
        ({"get_queue_attributes": queue_numbers()}, "The queue is empty", "geopipe callbacks "),
        ({"get_queue_attributes": queue_numbers(dead=1)}, "The message is in the dead-letter queue", "geopipe logs "),
        (
            {"filter_log_events": logged("[ERROR] boom"), "list_vector_enrichment_jobs": NO_JOB_RUNS},
            "The function cannot answer the callback",
            "geopipe logs ",
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_the_cause_and_the_command_that_helps(changed: dict[str, Any], cause: str, command: str) -> None:
    *_, conclusion = explain(waiting_pipeline(**changed))
    assert cause in conclusion and command in conclusion


def test_a_job_that_runs_is_no_fault() -> None:
    lines = explain(waiting_pipeline())
    assert lines[0] == "Step vej-callback-step (Callback) has waited for 30 min 00 s."
    assert "Its job: job IN_PROGRESS, export not started." in lines
    assert "Messages in the queue: 0 waiting, 1 in flight, 0 delayed." in lines
    assert "nothing to do but wait" in lines[-1]


def test_a_job_that_is_over_shows_as_such() -> None:
    completed = {
        "get_vector_enrichment_job": {"Status": "COMPLETED"},
        "list_vector_enrichment_jobs": NO_JOB_RUNS,
    }
    lines = explain(waiting_pipeline(**completed))
    assert "Its job: job COMPLETED, export not started." in lines
    assert "A message is in flight" in lines[-1]


@pytest.mark.parametrize(("log", "end"), [((), "Wait for them."), (("[ERROR] boom",), "shows why.")])
def test_parts_that_wait_are_counted(log: tuple[str, ...], end: str) -> None:
    def numbers(**request: Any) -> dict[str, Any]:
        of_parts = request["QueueUrl"].rpartition("-work")[1:]
        counts = {("-work", ""): (7, 2, 0), ("-work", "-dlq"): (1, 0, 0)}.get(of_parts, (0, 1, 0))
        names = [f"ApproximateNumberOfMessages{kind}" for kind in ("", "NotVisible", "Delayed")]
        return {"Attributes": {name: str(count) for name, count in zip(names, counts, strict=True)}}

    lines = explain(waiting_pipeline(get_queue_attributes=numbers, filter_log_events=logged(*log)), "gazetteer")
    assert "Messages in the queue of parts: 7 waiting, 2 in flight, 0 delayed." in lines
    assert "Messages in the dead-letter queue of parts: 1 waiting, 0 in flight, 0 delayed." in lines
    assert lines[-1].endswith(end)


def test_a_message_that_was_just_sent_is_not_called_lost() -> None:
    steps = {"PipelineExecutionSteps": [start_step(), callback_step(minutes=0.1)]}
    lines = explain(waiting_pipeline(get_queue_attributes=queue_numbers(), list_pipeline_execution_steps=steps))
    assert not any("is gone" in line for line in lines)


def test_what_cannot_be_read_is_named_and_decides_nothing() -> None:
    denied = answer_error("AccessDeniedException", "may not", "GetFunction")
    lines = explain(waiting_pipeline(get_function=denied, get_queue_attributes=denied))
    assert any(line.startswith("(function could not be read: ") for line in lines)
    assert any(line.startswith("(queue could not be read: ") for line in lines)
    assert not any("does not exist" in line for line in lines)


def test_errors_of_the_mapping_and_the_function_are_quoted() -> None:
    problem = "PROBLEM: Function call failed"
    lines = explain(
        waiting_pipeline(
            list_event_source_mappings=mapping("Enabled", LastProcessingResult=problem),
            filter_log_events=logged("[ERROR] RuntimeError: boom"),
        )
    )
    assert f"Event source mapping: Enabled, last result {problem}." in lines
    assert "The function logged 1 error(s), the last one: [ERROR] RuntimeError: boom" in lines


def test_no_token_is_shown() -> None:
    assert TOKEN not in "\n".join(explain(waiting_pipeline()))


def test_a_lambda_step_waits_for_no_message() -> None:
    step = start_step() | {"StepStatus": "Executing"}
    del step["EndTime"]
    aws = waiting_pipeline(list_pipeline_execution_steps={"PipelineExecutionSteps": [step]})
    (line,) = explain(aws)
    assert line.startswith("Step vej-processing-step (Lambda) has run for 31 min")
    assert aws.requests_of("get_queue_attributes") == []
