"""AWS's errors, and botocore's own, as one of ours: what was called, what was answered, what to try."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.parsers import ResponseParserError

from ..errors import AwsError, GeopipeError
from .retry import error_code

AWS_ERRORS = (ClientError, BotoCoreError, ResponseParserError)
"""Whatever a call may raise."""

_EXPIRED = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "RequestExpired", "UnrecognizedClientException"}
)
_NO_LONGER = (CredentialRetrievalError, NoCredentialsError, TokenRetrievalError, UnauthorizedSSOTokenError)
_NOT_AWS = "A proxy, a login page or another server may stand in between: see `endpoint` and the proxy variables."
_LONGEST_QUOTE = 300
_ALREADY_THERE = frozenset(
    {
        "BucketAlreadyOwnedByYou",
        "EntityAlreadyExists",
        "EntityAlreadyExistsException",
        "ResourceAlreadyExistsException",
        "ResourceConflictException",
        "ValidationException",  # SageMaker's code for a pipeline whose name is taken, among much else
    }
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"})


def already_there(error: BaseException) -> bool:
    """Whether `error` says that what was to be created exists."""
    return error_code(error) in _ALREADY_THERE


def denied(error: BaseException) -> bool:
    """Whether `error` says that the caller may not."""
    return error_code(error) in _DENIED


def credentials_expired(error: BaseException) -> bool:
    """Whether `error` means that the credentials were good once and are no longer."""
    return isinstance(error, _NO_LONGER) or error_code(error) in _EXPIRED


@contextmanager
def translated() -> Iterator[None]:
    """Within the block, errors of AWS calls come out as AwsError."""
    try:
        yield
    except AWS_ERRORS as error:
        raise as_aws_error(error) from error


def as_aws_error(error: BaseException) -> AwsError:
    """One sentence for `error`, which is one of AWS_ERRORS, and a hint where we have one."""
    if isinstance(error, ClientError):
        code = error_code(error)
        message = error.response.get("Error", {}).get("Message", "")
        hint = ""
        if denied(error):
            hint = f"{error.operation_name} must be allowed; the README lists the permissions the caller needs."
        return AwsError(f"{error.operation_name} failed: {code}: {message}", hint)
    if isinstance(error, ResponseParserError):
        return not_aws(str(error))
    if isinstance(error, EndpointConnectionError):
        return AwsError(str(error), "Is the endpoint running, and is the network up?")
    if isinstance(error, ConnectionError | HTTPClientError):
        return AwsError(f"The connection was lost: {error}", "Run the same command again: what is done stays done.")
    return AwsError(str(error))


def unreachable(error: BaseException) -> AwsError:
    """The same for the first call of all, before which nothing was done that could be gone on with."""
    if isinstance(error, ConnectionError | HTTPClientError):
        return AwsError(f"AWS cannot be reached: {error}", "Is the endpoint running, and are network and proxy up?")
    return as_aws_error(error)


def not_aws(what: str) -> AwsError:
    """For an answer that can be read but is none of AWS's."""
    return AwsError(f"What answered is not AWS: {_shortened(what)}", _NOT_AWS)


def reason(error: BaseException) -> str:
    """Any error, ours or AWS's, on one line, with what to try."""
    known = as_aws_error(error) if isinstance(error, AWS_ERRORS) else error
    if not isinstance(known, GeopipeError):
        return str(known)
    return f"{known.message.removesuffix('.')}. {known.hint}" if known.hint else known.message


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_QUOTE else f"{line[:_LONGEST_QUOTE]}..."
