"""What must hold after a killed command and one more command: a complete deployment, or an empty account."""

from __future__ import annotations

import difflib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from tests.support.kill.account import AccountView, ExecutionRecord, Inventory, JobRecord

PIPELINE = "sagemaker-sdk-example-pipeline"
_BUCKET = "geopipe-local-123456789012"
_STOPPING_SECONDS = 5.0


class CheckError(AssertionError):
    """A condition does not hold after a killed command."""


@dataclass(frozen=True)
class Baseline:
    """What existed before the command: the checks count only what came after."""

    jobs: Mapping[str, JobRecord]
    executions: Mapping[str, ExecutionRecord]
    results: frozenset[str]


def read_baseline(account: AccountView) -> Baseline:
    """Reads the jobs, executions and results that exist now."""
    executions = account.executions(PIPELINE) if account.has_pipeline(PIPELINE) else {}
    return Baseline(account.jobs(), executions, account.runs_with_results(_BUCKET, "output/"))


def require_deployed(account: AccountView, baseline: Baseline, expected: Inventory, *, has_jobs: bool = True) -> None:
    """Require one complete deployment: no resource twice, none incomplete, no execution or job still running.

    `has_jobs` is False for a provider whose executions start no geospatial job.
    """
    require_equal("the account", account.inventory(), expected)
    executions = account.executions(PIPELINE)
    _require(_one_at_a_time(executions.values()), f"two executions at the same time: {executions}")
    new = {arn: execution for arn, execution in executions.items() if arn not in baseline.executions}
    succeeded = [arn for arn, execution in new.items() if execution.status == "Succeeded"]
    ended = {execution.status for execution in new.values()}
    _require(bool(succeeded) and ended <= {"Succeeded", "Stopped"}, f"executions: {new}")
    jobs = {arn: job for arn, job in account.jobs().items() if arn not in baseline.jobs}
    _require(all(job.is_final for job in jobs.values()), f"jobs still run: {jobs}")
    completed = [arn for arn, job in jobs.items() if job.status == "COMPLETED"]
    # One job per execution. A stopped execution may have no job, or one that ended in any state.
    one_each = len(succeeded) <= len(completed) <= len(jobs) <= len(new) if has_jobs else not jobs
    _require(one_each, f"{len(jobs)} jobs for {len(new)} executions: {jobs} {new}")
    results = account.runs_with_results(_BUCKET, "output/") - baseline.results
    # Without a job, the export step itself writes the results. An execution can be stopped right after that.
    most_results = len(succeeded) if has_jobs else len(new)
    _require(len(succeeded) <= len(results) <= most_results, f"results of {sorted(results)} for executions {new}")


def _one_at_a_time(executions: Iterable[ExecutionRecord]) -> bool:
    in_order = sorted(executions, key=lambda execution: execution.started)
    return all(one.changed <= other.started for one, other in pairwise(in_order))


def require_empty(account: AccountView) -> None:
    """Require an empty account. A job may still be stopping for a moment; no job may keep running."""
    require_equal("the account after the clean-up", account.inventory(), {})

    def running() -> list[JobRecord]:
        return [job for job in account.jobs().values() if not job.is_final]

    _require(all(job.status == "STOPPING" for job in running()), f"jobs still run: {running()}")
    _await(lambda: not running(), lambda: f"jobs do not stop: {running()}")


def _await(condition: Callable[[], bool], message: Callable[[], str]) -> None:
    deadline = time.monotonic() + _STOPPING_SECONDS
    while not condition():
        _require(time.monotonic() < deadline, message())
        time.sleep(0.05)


def require_equal(what: str, actual: Inventory, expected: Inventory) -> None:
    """Require two equal inventories. The error shows the difference line by line."""
    before, after = (json.dumps(side, indent=1, sort_keys=True).splitlines() for side in (expected, actual))
    if before != after:
        difference = difflib.unified_diff(before, after, "expected", "actual", n=2, lineterm="")
        raise CheckError("\n".join([f"{what} differs:", *difference]))


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise CheckError(message)
