"""The errors of AWS, of botocore and of this machine as one of ours: what failed, why, and what to try."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    LoginError,
    MissingDependencyException,
    NoCredentialsError,
    ReadTimeoutError,
    SSOError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError

from ..errors import AwsError, GeopipeError
from .error_codes import EXPIRED, error_code, is_denied
from .secrets import redact

# Everything that a call may raise.
AWS_ERRORS = (ClientError, BotoCoreError, ResponseParserError)

_NO_LONGER_VALID = (CredentialRetrievalError, LoginError, NoCredentialsError, SSOError, TokenRetrievalError)
_NOT_AWS = "A proxy, a login page or another server may stand in between: see `endpoint` and the proxy variables."
_LONGEST_QUOTE = 300
_RUN_AGAIN = "Run the same command again: what is done stays done."

# What this machine can run out of, and the way out.
_EXHAUSTED = {
    errno.EMFILE: ("too many open files", "Raise the limit (`ulimit -n 4096`), or close what holds the files open."),
    errno.ENFILE: ("too many open files on this machine", "Close programs that hold files open."),
    errno.ENOSPC: ("no space left on the disk", "Free some space, or point TMPDIR and --output-dir to another disk."),
    errno.EDQUOT: ("the disk quota is used up", "Free some space, or point TMPDIR and --output-dir to another disk."),
    errno.ENOMEM: ("out of memory", "Close other programs, or raise the memory limit."),
    errno.EAGAIN: ("no more processes or threads allowed", "Raise the limit (`ulimit -u`), or close other programs."),
}


def credentials_expired(error: BaseException) -> bool:
    """Whether `error` means that the credentials were valid once and no longer are."""
    return isinstance(error, _NO_LONGER_VALID) or error_code(error) in EXPIRED


@contextmanager
def translated() -> Iterator[None]:
    """Within the block, errors of AWS calls and exhausted resources of this machine come out as AwsError."""
    try:
        yield
    except AWS_ERRORS as error:
        raise as_aws_error(error) from error
    except (OSError, MemoryError, RuntimeError) as error:
        exhausted = as_exhaustion(error)
        if exhausted is None:
            raise
        raise exhausted from None


def as_aws_error(error: BaseException) -> AwsError:
    """Returns one sentence for `error`, which is one of AWS_ERRORS, and a hint where we have one."""
    exhausted = as_exhaustion(error)
    if exhausted:
        return exhausted
    text = redact(str(error))
    if isinstance(error, ClientError):
        return _as_refusal(error)
    if isinstance(error, ResponseParserError):
        return not_aws(text)
    if isinstance(error, EndpointConnectionError):
        return AwsError(text, "Is the endpoint running, and is the network up?")
    if isinstance(error, ReadTimeoutError):
        return AwsError(f"No response in time: {text}", _RUN_AGAIN)
    if isinstance(error, ConnectionError | HTTPClientError):
        return AwsError(f"The connection was lost: {text}", _RUN_AGAIN)
    if isinstance(error, MissingDependencyException):
        return AwsError(_one_line(text), "Install it: pip install 'botocore[crt]'")
    return AwsError(_one_line(text))


def _as_refusal(error: ClientError) -> AwsError:
    message = error.response.get("Error", {}).get("Message", "")
    hint = ""
    if is_denied(error):
        hint = f"{error.operation_name} must be allowed; docs/reference/permissions.md lists what the caller needs."
    return AwsError(redact(f"{error.operation_name} failed: {error_code(error)}: {message}"), hint)


def as_exhaustion(error: BaseException) -> AwsError | None:
    """Returns one sentence where this machine has run out of something, also deep in the chain of causes."""
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in seen:
        seen.append(current)
        if isinstance(current, MemoryError):
            return AwsError("This machine: out of memory.", _EXHAUSTED[errno.ENOMEM][1])
        if isinstance(current, RuntimeError) and "can't start new thread" in str(current):
            what, hint = _EXHAUSTED[errno.EAGAIN]
            return AwsError(f"This machine: {what}.", hint)
        if isinstance(current, OSError) and current.errno in _EXHAUSTED and current.errno != errno.EAGAIN:
            what, hint = _EXHAUSTED[current.errno]
            where = f" ({current.filename})" if current.filename else ""
            return AwsError(f"This machine: {what}{where}.", hint)
        current = _cause_of(current)
    return None


def _cause_of(error: BaseException) -> BaseException | None:
    """Returns what an error wraps. botocore keeps the original as an argument, urllib3 as `reason`."""
    for inner in (getattr(error, "kwargs", {}).get("error"), getattr(error, "reason", None)):
        if isinstance(inner, BaseException):
            return inner
    return error.__cause__ or error.__context__


def unreachable(error: BaseException) -> AwsError:
    """Returns the same for the first call, before which nothing was done that a second run could continue."""
    exhausted = as_exhaustion(error)
    if exhausted is None and isinstance(error, ConnectionError | HTTPClientError):
        return AwsError(
            f"AWS cannot be reached: {redact(str(error))}", "Is the endpoint running, and are network and proxy up?"
        )
    return exhausted or as_aws_error(error)


def not_aws(what: str) -> AwsError:
    """Returns the error for a response that can be read but is not one of AWS's."""
    return AwsError(f"The response is not from AWS: {_shortened(redact(what))}", _NOT_AWS)


def reason(error: BaseException) -> str:
    """Returns any error, ours or AWS's, on one line, with what to try."""
    known = as_aws_error(error) if isinstance(error, AWS_ERRORS) else error
    if not isinstance(known, GeopipeError):
        return redact(str(known))
    text = f"{known.message.removesuffix('.')}. {known.hint}" if known.hint else known.message
    return redact(text)


def _shortened(text: str) -> str:
    line = _one_line(text)
    return line if len(line) <= _LONGEST_QUOTE else f"{line[:_LONGEST_QUOTE]}..."


def _one_line(text: str) -> str:
    return " ".join(text.split())
