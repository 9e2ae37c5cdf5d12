"""Sorts AWS's errors by what can be done about them, so that no caller reads error codes itself."""

from enum import Enum

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    InvalidRegionError,
    ParamValidationError,
)

AwsError = (ClientError, BotoCoreError)


class Fault(Enum):
    """What kind of no it was."""

    GONE = "gone"  # what we asked about does not exist
    USED = "used"  # it has been done already
    INVALID = "invalid"  # the request will never be right
    PASSING = "passing"  # throttled, a fault of the service or of the network
    OTHER = "other"  # access denied, no credentials, a code nobody has seen yet


_CODES = {
    "ResourceNotFound": Fault.GONE,
    "ResourceNotFoundException": Fault.GONE,
    "ConflictException": Fault.USED,
    "ValidationException": Fault.INVALID,
    "ValidationError": Fault.INVALID,
    "InvalidParameterValue": Fault.INVALID,
    "ThrottlingException": Fault.PASSING,
    "Throttling": Fault.PASSING,
    "ThrottledException": Fault.PASSING,
    "RequestThrottled": Fault.PASSING,
    "RequestLimitExceeded": Fault.PASSING,
    "TooManyRequestsException": Fault.PASSING,
    "RequestTimeout": Fault.PASSING,
    "RequestTimeoutException": Fault.PASSING,
}


def fault_of(error: ClientError | BotoCoreError) -> Fault:
    """The kind of an AWS error: by its code first, by its HTTP status where the code is unknown."""
    if isinstance(error, ClientError):
        return _CODES.get(_code(error), _by_status(error))
    if isinstance(error, ParamValidationError | InvalidRegionError):
        return Fault.INVALID
    return Fault.PASSING if isinstance(error, ConnectionError | HTTPClientError) else Fault.OTHER


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _by_status(error: ClientError) -> Fault:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return Fault.PASSING if status == 429 or status >= 500 else Fault.OTHER
