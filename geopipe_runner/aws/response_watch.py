"""Says when AWS, or the emulator, does not respond: otherwise a hung endpoint looks like a hung program."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

# Seconds without a response after which the user hears of it.
SILENCE = 10.0

_INTERVAL = 0.5
_IDLE = 5.0


@dataclass
class _Call:
    """A request without a response. `since` moves while its body is still being sent."""

    name: str
    host: str
    since: float


class ResponseWatch:
    """Watches the requests of all threads. Its own thread runs only while calls are made."""

    def __init__(self, on_wait: Callable[[str], None], silence: float = SILENCE) -> None:
        self._on_wait = on_wait
        self._silence = silence
        self._calls: dict[int, _Call] = {}
        self._lock = threading.Lock()
        self._is_running = False
        self._is_announced = False

    @property
    def hooks(self) -> tuple[tuple[str, Callable[..., None]], ...]:
        """Returns the events of a client by which its calls are watched."""
        return ("before-send", self._sent), ("response-received", self._received)

    def keep_alive(self) -> None:
        """Note that this thread's request is still being sent."""
        call = self._calls.get(threading.get_ident())
        if call:
            call.since = time.monotonic()

    def _sent(self, request: Any, event_name: str = "", **_: Any) -> None:
        name = ":".join(event_name.split(".")[1:])
        call = _Call(name, urlsplit(request.url).netloc, time.monotonic())
        with self._lock:
            self._calls[threading.get_ident()] = call
            start = not self._is_running
            self._is_running = True
        if start:
            threading.Thread(target=self._watch, name="geopipe-watch", daemon=True).start()

    def _received(self, exception: Exception | None = None, **_: Any) -> None:
        """Note that a call has ended. `exception` is what it ended with instead of a response."""
        with self._lock:
            self._calls.pop(threading.get_ident(), None)
            self._is_announced = self._is_announced and exception is not None

    def _watch(self) -> None:
        idle_since = time.monotonic()
        while True:
            time.sleep(min(_INTERVAL, self._silence / 2))
            now = time.monotonic()
            with self._lock:
                if self._calls:
                    idle_since = now
                elif now - idle_since > _IDLE:
                    self._is_running = False
                    return
                silent = next((call for call in self._calls.values() if now - call.since >= self._silence), None)
                is_new = silent is not None and not self._is_announced
                self._is_announced = self._is_announced or is_new
            if silent and is_new:  # one line is enough where everything hangs
                self._on_wait(
                    f"No response from {silent.host} for {self._silence:.0f} s ({silent.name}). Still waiting."
                )
