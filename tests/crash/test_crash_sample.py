"""A sample of what the harness tries in full: killed where it hurts, then the next command puts all right."""

from __future__ import annotations

import pytest

from account import Inventory
from checks import CheckError, require_equal
from crash_world import Verdict, World, passed
from points import SCENARIOS, Point, in_batches, parse, points_of

GONE_ON_WITH = (
    "cleanup:sqs:DeleteQueue:1:after:b",  # the function and the roles are still there, one queue is not
    "cleanup:iam:DeleteRole:1:before:a",  # all but a role is gone, which has nothing left that it may do
    "run:lambda:CreateEventSourceMapping:2:before:a",  # the function is fed by one queue only
    "cleanup:lambda:DeleteFunction:1:after:a",  # the log group has lost what it belonged to
    "run:sagemaker:StartPipelineExecution:1:after:a",  # the execution goes on, and nobody knows its ARN
)
GIVEN_UP = (
    "run:s3:CreateBucket:1:after:b",  # a bucket without any setting, and whatever else was on its way
    "run:sagemaker:StartPipelineExecution:1:after:b",  # an execution whose job takes ten minutes
    "stop:sagemaker:StopPipelineExecution:1:after:a",  # it is Stopping, and nobody waits for it
)


def test_the_next_command_goes_on(world: World, undisturbed: Inventory) -> None:
    require_all_good(world, GONE_ON_WITH, undisturbed)


def test_the_next_clean_up_leaves_nothing(world: World) -> None:
    require_all_good(world, GIVEN_UP, {})


def require_all_good(world: World, sample: tuple[str, ...], expected: Inventory) -> None:
    points = [parse(text) for text in sample]
    verdicts = list(world.try_points(points, expected))
    assert [(str(v.point), v.failure) for v in verdicts if v.failure] == []
    assert [verdict.point for verdict in verdicts if verdict.reached] == points


def test_a_difference_is_shown_as_such() -> None:
    one = {"queues": [{"name": "a", "delay": "0"}]}
    require_equal("the account", one, dict(one))
    with pytest.raises(CheckError, match=r'(?s)the account differs:.*-   "delay": "0",.*\+   "delay": "5",'):
        require_equal("the account", {"queues": [{"name": "a", "delay": "5"}]}, one)


def test_points_are_written_as_they_are_read() -> None:
    text = "run:sqs:CreateQueue:1:after:a"
    assert str(parse(text)) == text and parse(text).service == "sqs"
    for wrong in ("walk:sqs:CreateQueue:1:after:a", "run:sqs:CreateQueue:1:after:c", "run:sqs:CreateQueue:a"):
        with pytest.raises(ValueError, match="must be like"):
            parse(wrong)


def test_nothing_is_shown_where_nothing_was_killed() -> None:
    point = parse("run:sqs:CreateQueue:1:after:a")
    killed, ended, failed = Verdict(point, True), Verdict(point, False), Verdict(point, True, "it differs")
    assert passed([killed, ended])
    assert not any(map(passed, ([], [ended], [killed, failed])))


def test_batches_hold_every_point_once() -> None:
    moments = [f"sqs:CreateQueue:{number}:after" for number in range(1, 6)]
    points = [point for scenario in SCENARIOS for point in points_of(scenario, moments)]
    batched: list[Point] = [point for batch in in_batches(points) for point in batch]
    assert sorted(map(str, batched)) == sorted(map(str, points))
