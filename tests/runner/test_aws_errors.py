"""AWS's errors in our words, and the errors for something that does not exist."""

from __future__ import annotations

import errno

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoRegionError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from geopipe_runner.aws.errors import as_aws_error, reason, translated, unreachable
from geopipe_runner.aws.not_found import ignore_not_found, none_if_not_found
from geopipe_runner.errors import AwsError, ConfigError, GeopipeError, Problem, RefusedError
from tests.support.runner_fakes import answer_error


def raiser(error: BaseException):  # type: ignore[no-untyped-def]
    def call() -> None:
        raise error

    return call


@pytest.mark.parametrize(
    "code",
    [
        "404",
        "NoSuchEntity",
        "NoSuchBucket",
        "ResourceNotFound",
        "ResourceNotFoundException",
        "AWS.SimpleQueueService.NonExistentQueue",
        "NoSuchTagSet",
        "NoSuchBucketPolicy",
    ],
)
def test_not_found_becomes_none(code: str) -> None:
    assert none_if_not_found(raiser(answer_error(code))) is None
    ignore_not_found(raiser(answer_error(code)))


@pytest.mark.parametrize("code", ["AccessDenied", "403", "Throttling", "DeleteConflict", "ValidationException"])
def test_other_failures_are_raised(code: str) -> None:
    with pytest.raises(ClientError):
        none_if_not_found(raiser(answer_error(code)))
    with pytest.raises(ClientError):
        ignore_not_found(raiser(answer_error(code)))


def test_a_result_is_returned() -> None:
    assert none_if_not_found(lambda: 7) == 7


def test_an_error_says_what_was_called() -> None:
    error = as_aws_error(answer_error("LimitExceeded", "too many", "CreateRole"))
    assert (error.message, error.hint) == ("CreateRole failed: LimitExceeded: too many", "")


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "403"])
def test_a_denial_points_to_the_permissions(code: str) -> None:
    assert "permissions" in as_aws_error(answer_error(code)).hint


@pytest.mark.parametrize(
    ("error", "text", "hint"),
    [
        (EndpointConnectionError(endpoint_url="http://x"), "http://x", "Is the endpoint running"),
        (ConnectionClosedError(endpoint_url="http://x"), "The connection was lost", "Run the same command again"),
        (ReadTimeoutError(endpoint_url="http://x"), "No response in time", "Run the same command again"),
        (ConnectTimeoutError(endpoint_url="http://x"), "The connection was lost", "Run the same command again"),
        (NoRegionError(), "region", ""),
        (
            ResponseParserError("no element\n found" + " x" * 999),
            "The response is not from AWS: no element found",
            "A proxy",
        ),
    ],
)
def test_errors_of_botocore_itself(error: Exception, text: str, hint: str) -> None:
    with pytest.raises(AwsError) as caught, translated():
        raise error
    assert text in caught.value.message
    assert caught.value.hint.startswith(hint)
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "error", [ConnectTimeoutError(endpoint_url="http://x"), ReadTimeoutError(endpoint_url="http://x")]
)
def test_a_first_call_that_fails_leaves_nothing_to_resume(error: Exception) -> None:
    unreachable_error = unreachable(error)
    assert unreachable_error.message.startswith("AWS cannot be reached")
    assert "again" not in unreachable_error.hint


def test_a_long_response_is_quoted_in_part() -> None:
    assert len(as_aws_error(ResponseParserError("x" * 5000)).message) < 400


def test_our_own_errors_and_bugs_pass_unchanged() -> None:
    for error in (RefusedError("no"), KeyError("bug")):
        with pytest.raises(type(error)) as caught, translated():
            raise error
        assert caught.value is error


def test_one_sentence_of_any_error() -> None:
    assert reason(answer_error("A", "b", "C")) == "C failed: A: b"
    assert reason(RefusedError("not ours.", "Choose another.")) == "not ours. Choose another."
    assert reason(RefusedError("not ours.")) == "not ours."
    assert reason(RefusedError("not ours", "Choose another.")) == "not ours. Choose another."
    assert reason(answer_error("AccessDenied", "no", "ListTags")).startswith(
        "ListTags failed: AccessDenied: no. ListTags"
    )
    assert reason(ResponseParserError("x")).startswith("The response is not from AWS: x")
    assert reason(ValueError("bug")) == "bug"


def test_exit_codes_are_the_documented_ones() -> None:
    from geopipe_runner import errors

    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, GeopipeError)]
    codes = {cls.__name__: cls.exit_code for cls in classes}
    assert set(codes.values()) == {1, 2, 3, 5, 6, 130, 141}
    assert (
        codes
        | {
            "GeopipeError": 1,
            "ConfigError": 2,
            "TemplateError": 2,
            "AwsError": 1,
            "ExecutionFailed": 3,
            "RefusedError": 5,
            "LockedError": 6,
            "InterruptedByUser": 130,
        }
        == codes
    )


def test_problems_of_a_configuration_stand_in_its_order_once() -> None:
    later, first = Problem("c.yaml", 12, 3, "late", "this"), Problem("c.yaml", 2, 9, "soon")
    error = ConfigError([later, first, later])
    assert str(error) == "c.yaml:2:9: soon\nc.yaml:12:3: late; this"
    assert str(AwsError("what", "try this")) == "what\ntry this"


EXHAUSTED = [
    (OSError(errno.EMFILE, "Too many open files"), "too many open files", "ulimit -n"),
    (EndpointConnectionError(endpoint_url="http://x", error=OSError(errno.EMFILE, "x")), "too many open files", "-n"),
    (HTTPClientError(error=OSError(errno.ENOMEM, "x")), "out of memory", "memory"),
    (MemoryError(), "out of memory", "memory"),
    (OSError(errno.ENOSPC, "No space left on device", "/tmp/x"), "no space left on the disk (/tmp/x)", "TMPDIR"),
    (RuntimeError("can't start new thread"), "no more processes or threads", "ulimit -u"),
]


@pytest.mark.parametrize(("error", "what", "hint"), EXHAUSTED)
def test_a_machine_that_has_run_out_of_something_says_of_what(error: BaseException, what: str, hint: str) -> None:
    with pytest.raises(AwsError) as caught, translated():
        raise error
    assert caught.value.message.startswith("This machine: ") and what in caught.value.message
    assert hint in caught.value.hint and caught.value.exit_code == 1


@pytest.mark.parametrize("error", [FileNotFoundError("x"), RuntimeError("bug"), OSError(errno.EINVAL, "bug")])
def test_other_errors_of_the_machine_stay_bugs(error: BaseException) -> None:
    with pytest.raises(type(error)), translated():
        raise error
