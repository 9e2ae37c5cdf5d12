"""How the emulated account behaves: its number, its clock, and its share of AWS's delays and failures."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal, get_args

from .step_answers import StepAnswers

DEFAULT_ACCOUNT_ID = "123456789012"
Enforcement = Literal["off", "enforce"]
FAULT_KINDS = ("throttle", "500", "503", "reset", "slow")


@dataclass(frozen=True)
class Settings:
    """Durations are in seconds as AWS counts them; `time_scale` turns queue time into wall time."""

    account_id: str = DEFAULT_ACCOUNT_ID
    region: str = "us-west-2"
    time_scale: float = 1.0
    """Wall seconds per second that a queue, a batching window or a retry waits (1 = real time).

    Functions run in real time, so a message stays hidden in real time while a function works on it.
    """
    job_initializing_seconds: float = 0.0
    """How long a geospatial job shows INITIALIZING at least (wall time)."""
    job_seconds: float = 0.0
    """How long a geospatial job shows IN_PROGRESS at least, in addition to the real work (wall time)."""
    export_seconds: float = 0.0
    """How long an export shows IN_PROGRESS at least, in addition to the real work (wall time)."""
    function_pending_seconds: float = 0.0
    """How long a new function stays Pending, and an updated one InProgress (wall time)."""
    mapping_creating_seconds: float = 0.0
    """How long an event source mapping stays Creating, Updating or Deleting (wall time)."""
    iam: Enforcement = "off"
    """enforce: a role may do only what its policies say. The user's own credentials may always do everything."""
    iam_propagation_seconds: float = 0.0
    """How long the other services do not yet know of a new or changed role or policy (wall time)."""
    queue_deleted_seconds: float = 0.0
    """How long the name of a deleted queue cannot be used again; on AWS 60 (wall time)."""
    geospatial_refusal: str = "none"
    """The error code with which SageMaker geospatial refuses an account that AWS has not enrolled."""
    places_requests_per_second: float = 100.0
    """The quota of Amazon Location's ReverseGeocode, which throttles what comes above it."""
    duplicate_deliveries: float = 0.0
    """The share of batches that an event source mapping delivers twice, 0 to 1."""
    faults: float = 0.0
    """The share of API calls that meet a fault, 0 to 1; our own services' calls meet none."""
    fault_seed: int = 0
    """The same seed gives the same calls the same faults."""
    fault_kinds: str = ",".join(FAULT_KINDS)
    """Which faults, separated by commas."""
    steps: StepAnswers = field(default_factory=StepAnswers)
    """What pipeline steps do that no emulator can run."""

    def __post_init__(self) -> None:
        if not (len(self.account_id) == 12 and self.account_id.isascii() and self.account_id.isdigit()):
            raise ValueError(f"account id {self.account_id!r}: must be 12 digits")
        for setting in fields(self):
            value = getattr(self, setting.name)
            if isinstance(value, (int, float)) and not 0 <= value < float("inf"):
                raise ValueError(f"{setting.name} {value}: must be a finite number, 0 or more")
        for name in ("duplicate_deliveries", "faults"):
            if getattr(self, name) > 1:
                raise ValueError(f"{name} {getattr(self, name)}: must be between 0 and 1")
        if not self.places_requests_per_second:
            raise ValueError("places_requests_per_second 0: must be more than 0")
        if not (self.geospatial_refusal.isascii() and self.geospatial_refusal.isalnum()):
            raise ValueError(f"geospatial_refusal {self.geospatial_refusal!r}: must be an error code of AWS, or none")
        if self.iam not in get_args(Enforcement):
            raise ValueError(f"iam {self.iam!r}: must be off or enforce")
        if not set(self.fault_kinds.split(",")) <= set(FAULT_KINDS):
            raise ValueError(f"fault_kinds {self.fault_kinds!r}: must be some of {','.join(FAULT_KINDS)}")
