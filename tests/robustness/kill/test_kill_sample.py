"""A sample of the harness's points: the command is killed, then the next command repairs everything."""

from __future__ import annotations

import pytest

from tests.support.kill.account import Inventory
from tests.support.kill.checks import CheckError, require_equal
from tests.support.kill.points import SCENARIOS, KillPoint, in_batches, parse, points_of
from tests.support.kill.worker import KillWorker, PointResult, passed

SAME_COMMAND_NEXT = (
    "cleanup:sqs:DeleteQueue:1:after:b",  # one queue is deleted; the function and the roles still exist
    "cleanup:iam:DeleteRole:1:before:a",  # only a role is left, without any policy
    "run:lambda:CreateEventSourceMapping:2:before:a",  # only one queue invokes the function
    "cleanup:lambda:DeleteFunction:1:after:a",  # the function that owned the log group is deleted
    "run:sagemaker:StartPipelineExecution:1:after:a",  # the execution runs, but its ARN is not known
)
CLEANUP_NEXT = (
    "run:s3:CreateBucket:1:after:b",  # a bucket without settings, and no lock in it
    "run:sagemaker:StartPipelineExecution:1:after:b",  # an execution whose job takes ten minutes
    "stop:sagemaker:StopPipelineExecution:1:after:a",  # the execution is Stopping, and no command waits for it
)


def test_the_next_run_completes_the_deployment(worker: KillWorker, undisturbed: Inventory) -> None:
    require_all_pass(worker, SAME_COMMAND_NEXT, undisturbed)


def test_the_next_clean_up_empties_the_account(worker: KillWorker) -> None:
    require_all_pass(worker, CLEANUP_NEXT, {})


def require_all_pass(worker: KillWorker, sample: tuple[str, ...], expected: Inventory) -> None:
    points = [parse(text) for text in sample]
    results = list(worker.try_points(points, expected))
    assert [(str(v.point), v.failure) for v in results if v.failure] == []
    assert [result.point for result in results if result.reached] == points


def test_a_difference_is_shown_line_by_line() -> None:
    inventory = {"queues": [{"name": "a", "delay": "0"}]}
    require_equal("the account", inventory, dict(inventory))
    with pytest.raises(CheckError, match=r'(?s)the account differs:.*-   "delay": "0",.*\+   "delay": "5",'):
        require_equal("the account", {"queues": [{"name": "a", "delay": "5"}]}, inventory)


def test_a_point_is_parsed_and_written_in_the_same_form() -> None:
    text = "run:sqs:CreateQueue:1:after:a"
    assert str(parse(text)) == text and parse(text).service == "sqs"
    for text in ("walk:sqs:CreateQueue:1:after:a", "run:sqs:CreateQueue:1:after:c", "run:sqs:CreateQueue:a"):
        with pytest.raises(ValueError, match="must be like"):
            parse(text)


def test_a_harness_that_kills_nothing_does_not_pass() -> None:
    point = parse("run:sqs:CreateQueue:1:after:a")
    killed, ended, failed = PointResult(point, True), PointResult(point, False), PointResult(point, True, "it differs")
    assert passed([killed, ended])
    assert not any(map(passed, ([], [ended], [killed, failed])))


def test_batches_hold_every_point_once() -> None:
    moments = [f"sqs:CreateQueue:{number}:after" for number in range(1, 6)]
    points = [point for scenario in SCENARIOS for point in points_of(scenario, moments)]
    batched: list[KillPoint] = [point for batch in in_batches(points) for point in batch]
    assert sorted(map(str, batched)) == sorted(map(str, points))
