"""What must hold after a crash and one more command: all as if nothing had happened, or nothing at all."""

from __future__ import annotations

import difflib
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from account import AccountView, Execution, Inventory, Job

PIPELINE = "sagemaker-sdk-example-pipeline"
_BUCKET = "geopipe-local-123456789012"
_SETTLING_SECONDS = 5.0


class CheckError(AssertionError):
    """What should hold after a crash does not."""


@dataclass(frozen=True)
class Past:
    """What there was before: none of it counts as done by what comes next."""

    jobs: Mapping[str, Job]
    executions: Mapping[str, Execution]
    results: frozenset[str]


def past_of(account: AccountView) -> Past:
    """What there is now."""
    executions = account.executions(PIPELINE) if account.has_pipeline(PIPELINE) else {}
    return Past(account.jobs(), executions, account.runs_with_results(_BUCKET, "output/"))


def require_deployed(account: AccountView, past: Past, expected: Inventory) -> None:
    """One deployment, as if nothing had happened: nothing twice, nothing half, nothing that still runs."""
    require_equal("the account", account.inventory(), expected)
    every = account.executions(PIPELINE)
    _require(_one_at_a_time(every.values()), f"two executions at the same time: {every}")
    new = {arn: execution for arn, execution in every.items() if arn not in past.executions}
    succeeded = [arn for arn, execution in new.items() if execution.status == "Succeeded"]
    ended = {execution.status for execution in new.values()}
    _require(bool(succeeded) and ended <= {"Succeeded", "Stopped"}, f"executions: {new}")
    jobs = {arn: job for arn, job in account.jobs().items() if arn not in past.jobs}
    _require(all(job.over for job in jobs.values()), f"jobs still run: {jobs}")
    completed = [arn for arn, job in jobs.items() if job.status == "COMPLETED"]
    # One each; only that of an execution which was stopped may have ended either way, or never begun.
    one_each = len(succeeded) <= len(completed) <= len(jobs) <= len(new)
    _require(one_each, f"{len(jobs)} jobs for {len(new)} executions: {jobs} {new}")
    results = account.runs_with_results(_BUCKET, "output/") - past.results
    _require(len(results) == len(succeeded), f"results of {sorted(results)} for executions {new}")


def _one_at_a_time(executions: Iterable[Execution]) -> bool:
    in_turn = sorted(executions, key=lambda execution: execution.started)
    return all(one.changed <= other.started for one, other in pairwise(in_turn))


def require_empty(account: AccountView) -> None:
    """As it began. A job that was told to stop may still be at it for a moment; none may just go on."""
    require_equal("the account after the clean-up", account.inventory(), {})

    def going() -> list[Job]:
        return [job for job in account.jobs().values() if not job.over]

    _require(all(job.status == "STOPPING" for job in going()), f"jobs run on: {going()}")
    _await(lambda: not going(), lambda: f"jobs do not stop: {going()}")


def _await(condition: Callable[[], bool], otherwise: Callable[[], str]) -> None:
    deadline = time.monotonic() + _SETTLING_SECONDS
    while not condition():
        _require(time.monotonic() < deadline, otherwise())
        time.sleep(0.05)


def require_equal(what: str, found: Inventory, expected: Inventory) -> None:
    """Said in lines, as a diff: what is there too much, and what is missing."""
    is_, should = (json.dumps(side, indent=1, sort_keys=True).splitlines() for side in (found, expected))
    if is_ != should:
        differing = difflib.unified_diff(should, is_, "expected", "found", n=2, lineterm="")
        raise CheckError("\n".join([f"{what} differs:", *differing]))


def _require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise CheckError(otherwise)
