"""Keeps the events of a log stream in cold storage: an account keeps all its lines, and few are ever read again.

moto has an object for each event, which takes several times the memory of its text. Here, most events are in blocks of
compressed JSON on disk. moto's objects are made again as someone reads them, without the blocks of another time.
"""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...cold_storage import ColdBytes

if TYPE_CHECKING:
    from moto.logs.models import LogEvent, LogStream

# The newest events wait in a list until there are as many, or as much text.
BLOCK_EVENTS = 64
BLOCK_CHARACTERS = 64 * 1024

_Row = tuple[int, int, int, str]
"""Id, ingestion time, timestamp and message."""
_Span = tuple[int, int]
"""The lowest and the highest timestamp."""

_asked_for = threading.local()


@contextmanager
def reading(start: object, end: object) -> Iterator[None]:
    """Within this block, this thread needs the events of this time only; anything but a number is no limit."""
    _asked_for.span = tuple(moment if isinstance(moment, int) and moment else None for moment in (start, end))
    try:
        yield
    finally:
        _asked_for.span = (None, None)


class ColdEvents:
    """Stands in for the list `LogStream.events`, of which moto uses only `+=`, iteration and whether it is empty."""

    def __init__(self, blocks: Iterable[tuple[_Span, bytes]] = (), newest: Iterable[_Row] = ()) -> None:
        self._lock = threading.Lock()
        self._blocks = [(span, ColdBytes(block)) for span, block in blocks]
        self._newest = list(newest)
        self._characters = sum(len(row[-1]) for row in self._newest)

    def __iadd__(self, events: Iterable[LogEvent]) -> ColdEvents:
        with self._lock:
            for event in events:
                self._newest.append((event.event_id, event.ingestion_time, event.timestamp, event.message))
                self._characters += len(event.message)
                if len(self._newest) >= BLOCK_EVENTS or self._characters >= BLOCK_CHARACTERS:
                    block = ColdBytes(zlib.compress(json.dumps(self._newest).encode()))
                    self._blocks.append((_span_of(self._newest), block))
                    self._newest, self._characters = [], 0
        return self

    def __bool__(self) -> bool:
        return bool(self._blocks or self._newest)

    def __iter__(self) -> Iterator[LogEvent]:
        """Return the events of this moment in the order in which they came."""
        start, end = getattr(_asked_for, "span", (None, None))
        with self._lock:
            blocks, newest = tuple(self._blocks), tuple(self._newest)
        for (first, last), block in blocks:
            if (start is None or last >= start) and (end is None or first <= end):
                yield from _events(json.loads(zlib.decompress(block.read())))
        yield from _events(newest)

    @property
    def span(self) -> _Span | None:
        """The lowest and the highest timestamp; None without events."""
        with self._lock:
            spans = [span for span, _ in self._blocks] + ([_span_of(self._newest)] if self._newest else [])
        return (min(first for first, _ in spans), max(last for _, last in spans)) if spans else None

    def __reduce__(self) -> Any:
        with self._lock:
            return ColdEvents, ([(span, block.read()) for span, block in self._blocks], list(self._newest))


def store_events_cold(stream: LogStream) -> None:
    """Let a stream keep its events in cold storage. Nothing may be added to it meanwhile."""
    _find_spans_without_reading(type(stream))
    events: Any = stream.events
    if isinstance(events, list):
        kept: Any = ColdEvents()
        kept += events
        stream.events = kept


def _find_spans_without_reading(kind: Any) -> None:
    """Let moto's class take the first and the last time of cold events from their spans when it describes a stream."""
    if getattr(kind, "knows_spans", False):
        return
    read_all = kind._update

    def update(stream: Any) -> None:
        if isinstance(stream.events, ColdEvents):
            stream.first_event_timestamp, stream.last_event_timestamp = stream.events.span or (None, None)
        else:
            read_all(stream)

    kind._update, kind.knows_spans = update, True


def _span_of(rows: Iterable[_Row]) -> _Span:
    times = [row[2] for row in rows]
    return min(times), max(times)


def _events(rows: Iterable[_Row]) -> list[LogEvent]:
    from moto.logs.models import LogEvent

    events = []
    for row in rows:
        # The constructor would count up the ids.
        event = LogEvent.__new__(LogEvent)
        event.event_id, event.ingestion_time, event.timestamp, event.message = row
        events.append(event)
    return events
