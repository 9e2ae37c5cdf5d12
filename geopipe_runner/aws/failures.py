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
    NoCredentialsError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from ..errors import AwsError, GeopipeError
from .retry import error_code

AWS_ERRORS = (ClientError, BotoCoreError)
"""Whatever a call may raise."""

_EXPIRED = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "RequestExpired", "UnrecognizedClientException"}
)
_NO_LONGER = (CredentialRetrievalError, NoCredentialsError, TokenRetrievalError, UnauthorizedSSOTokenError)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "403"})


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


def as_aws_error(error: ClientError | BotoCoreError) -> AwsError:
    """One sentence for `error`, and a hint where we have one."""
    if isinstance(error, ClientError):
        code = error_code(error)
        message = error.response.get("Error", {}).get("Message", "")
        hint = "The README lists the permissions the caller needs." if denied(error) else ""
        return AwsError(f"{error.operation_name} failed: {code}: {message}", hint)
    if isinstance(error, EndpointConnectionError):
        return AwsError(str(error), "Is the endpoint running, and is the network up?")
    if isinstance(error, ConnectionError):
        return AwsError(f"The connection was lost: {error}", "Run the same command again: it goes on from there.")
    return AwsError(str(error))


def reason(error: BaseException) -> str:
    """One sentence of any error, ours or AWS's."""
    if isinstance(error, ClientError | BotoCoreError):
        return as_aws_error(error).message
    return error.message if isinstance(error, GeopipeError) else str(error)
