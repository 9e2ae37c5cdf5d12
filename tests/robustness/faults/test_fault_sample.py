"""Two seeds of the fault test with one run each and short durations. `harness.py` runs everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.faults.seeds import SHORT, run_seed


@pytest.mark.parametrize("seed", [12, 19])
def test_a_run_with_faults_succeeds_and_leaves_nothing(seed: int, tmp_path: Path) -> None:
    result = run_seed(seed, tmp_path, SHORT, only_first=True)
    assert result.problems == (), [*result.runs[0].having("note"), result.runs[0].errors]
    assert sum(result.faults.values()) > 10
    assert any(result.effects.values()), "which effects show depends on the speed of the machine"
