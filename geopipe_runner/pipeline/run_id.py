"""A run: one execution of ours and everything that carries its id.

The id is the execution's display name, goes into its ClientRequestToken, and is the prefix its results lie under, so
everything about a run is found again from AWS alone.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import UTC, datetime

_RUN_ID = re.compile(r"\d{8}T\d{6}-[0-9a-f]{8}")


def new_run_id(now: datetime | None = None) -> str:
    """Returns an id of the time (UTC) and random digits: `20261122T113005-1f2e3d4c`."""
    return f"{now or datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"


def is_run_id(text: str) -> bool:
    """Whether `text` has the form of our ids."""
    return _RUN_ID.fullmatch(text) is not None


def client_request_token(run_id: str) -> str:
    """Returns 64 hex characters (SageMaker takes 32 to 128): starting one run twice starts one execution."""
    return hashlib.sha256(f"geopipe run {run_id}".encode()).hexdigest()
