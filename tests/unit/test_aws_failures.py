"""AWS's errors in our words, and those that only say that something is not there."""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoRegionError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError
from runner_fakes import answer_error

from geopipe_runner.aws.failures import as_aws_error, reason, translated, unreachable
from geopipe_runner.aws.gone import ignore_gone, none_if_gone
from geopipe_runner.errors import AwsError, ConfigError, GeopipeError, Problem, RefusedError


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
def test_gone(code: str) -> None:
    assert none_if_gone(raiser(answer_error(code))) is None
    ignore_gone(raiser(answer_error(code)))


@pytest.mark.parametrize("code", ["AccessDenied", "403", "Throttling", "DeleteConflict", "ValidationException"])
def test_not_gone_but_failed(code: str) -> None:
    with pytest.raises(ClientError):
        none_if_gone(raiser(answer_error(code)))
    with pytest.raises(ClientError):
        ignore_gone(raiser(answer_error(code)))


def test_what_is_there_is_given() -> None:
    assert none_if_gone(lambda: 7) == 7


def test_an_answer_says_what_was_called() -> None:
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
        (ReadTimeoutError(endpoint_url="http://x"), "The connection was lost", "Run the same command again"),
        (ConnectTimeoutError(endpoint_url="http://x"), "The connection was lost", "Run the same command again"),
        (NoRegionError(), "region", ""),
        (
            ResponseParserError("no element\n found" + " x" * 999),
            "What answered is not AWS: no element found",
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
def test_there_is_nothing_to_go_on_with_after_a_first_call(error: Exception) -> None:
    told = unreachable(error)
    assert told.message.startswith("AWS cannot be reached")
    assert "again" not in told.hint


def test_a_long_answer_is_quoted_in_part() -> None:
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
    assert reason(ResponseParserError("x")).startswith("What answered is not AWS: x")
    assert reason(ValueError("bug")) == "bug"


def test_exit_codes_are_the_documented_ones() -> None:
    from geopipe_runner import errors

    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, GeopipeError)]
    codes = {cls.__name__: cls.exit_code for cls in classes}
    assert set(codes.values()) == {1, 2, 3, 5, 130}
    assert (
        codes
        | {
            "GeopipeError": 1,
            "ConfigError": 2,
            "TemplateError": 2,
            "AwsError": 1,
            "ExecutionFailed": 3,
            "RefusedError": 5,
            "InterruptedByUser": 130,
        }
        == codes
    )


def test_problems_of_a_configuration_stand_in_its_order_once() -> None:
    later, first = Problem("c.yaml", 12, 3, "late", "this"), Problem("c.yaml", 2, 9, "soon")
    error = ConfigError([later, first, later])
    assert str(error) == "c.yaml:2:9: soon\nc.yaml:12:3: late; this"
    assert str(AwsError("what", "try this")) == "what\ntry this"
