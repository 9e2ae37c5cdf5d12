"""Two seeds of the storm: one run each, everything just slow enough to be met. The whole is `harness.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from storms import BRISK, storm


@pytest.mark.parametrize("seed", [12, 19])
def test_a_run_in_a_storm_succeeds_and_leaves_nothing(seed: int, tmp_path: Path) -> None:
    outcome = storm(seed, tmp_path, BRISK, only_first=True)
    assert outcome.problems == (), [*outcome.rounds[0].having("note"), outcome.rounds[0].errors]
    assert sum(outcome.faults.values()) > 10
    assert any(outcome.truths.values()), "that each is met depends on the machine's speed too"
