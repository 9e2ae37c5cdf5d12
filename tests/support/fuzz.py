"""How many inputs the fuzz tests try, and with which seed: few in the test suite, many in `make fuzz`."""

from __future__ import annotations

import os
from random import Random

# What `make fuzz` tries of each kind.
FULL_COUNTS = {"CONFIGS": 10_000, "EVENTS": 10_000, "CSV": 2_000, "DEFINITIONS": 500}


def count(kind: str, usual: int) -> int:
    """Returns the number of inputs of a kind: `GEOPIPE_FUZZ_<kind>` of the environment, or `usual`."""
    assert kind in FULL_COUNTS
    return int(os.environ.get(f"GEOPIPE_FUZZ_{kind}", usual))


def seed() -> int:
    """Returns `GEOPIPE_FUZZ_SEED` of the environment, or a new seed. The tests name it when they fail."""
    return int(os.environ.get("GEOPIPE_FUZZ_SEED", "0")) or Random().randrange(1, 10**9)
