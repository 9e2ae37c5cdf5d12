"""The one error an emulated operation raises; the protocol layer puts it on the wire as AWS would."""

from __future__ import annotations


class ServiceError(Exception):
    """An answer other than success, with the error code, message and HTTP status AWS uses for it."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"
