"""How the emulated account behaves: who it is, how fast its clock runs, and which of AWS's slow truths are on."""

from __future__ import annotations

from dataclasses import dataclass, fields

DEFAULT_ACCOUNT_ID = "123456789012"


@dataclass(frozen=True)
class Settings:
    """Durations are in seconds as AWS counts them; `time_scale` turns queue time into wall time."""

    account_id: str = DEFAULT_ACCOUNT_ID
    region: str = "us-west-2"
    time_scale: float = 0.02
    """Wall seconds per second of queue visibility, ChangeMessageVisibility and DelaySeconds (1 = real time)."""
    job_initializing_seconds: float = 0.0
    """How long a geospatial job shows INITIALIZING at least (wall time)."""
    job_seconds: float = 0.0
    """How long a geospatial job shows IN_PROGRESS at least, beside the real work (wall time)."""
    export_seconds: float = 0.0
    """How long an export shows IN_PROGRESS at least, beside the real work (wall time)."""
    function_pending_seconds: float = 0.0
    """How long a new function stays Pending, and an updated one InProgress (wall time)."""
    mapping_creating_seconds: float = 0.0
    """How long an event source mapping stays Creating, Updating or Deleting (wall time)."""

    def __post_init__(self) -> None:
        if not (len(self.account_id) == 12 and self.account_id.isascii() and self.account_id.isdigit()):
            raise ValueError(f"account id {self.account_id!r}: must be 12 digits")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, (int, float)) and not 0 <= value < float("inf"):
                raise ValueError(f"{field.name} {value}: must be a finite number, 0 or more")
