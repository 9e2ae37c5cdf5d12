"""Queues that were deleted recently: their names are not free yet, and their attributes can still be read."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ...http.request import Response
from .attributes import InvalidAttributeError

# Region and name of a queue.
Key = tuple[str, str]


class DeletedQueues:
    """Keeps the time of each deletion, and the queue's last attributes, as long as the settings say."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._moments: dict[Key, float] = {}
        self._descriptions: dict[Key, Response] = {}
        self._lock = threading.Lock()

    def note(self, key: Key) -> None:
        if self._seconds:
            with self._lock:
                self._moments[key] = self._clock()

    def require_free(self, key: Key) -> None:
        """Refuse to create a queue with this name as long as AWS would."""
        with self._lock:
            if self._lingers(key):
                raise InvalidAttributeError(
                    "QueueDeletedRecently",
                    "You must wait 60 seconds after deleting a queue before you can create another with the same name.",
                )
            self._moments.pop(key, None)
            self._descriptions.pop(key, None)

    def describe(self, key: Key, ask: Callable[[], Response]) -> Response:
        """Return the attributes of a queue; those of a deleted one are its last ones."""
        response = ask()
        if not self._seconds:
            return response
        with self._lock:
            if response.status < 300:
                self._descriptions[key] = response
            elif self._lingers(key):
                return self._descriptions.get(key, response)
        return response

    def _lingers(self, key: Key) -> bool:
        return key in self._moments and self._clock() < self._moments[key] + self._seconds
