"""Amazon Location throttles, workers are killed: every row is there once, in order, and the rate keeps below the limit.

`tests/bench/throttled_places.py` is the same with 100,000 rows.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.throttled_places import THROTTLED_SHARE, run_throttled

ROWS = 240


@pytest.mark.skipif(sys.platform != "linux", reason="finds the workers in /proc")
def test_throttling_and_killed_workers_lose_no_row_and_exceed_no_limit(tmp_path: Path) -> None:
    run = run_throttled(tmp_path, ROWS, 40.0, 4, kill_every=3.0, most_killed=4, time_scale=0.02)
    assert run.exit_code == 0, run.output
    assert run.statuses() == {"Valid Data": ROWS}
    assert run.killed > 0
    assert run.requests > ROWS and run.faults > ROWS * THROTTLED_SHARE / 2
    assert run.most_in_a_second <= run.limit
