"""The CloudWatch log of a job, and the last lines of it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ....messages import warn

_MAX_LINE = 32 * 1024
_MAX_EVENTS = 1000
_MAX_CHARACTERS = 200_000
_TAIL_LINES = 20
_SECONDS_BETWEEN = 0.5


class JobLog:
    """Takes lines and sends them in groups. One thread uses it."""

    def __init__(self, connect: Callable[[], Any], group: str, stream: str) -> None:
        self._connect = connect
        self._target = {"logGroupName": group, "logStreamName": stream}
        self._events: list[dict[str, Any]] = []
        self._characters = 0
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._sent_at = time.monotonic()
        self._exists = False
        self._is_lost = False

    def write(self, line: str) -> None:
        for start in range(0, max(len(line), 1), _MAX_LINE):
            part = line[start : start + _MAX_LINE]
            if part:  # CloudWatch Logs takes no empty events
                self._events.append({"timestamp": int(time.time() * 1000), "message": part})
                self._characters += len(part)
        if line.strip():
            self._tail.append(line)
        is_large = len(self._events) >= _MAX_EVENTS or self._characters >= _MAX_CHARACTERS
        if is_large or time.monotonic() - self._sent_at > _SECONDS_BETWEEN:
            self.flush()

    def flush(self) -> None:
        """Send what is pending. Like a function, a job does not fail when its log cannot be written."""
        events, self._events, self._characters = self._events, [], 0
        self._sent_at = time.monotonic()
        if not events or self._is_lost:
            return
        # The clock of the system can go back, and PutLogEvents refuses events out of order.
        events.sort(key=lambda event: int(event["timestamp"]))
        try:
            client = self._connect()
            if not self._exists:
                self._create(client)
            client.put_log_events(**self._target, logEvents=events)
        except (ClientError, BotoCoreError) as error:
            self._is_lost = True
            warn(f"log events of {self._target['logGroupName']} are lost: {error}")

    def tail(self, length: int) -> str:
        """Return the last lines, at most `length` characters, whole lines if one fits."""
        lines: list[str] = []
        for line in reversed(self._tail):
            if sum(map(len, lines)) + len(lines) + len(line) > length:
                break
            lines.insert(0, line)
        return "\n".join(lines) or "".join(list(self._tail)[-1:])[-length:]

    def _create(self, client: Any) -> None:
        for create, target in (
            (client.create_log_group, {"logGroupName": self._target["logGroupName"]}),
            (client.create_log_stream, self._target),
        ):
            try:
                create(**target)
            except ClientError as error:
                if error.response["Error"]["Code"] != "ResourceAlreadyExistsException":
                    raise
        self._exists = True
