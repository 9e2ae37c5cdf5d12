"""What each AWS error means: the one place that knows AWS's error codes and texts.

A decision rests on the code wherever AWS has one. It rests on text only where AWS uses one code for several things, or
where there is no code at all: a failed pipeline step has a reason in prose. The texts here are AWS's own.
"""

from __future__ import annotations

import re

from botocore.exceptions import ClientError as ClientError

# AWS asks to be called less often. botocore repeats these calls by itself.
THROTTLED = frozenset(
    {
        "EC2ThrottledException",
        "PriorRequestNotComplete",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
    }
)

# HeadBucket and HeadObject have no body to name an error in: botocore gives the HTTP status.
NOT_FOUND = frozenset(
    {
        "404",
        "AWS.SimpleQueueService.NonExistentQueue",
        "NoSuchBucket",
        "NoSuchBucketPolicy",
        "NoSuchEntity",
        "NoSuchKey",
        "NoSuchPublicAccessBlockConfiguration",
        "NoSuchTagSet",
        "NoSuchUpload",
        "NoSuchVersion",
        "OwnershipControlsNotFoundError",
        "QueueDoesNotExist",
        "ResourceNotFound",
        "ResourceNotFoundException",
        "ServerSideEncryptionConfigurationNotFoundError",
    }
)
DENIED = frozenset({"403", "AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
CONFLICT = frozenset({"ConflictException", "ResourceConflictException"})
EXPIRED = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "RequestExpired", "UnrecognizedClientException"}
)
# Renewed credentials, or a clock that is set, would be accepted.
_PASSING = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "RequestTimeTooSkewed", "RequestTimeout"}
)
_SERVER_FAULT = 500
_SERVER_FAULTS = frozenset({"InternalError", "InternalFailure", "InternalServerException", "ServiceUnavailable"})
BAD_CREDENTIALS = (
    EXPIRED
    | DENIED
    | {
        "AuthFailure",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidSignatureException",
        "InvalidToken",
        "MissingAuthenticationToken",
        "NotAuthorized",
        "OptInRequired",
        "SignatureDoesNotMatch",
    }
)
# SageMaker responds with ValidationException for a pipeline whose name is taken, among much else.
ALREADY_EXISTS = frozenset(
    {
        "BucketAlreadyOwnedByYou",
        "EntityAlreadyExists",
        "EntityAlreadyExistsException",
        "ResourceAlreadyExistsException",
        "ResourceConflictException",
        "ValidationException",
    }
)
INVALID = frozenset({"InvalidParameterValue", "InvalidParameterValueException", "ValidationException"})
DELETE_CONFLICT = frozenset({"DeleteConflict", "DeleteConflictException"})
CONCURRENT_CHANGE = frozenset({"ConcurrentModification", "ConcurrentModificationException", "OperationAborted"})
IN_USE = frozenset({"ResourceInUseException"})
QUEUE_DELETED_RECENTLY = frozenset({"AWS.SimpleQueueService.QueueDeletedRecently", "QueueDeletedRecently"})

# Lambda and SageMaker on a role that they cannot use. The bare codes also stand for real mistakes. The KMS grant is
# made for every function that has environment variables, and names the role's principal.
ROLE_TEXT = re.compile(
    r"role.*cannot be assumed|(could not|unable to) assume (the )?role|ensure the role can perform"
    r"|role.*does not have (sufficient )?permissions|invalid for CreateGrant|InvalidArnException.*valid principal",
    re.IGNORECASE | re.DOTALL,
)
NOT_ASSUMABLE_TEXT = re.compile(
    r"(could not|unable to) assume|cannot be assumed|cannot be resolved to a valid principal", re.IGNORECASE
)
PASS_ROLE_TEXT = re.compile(r"iam:PassRole", re.IGNORECASE)
DENIED_TEXT = re.compile(
    r"AccessDenied|Access Denied|not authorized|does not have sufficient permissions|\(403\) when calling",
    re.IGNORECASE,
)
NOT_FOUND_TEXT = re.compile(
    r"NonExistentQueue|QueueDoesNotExist|ResourceNotFound|Function not found|queue does not exist", re.IGNORECASE
)
UPDATE_IN_PROGRESS_TEXT = re.compile(r"update is in progress|currently in the following state", re.IGNORECASE)
DEAD_LETTER_TARGET_TEXT = re.compile(r"dead letter target does not exist", re.IGNORECASE)
NAME_TAKEN_TEXT = re.compile(r"pipeline names must be unique", re.IGNORECASE)
ROLE_SUBJECT_TEXT = re.compile(r":role/|\brole\b|\bprincipal\b|\bassume", re.IGNORECASE)
# An explicit deny stays. A service that is closed to new customers stays closed, and how SageMaker geospatial says so
# is not known: any denial of one of its actions counts. The other two are how Timestream and CodeCommit say it.
_FINAL_DENIAL = re.compile(
    r"explicit deny|sagemaker-geospatial:"
    r"|calling the (Start|Export|Get|List|Stop|Delete)\w*(VectorEnrichment|EarthObservation)Jobs? operation"
    r"|only existing .*customers|OperationNotAllowedException|(closed|not open|no longer (open|available)) to new",
    re.IGNORECASE | re.DOTALL,
)


def error_code(error: BaseException) -> str:
    """Returns AWS's code, such as `NoSuchEntity`; "" for an error that AWS did not send."""
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""


def is_not_found(error: BaseException) -> bool:
    """Whether the thing asked for does not exist."""
    return error_code(error) in NOT_FOUND


def is_denied(error: BaseException) -> bool:
    """Whether the caller lacks a permission."""
    return error_code(error) in DENIED


def is_refusal(error: BaseException) -> bool:
    """Whether AWS refuses a read to this caller or account for good. Any code can mean that.

    Throttling, a fault of AWS itself, expired credentials and trouble on the network are none. The caller's key is
    known to be valid by then, so that a service which does not recognize it is not open to the account.
    """
    if not isinstance(error, ClientError) or error_code(error) in THROTTLED | _PASSING:
        return False
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status < _SERVER_FAULT and error_code(error) not in _SERVER_FAULTS


def is_conflict(error: BaseException) -> bool:
    """Whether the call does not fit the state of the thing, as Lambda and SageMaker say it."""
    return error_code(error) in CONFLICT


def already_exists(error: BaseException) -> bool:
    """Whether what was to be created may exist already."""
    return error_code(error) in ALREADY_EXISTS


def is_aws_code(code: str) -> bool:
    """Whether a code is AWS's own. For a foreign server, botocore uses the HTTP status or "Unknown"."""
    return bool(code) and not code.isdigit() and code != "Unknown"


def is_final_denial(text: str) -> bool:
    """Whether no waiting can change the denial in `text`."""
    return _FINAL_DENIAL.search(text) is not None
