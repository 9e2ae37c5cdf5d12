"""What the first call of a connection shows about its surroundings, also where it fails."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any


class ConnectionWatch:
    """Notes how far a connection came: credentials, a response, and the clock of the one who responded."""

    def __init__(self) -> None:
        self.method = ""
        """Where the credentials come from, as botocore calls it, such as `env`; "" before there are any."""
        self.responded = False
        """Whether a response came, of any kind."""
        self.ahead: float | None = None
        """The seconds that the clock of this machine is ahead; None where no response has had a date."""

    def credentials_loaded(self, session: Any) -> None:
        """Note where the credentials of botocore's `session` come from."""
        self.method = str(session.get_credentials().method)

    def response_received(self, http_response: Any) -> None:
        """Compare the Date header with the clock here. It has whole seconds, and is as old as the response's way."""
        now = datetime.now(UTC)
        self.responded = True
        try:
            date = parsedate_to_datetime(http_response.headers.get("Date") or "")
        except ValueError:
            return
        self.ahead = (now - date).total_seconds()
