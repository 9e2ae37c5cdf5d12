"""A small sample of `make restart-test`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.restarts import run_restarts

pytestmark = [pytest.mark.process, pytest.mark.slow]


def test_nothing_is_lost_by_kills(tmp_path: Path) -> None:
    report = run_restarts(tmp_path / "state", executions=6, restarts=2, seed=3)
    assert report.problems == []
    assert (report.executions, report.restarts) == (6, 2)
    assert report.acknowledged["answers"] >= 6 and report.acknowledged["messages"] > 0
