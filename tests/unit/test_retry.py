"""Trying again: only for a named cause, announced once, within its time, with its own error at the end."""

from __future__ import annotations

import threading

import pytest
from botocore.exceptions import ClientError
from runner_fakes import FakeTime, answer_error

from geopipe_runner.aws import retry
from geopipe_runner.aws.polling import TimedOut
from geopipe_runner.aws.retry import Cause, Interrupted, Patience, Retrier

CASES = [
    (
        retry.ROLE_NOT_READY,
        "InvalidParameterValueException",
        "The role defined for the function cannot be assumed by Lambda.",
    ),
    (
        retry.ROLE_NOT_READY,
        "InvalidParameterValueException",
        "The provided execution role does not have permissions to call ReceiveMessage on SQS",
    ),
    (
        retry.ROLE_NOT_READY,
        "InvalidParameterValueException",
        "The function execution role does not have permissions to call DeleteMessage on SQS",
    ),
    (
        retry.ROLE_NOT_READY,
        "ValidationException",
        "Could not assume role arn:aws:iam::1:role/r. Please ensure that the role exists and allows principal "
        "'sagemaker.amazonaws.com' to assume the role.",
    ),
    (
        retry.UPDATE_IN_PROGRESS,
        "ResourceConflictException",
        "The operation cannot be performed at this time. An update is in progress for resource: arn:aws:lambda:f",
    ),
    (
        retry.UPDATE_IN_PROGRESS,
        "ResourceConflictException",
        "The operation cannot be performed at this time. The function is currently in the following state: Pending",
    ),
    (retry.MAPPING_IN_USE, "ResourceInUseException", "Cannot update the event source mapping because it is in use."),
    (retry.QUEUE_DELETED_RECENTLY, "AWS.SimpleQueueService.QueueDeletedRecently", "You must wait 60 seconds"),
    (retry.CONCURRENT_CHANGE, "ConcurrentModification", "Another request is changing it"),
    (retry.CONCURRENT_CHANGE, "OperationAborted", "A conflicting conditional operation is in progress"),
    (retry.NOT_YET_KNOWN, "NoSuchBucket", "The specified bucket does not exist"),
    (retry.NOT_YET_KNOWN, "NoSuchEntity", "The role with name r cannot be found."),
    (
        retry.DEAD_LETTER_QUEUE_NOT_YET_KNOWN,
        "InvalidParameterValue",
        "Value {} for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist.",
    ),
    (retry.STILL_ATTACHED, "DeleteConflict", "Cannot delete entity, must detach all policies first."),
    (retry.EXECUTION_STILL_ENDING, "ConflictException", "The pipeline has a running execution"),
    (
        retry.PIPELINE_STILL_GOING,
        "ValidationException",
        "Pipeline names must be unique within an AWS account and region. Pipeline with name (p) already exists.",
    ),
]
OTHERS = [
    (retry.ROLE_NOT_READY, "InvalidParameterValueException", "Unzipped size must be smaller than 262144000 bytes"),
    (retry.ROLE_NOT_READY, "InvalidParameterValueException", "Queue visibility timeout: 60 seconds is less than 180"),
    (retry.ROLE_NOT_READY, "AccessDeniedException", "the role cannot be assumed"),
    (retry.UPDATE_IN_PROGRESS, "ResourceConflictException", "Function already exist: f"),
    (retry.MAPPING_IN_USE, "ResourceConflictException", "in use"),
    (retry.QUEUE_DELETED_RECENTLY, "QueueAlreadyExists", "deleted recently"),
    (retry.CONCURRENT_CHANGE, "DeleteConflict", "ConcurrentModification"),
    (retry.DEAD_LETTER_QUEUE_NOT_YET_KNOWN, "InvalidParameterValue", "Value for parameter RedrivePolicy is invalid."),
    (retry.PIPELINE_STILL_GOING, "ValidationException", "Unknown parameter name"),
    (retry.EXECUTION_STILL_ENDING, "ResourceConflictException", "running"),
]


@pytest.mark.parametrize(("cause", "code", "message"), CASES)
def test_a_cause_is_told_by_code_and_message(cause: Cause, code: str, message: str) -> None:
    assert cause.matches(answer_error(code, message))
    assert [other.name for other in every_cause() if other.matches(answer_error(code, message))] == [cause.name]


@pytest.mark.parametrize(("cause", "code", "message"), OTHERS)
def test_another_mistake_is_no_cause(cause: Cause, code: str, message: str) -> None:
    assert not cause.matches(answer_error(code, message))


def every_cause() -> list[Cause]:
    return [value for value in vars(retry).values() if isinstance(value, Cause)]


def test_what_aws_did_not_answer_is_no_cause() -> None:
    for cause in every_cause():
        assert not cause.matches(ValueError("role cannot be assumed"))


class Action:
    """Fails some times, then gives 42."""

    def __init__(self, *failures: BaseException) -> None:
        self.failures = list(failures)
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        if self.failures:
            raise self.failures.pop(0)
        return 42


IN_USE = answer_error("ResourceInUseException")


def retrier(time: FakeTime, said: list[str] | None = None, role_not_ready_within: float = 300.0) -> Retrier:
    announce = (said if said is not None else []).append
    return Retrier(announce, role_not_ready_within=role_not_ready_within, time=time)


def test_it_is_tried_again_and_announced_once() -> None:
    time, said, action = FakeTime(), list[str](), Action(IN_USE, IN_USE, IN_USE)
    assert retrier(time, said).call(retry.MAPPING_IN_USE, action) == 42
    assert action.calls == 4
    assert said == ["Waiting up to 120 s: an earlier change of the event source mapping is still being made."]
    assert time.slept == sorted(time.slept)
    assert len(time.slept) == 3


def test_success_at_once_waits_and_says_nothing() -> None:
    time, said = FakeTime(), list[str]()
    assert retrier(time, said).call(retry.MAPPING_IN_USE, Action()) == 42
    assert (time.slept, said) == ([], [])


def test_another_error_comes_out_at_once() -> None:
    time, said = FakeTime(), list[str]()
    wrong = answer_error("AccessDenied")
    with pytest.raises(ClientError) as caught:
        retrier(time, said).call(retry.MAPPING_IN_USE, Action(wrong))
    assert caught.value is wrong
    assert (time.slept, said) == ([], [])


def test_when_the_time_is_up_its_own_error_comes_out() -> None:
    time = FakeTime()
    last = [answer_error("ResourceInUseException", str(number)) for number in range(1000)]
    action = Action(*last)
    with pytest.raises(ClientError) as caught:
        retrier(time).call(retry.MAPPING_IN_USE, action)
    assert caught.value is last[action.calls - 1]
    waited = sum(time.slept)
    assert retry.MAPPING_IN_USE.within <= waited < retry.MAPPING_IN_USE.within + retry.MAPPING_IN_USE.longest
    assert max(time.slept) == retry.MAPPING_IN_USE.longest


def test_the_time_for_roles_is_the_configured_one() -> None:
    time, said = FakeTime(), list[str]()
    not_ready = answer_error("ValidationException", "Could not assume role x")
    with pytest.raises(ClientError):
        retrier(time, said, role_not_ready_within=30).call(retry.ROLE_NOT_READY, Action(*[not_ready] * 99))
    assert 30 <= sum(time.slept) <= 40
    assert said == ["Waiting up to 30 s: IAM has not yet made the role known everywhere."]


def test_two_calls_announce_each_for_itself() -> None:
    time, said = FakeTime(), list[str]()
    for _ in range(2):
        retrier(time, said).call(retry.MAPPING_IN_USE, Action(IN_USE))
    assert len(said) == 2


def test_polling_takes_its_time_from_the_retrier() -> None:
    time = FakeTime()
    states = iter("abc")
    assert retrier(time).poll(lambda: next(states), lambda state: state == "c", every=7, within=100) == "c"
    assert time.slept == [7, 7]
    with pytest.raises(TimedOut):
        retrier(time).poll(lambda: "a", lambda _state: False, every=7, within=10)


def test_patience_ends_for_every_thread_and_can_be_renewed() -> None:
    patience = Patience()
    ended = threading.Event()

    def wait() -> None:
        try:
            patience.sleep(60)
        except Interrupted:
            ended.set()

    thread = threading.Thread(target=wait)
    thread.start()
    patience.interrupt()
    thread.join(5)
    assert ended.is_set()
    with pytest.raises(Interrupted):
        patience.sleep(60)
    patience.renew()
    patience.sleep(0)


def test_an_interruption_ends_a_retry() -> None:
    patience = Patience()
    patience.interrupt()
    with pytest.raises(Interrupted):
        Retrier(lambda _text: None, time=patience).call(retry.MAPPING_IN_USE, Action(IN_USE))
