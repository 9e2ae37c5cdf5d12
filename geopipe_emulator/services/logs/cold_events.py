"""Keeps the events of a log stream in cold storage: an account keeps all its lines, and few are ever read again.

moto has an object for each event, which takes several times the memory of its text. Here, most events are in blocks of
compressed JSON on disk. moto's objects are made again as someone reads them.
"""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ...cold_storage import ColdBytes

if TYPE_CHECKING:
    from moto.logs.models import LogEvent, LogStream

# The newest events wait in a list until there are as many, or as much text.
BLOCK_EVENTS = 64
BLOCK_CHARACTERS = 64 * 1024

_Row = tuple[int, int, int, str]


class ColdEvents:
    """Stands in for the list `LogStream.events`, of which moto uses only `+=`, iteration and whether it is empty."""

    def __init__(self, blocks: Iterable[bytes] = (), newest: Iterable[_Row] = (), length: int = 0) -> None:
        self._lock = threading.Lock()
        self._blocks = [ColdBytes(block) for block in blocks]
        self._newest = list(newest)
        self._characters = sum(len(row[-1]) for row in self._newest)
        self._length = length

    def __iadd__(self, events: Iterable[LogEvent]) -> ColdEvents:
        with self._lock:
            for event in events:
                self._newest.append((event.event_id, event.ingestion_time, event.timestamp, event.message))
                self._characters += len(event.message)
                self._length += 1
                if len(self._newest) >= BLOCK_EVENTS or self._characters >= BLOCK_CHARACTERS:
                    self._blocks.append(ColdBytes(zlib.compress(json.dumps(self._newest).encode())))
                    self._newest, self._characters = [], 0
        return self

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[LogEvent]:
        """Return the events of this moment in the order in which they came."""
        with self._lock:
            blocks, newest = tuple(self._blocks), tuple(self._newest)
        for block in blocks:
            yield from _events(json.loads(zlib.decompress(block.read())))
        yield from _events(newest)

    def __reduce__(self) -> Any:
        with self._lock:
            return ColdEvents, ([block.read() for block in self._blocks], list(self._newest), self._length)


def store_events_cold(stream: LogStream) -> None:
    """Let a stream keep its events in cold storage. Nothing may be added to it meanwhile."""
    events: Any = stream.events
    if isinstance(events, list):
        kept: Any = ColdEvents()
        kept += events
        stream.events = kept


def _events(rows: Iterable[_Row]) -> list[LogEvent]:
    from moto.logs.models import LogEvent

    events = []
    for row in rows:
        # The constructor would count up the ids.
        event = LogEvent.__new__(LogEvent)
        event.event_id, event.ingestion_time, event.timestamp, event.message = row
        events.append(event)
    return events
