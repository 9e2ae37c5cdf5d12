"""Whether a deployment fits into the quotas of an account."""

from __future__ import annotations

import pytest

from geopipe_runner.stages.quotas import concurrency_finding, count_finding


@pytest.mark.parametrize(
    ("total", "free", "reserved", "workers", "status", "says"),
    [
        (1000, 1000, 0, 0, "ok", "1,000 of 1,000 not reserved."),
        (1000, 1000, 900, 0, "ok", "not reserved."),
        (1000, 1000, 901, 0, "problem", "the configuration reserves 901, and 100 must stay."),
        (10, 10, 1, 0, "problem", "the configuration reserves 1"),  # a new account can reserve nothing
        (10, 10, 0, 10, "ok", "10 of 10"),
        (1000, 5, 0, 10, "warning", "the job has 10 workers"),
    ],
)
def test_concurrency(total: int, free: int, reserved: int, workers: int, status: str, says: str) -> None:
    check = concurrency_finding(total, free, reserved, workers)
    assert check.status == status and says in check.finding
    assert bool(check.advice) == (status != "ok")


@pytest.mark.parametrize(("used", "status"), [(998, "ok"), (999, "warning")])
def test_roles(used: int, status: str) -> None:
    check = count_finding("Roles", used, 1000, 2)
    assert check.status == status and f"{used} of 1,000 in use" in check.finding
