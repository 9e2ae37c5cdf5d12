"""The one error an emulated operation raises, which the protocol layer puts on the wire as AWS would, and one for
those to whom nothing can be said any more.
"""

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


class ClientGone(ConnectionError):  # noqa: N818 - the name of an event
    """The client left in the middle of its request: nothing is done, and nobody is there to be told."""
