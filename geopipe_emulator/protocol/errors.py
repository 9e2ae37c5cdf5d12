"""The error that an emulated operation raises, and that the protocol layer puts on the wire as AWS would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ServiceError(Exception):
    """A response other than success, with the error code, message and HTTP status that AWS uses for it.

    `details` are further members of the error, such as S3's BucketName. In a JSON protocol, only those that the
    service's model states for the error are sent.
    """

    def __init__(self, code: str, message: str, status: int = 400, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.details = details or {}

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def validation_error(message: str, problems: Mapping[str, str], reason: str = "FieldValidationFailed") -> ServiceError:
    """Returns the ValidationException for problems by parameter. Some services send these as a list, too."""
    fields = [{"Name": name, "Message": problem} for name, problem in problems.items()]
    return ServiceError("ValidationException", message, 400, {"Reason": reason, "FieldList": fields})


def not_emulated(service: str, operation: str) -> ServiceError:
    """Returns the error for what the emulator lacks: 501, naming service and operation."""
    name = f"{operation} of {service}" if operation else service
    return ServiceError("NotImplemented", f"The emulator does not answer {name}.", 501)
