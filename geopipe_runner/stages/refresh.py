"""Reading the current state: everything that a plan needs, all at the same time, and nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from ..aws.parallel import in_background
from ..context import Context
from ..events import Note
from ..jobs.base import AccountCheck
from ..jobs.registry import job_of
from ..reconcile import orphans, plan
from ..reconcile.model import PlannedChange


@dataclass(frozen=True)
class CurrentState:
    """The blueprint's resources as they are, orphans of earlier configurations, and whether the job can be run."""

    seen: plan.Seen
    orphans_found: tuple[PlannedChange, ...]
    account_check: AccountCheck


def refresh(context: Context, *, for_a_run: bool) -> CurrentState:
    """Read the current state.

    `for_a_run` also asks whether the account may run the job. It is the first look of a command, which many deployments
    share as far as it is the same for all.
    """
    aws, blueprint = context.aws, context.blueprint
    job = job_of(context.config.job)
    checked = aws.once(job, partial(job.check_account, aws)) if for_a_run else None
    # An emulator that has just started holds nothing to search for.
    searched = None if context.config.forgets else in_background(partial(_search, context, may_share=for_a_run))
    seen = plan.observe(aws, blueprint.resources)
    account_check = checked.result() if checked else AccountCheck()
    arns: frozenset[str] = searched.result() if searched else frozenset()
    return CurrentState(seen, orphans.find(aws, blueprint, seen, arns), account_check)


def _search(context: Context, *, may_share: bool) -> frozenset[str]:
    """Returns the ARNs of everything that is ours; none, with a warning, for a caller who may not search."""
    try:
        return orphans.search(context.aws, context.blueprint, may_share=may_share)
    except orphans.NotAllowedToSearchError as error:
        context.report.emit(
            Note(f"Warning: {error.operation} is not allowed, so orphans of earlier configurations cannot be found.")
        )
        return frozenset()
