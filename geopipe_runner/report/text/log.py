"""The log of all calls (`--verbose`) on standard error."""

from __future__ import annotations

import logging

from ...aws.secrets import RedactingFormatter
from ..escape import printable_lines


class LogFormatter(RedactingFormatter):
    """A log format that shows no secret and no control character."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns the record as text of one or several lines."""
        return printable_lines(super().format(record))
