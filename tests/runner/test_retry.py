"""Repeating a call: only for a named cause, announced once, within its time, with its own error at the end."""

from __future__ import annotations

import threading

import pytest
from botocore.exceptions import ClientError

from geopipe_runner.aws import retry
from geopipe_runner.aws.clock import Clock, Interrupted
from geopipe_runner.aws.poll import TimedOut
from geopipe_runner.aws.retry import Cause, Retrier
from tests.support.runner_fakes import FakeTime, answer_error

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
        retry.ROLE_NOT_READY,
        "InvalidParameterValueException",
        "Lambda was unable to configure access to your environment variables because the KMS key is invalid for "
        "CreateGrant. Please check your KMS key settings. KMS Exception: InvalidArnException KMS Message: ARN does not "
        "refer to a valid principal",
    ),
    (
        retry.ROLE_NOT_READY,
        "InvalidParameterValueException",
        "The function execution role does not have permissions to call ReceiveMessage on SQS",
    ),
    (
        retry.ROLE_NOT_READY,
        "ValidationException",
        "SageMaker was unable to assume the role 'arn:aws:iam::1:role/r'",
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
    (retry.ROLE_NOT_READY, "ValidationException", "The role arn:aws:iam::1:role/r is not acceptable."),
    (retry.NOT_YET_ALLOWED, "AccessDeniedException", "not authorized to perform: sagemaker:StartPipelineExecution"),
]
AFTER_A_CHANGE = [
    (retry.ROLE_NOT_READY, "ValidationException", "The role arn:aws:iam::1:role/r is not acceptable.", True),
    (retry.ROLE_NOT_READY, "ValidationException", "A principal is unknown.", True),
    (retry.ROLE_NOT_READY, "ValidationException", "1 validation error detected: Value '' at 'pipelineName'", False),
    (retry.NOT_YET_ALLOWED, "AccessDeniedException", "User: x is not authorized to perform: sagemaker:Start", True),
    (retry.NOT_YET_ALLOWED, "AccessDeniedException", "not authorized, with an explicit deny in a policy", False),
    (retry.NOT_YET_ALLOWED, "AccessDeniedException", "not authorized to perform: sagemaker-geospatial:List", False),
    (retry.NOT_YET_ALLOWED, "ValidationException", "not authorized", False),
]


@pytest.mark.parametrize(("cause", "code", "message"), CASES)
def test_a_cause_is_recognized_by_code_and_message(cause: Cause, code: str, message: str) -> None:
    assert cause.matches(answer_error(code, message))
    assert [other.name for other in every_cause() if other.matches(answer_error(code, message))] == [cause.name]


@pytest.mark.parametrize(("cause", "code", "message"), OTHERS)
def test_another_mistake_is_no_cause(cause: Cause, code: str, message: str) -> None:
    assert not cause.matches(answer_error(code, message))


@pytest.mark.parametrize(("cause", "code", "message", "passes"), AFTER_A_CHANGE)
def test_after_a_change_of_this_command_more_may_pass(cause: Cause, code: str, message: str, passes: bool) -> None:
    error = answer_error(code, message)
    assert not cause.matches(error)
    assert cause.matches(error, changed=True) is passes


WRITES = [
    ("iam", "CreateRole", {"RoleName": "r"}, True),
    ("iam", "AttachRolePolicy", {"RoleName": "r"}, True),
    ("sagemaker", "CreatePipeline", {"Tags": [{"Key": "k", "Value": "v"}]}, True),
    ("sagemaker", "AddTags", {"ResourceArn": "a"}, True),
    ("lambda", "TagResource", {"Resource": "a"}, True),
    ("sqs", "CreateQueue", {"tags": {"k": "v"}}, True),
    ("sagemaker", "CreatePipeline", {"Tags": []}, False),
    ("s3", "PutObject", {"Bucket": "b"}, False),
]


@pytest.mark.parametrize(("service", "operation", "parameters", "is_change"), WRITES)
def test_rights_and_tags_are_changes(
    service: str, operation: str, parameters: dict[str, object], is_change: bool
) -> None:
    time = FakeTime()
    late = retrier(time, role_not_ready_within=30)
    late.recent.record(service, operation, parameters, time.clock())
    assert late.changed_recently() is is_change
    time.sleep(31)
    assert not late.changed_recently()


DENIED = answer_error("AccessDeniedException", "User: x is not authorized to perform: sagemaker:StartPipelineExecution")


def test_a_denial_after_tags_were_written_is_repeated_within_the_propagation_time() -> None:
    time, said = FakeTime(), list[str]()
    late = retrier(time, said, role_not_ready_within=60)
    late.recent.record("sagemaker", "AddTags", {}, time.clock())
    assert late.call(retry.NOT_YET_ALLOWED, FlakyCall(DENIED, DENIED)) == 42
    assert said == ["Waiting up to 60 s: new tags and permissions have not reached all of AWS yet."]


def test_a_denial_that_stays_comes_out_when_the_changes_are_old() -> None:
    time = FakeTime()
    late = retrier(time, role_not_ready_within=60)
    late.recent.record("sagemaker", "AddTags", {}, time.clock())
    with pytest.raises(ClientError):
        late.call(retry.NOT_YET_ALLOWED, FlakyCall(*[DENIED] * 99))
    assert 50 <= sum(time.slept) <= 70


def test_a_denial_without_a_change_comes_out_immediately() -> None:
    time = FakeTime()
    with pytest.raises(ClientError):
        retrier(time).call(retry.NOT_YET_ALLOWED, FlakyCall(DENIED))
    assert time.slept == []


def every_cause() -> list[Cause]:
    return [value for value in vars(retry).values() if isinstance(value, Cause)]


def test_an_error_that_is_not_from_aws_is_no_cause() -> None:
    for cause in every_cause():
        assert not cause.matches(ValueError("role cannot be assumed"))


class FlakyCall:
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
    on_wait = (said if said is not None else []).append
    return Retrier(on_wait, role_not_ready_within=role_not_ready_within, time=time)


def test_a_call_is_repeated_and_announced_once() -> None:
    time, said, action = FakeTime(), list[str](), FlakyCall(IN_USE, IN_USE, IN_USE)
    assert retrier(time, said).call(retry.MAPPING_IN_USE, action) == 42
    assert action.calls == 4
    assert said == ["Waiting up to 600 s: an earlier change of the event source mapping is still in progress."]
    assert time.slept == sorted(time.slept)
    assert len(time.slept) == 3


def test_an_immediate_success_waits_and_says_nothing() -> None:
    time, said = FakeTime(), list[str]()
    assert retrier(time, said).call(retry.MAPPING_IN_USE, FlakyCall()) == 42
    assert (time.slept, said) == ([], [])


def test_another_error_comes_out_immediately() -> None:
    time, said = FakeTime(), list[str]()
    wrong = answer_error("AccessDenied")
    with pytest.raises(ClientError) as caught:
        retrier(time, said).call(retry.MAPPING_IN_USE, FlakyCall(wrong))
    assert caught.value is wrong
    assert (time.slept, said) == ([], [])


def test_when_the_time_is_up_its_own_error_comes_out() -> None:
    time = FakeTime()
    last = [answer_error("ResourceInUseException", str(number)) for number in range(1000)]
    action = FlakyCall(*last)
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
        retrier(time, said, role_not_ready_within=30).call(retry.ROLE_NOT_READY, FlakyCall(*[not_ready] * 99))
    assert 30 <= sum(time.slept) <= 40
    assert said == ["Waiting up to 30 s: the new role has not reached all of AWS yet."]


def test_two_calls_announce_each_for_itself() -> None:
    time, said = FakeTime(), list[str]()
    for _ in range(2):
        retrier(time, said).call(retry.MAPPING_IN_USE, FlakyCall(IN_USE))
    assert len(said) == 2


def test_polling_takes_its_time_from_the_retrier() -> None:
    time = FakeTime()
    states = iter("abc")
    assert retrier(time).poll(lambda: next(states), lambda state: state == "c", every=7, within=100) == "c"
    assert time.slept == [7, 7]
    with pytest.raises(TimedOut):
        retrier(time).poll(lambda: "a", lambda _state: False, every=7, within=10)


def test_an_interruption_ends_the_waits_of_every_thread_until_renewed() -> None:
    clock = Clock()
    ended = threading.Event()

    def wait() -> None:
        try:
            clock.sleep(60)
        except Interrupted:
            ended.set()

    thread = threading.Thread(target=wait)
    thread.start()
    clock.interrupt()
    thread.join(5)
    assert ended.is_set()
    with pytest.raises(Interrupted):
        clock.sleep(60)
    clock.renew()
    clock.sleep(0)


def test_an_interruption_ends_a_retry() -> None:
    clock = Clock()
    clock.interrupt()
    with pytest.raises(Interrupted):
        Retrier(lambda _text: None, time=clock).call(retry.MAPPING_IN_USE, FlakyCall(IN_USE))
