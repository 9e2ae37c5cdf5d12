"""What can be wrong with a request before any service has seen it."""

from __future__ import annotations


class MalformedRequestError(Exception):
    """A request that breaks HTTP or one of our limits. The connection is closed after the response with `status`."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class ClientGone(ConnectionError):  # noqa: N818 - the name of an event
    """The client left in the middle of its request. Nothing is done, and there is no one to respond to."""
