"""The errors by which AWS says "there is no such thing", and the two ways we take them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import ClientError

from .retry import error_code

T = TypeVar("T")

_CODES = frozenset(
    {
        "404",  # HeadBucket and HeadObject answer no more than the number
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


def is_gone(error: ClientError) -> bool:
    """Whether `error` says that the thing asked for does not exist."""
    return error_code(error) in _CODES


def none_if_gone(read: Callable[[], T]) -> T | None:
    """What `read` gives, None where there is nothing to read."""
    try:
        return read()
    except ClientError as error:
        if is_gone(error):
            return None
        raise


def ignore_gone(remove: Callable[[], object]) -> None:
    """Remove something that may be gone already."""
    none_if_gone(remove)
