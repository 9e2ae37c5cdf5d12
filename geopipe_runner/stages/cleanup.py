"""Clean-up: ask first, then stop executions, then delete in the reverse order of dependencies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import get_args

from ..aws.errors import reason
from ..config.model import CleanupItem
from ..context import Context
from ..errors import AwsError
from ..events import CleanupBegins, CleanupPlanned, Complete, Deleted, Note
from ..reconcile import orphans
from ..reconcile import plan as planner
from ..reconcile.apply import ChangeResult, destroy
from ..reconcile.model import Action, Plan, PlannedChange
from . import locking, prune
from .protection import confirm_deletion
from .refresh import refresh
from .stop import delete_jobs, stop_executions

GROUPS: tuple[CleanupItem, ...] = get_args(CleanupItem)


@dataclass(frozen=True)
class CleanupPlan:
    """What to delete: the plan, and the orphans of earlier configurations that were chosen."""

    plan: Plan
    orphans_found: tuple[PlannedChange, ...]

    @property
    def shown(self) -> Plan:
        """Everything the user should see."""
        return Plan((*self.plan.steps, *orphans.deletable(self.orphans_found).steps))


def clean_up(context: Context) -> None:
    """Plan and apply, with the transcript's beginning and end."""
    context.report.emit(CleanupBegins())
    cleanup_plan = plan(context)
    confirm_deletion(context, cleanup_plan.shown.having(Action.DELETE))
    apply(context, cleanup_plan)
    kept = cleanup_plan.plan.having(Action.KEEP)
    context.report.emit(Complete(tuple(step for step in kept if not step.resource.is_used)))


def plan(context: Context) -> CleanupPlan:
    """Read what exists, and plan the deletions that the user or the policy chooses. Nothing is changed."""
    current = refresh(context, for_a_run=False)
    everything = planner.plan_cleanup(context.blueprint, current.seen, GROUPS)
    context.state.progress.saw(everything)
    context.state.looked = True
    _hold_lock(context, everything, current.orphans_found)
    chosen_plan = planner.plan_cleanup(context.blueprint, current.seen, _chosen(context, everything))
    chosen_orphans = _chosen_orphans(context, current.orphans_found)
    context.report.emit(CleanupPlanned(chosen_plan))
    return CleanupPlan(chosen_plan, chosen_orphans)


def _hold_lock(context: Context, everything: Plan, orphans_found: tuple[PlannedChange, ...]) -> None:
    """Keep other commands away, if this one may delete something. A person is asked only while the lock is held.

    With `--force-unlock`, a lock of another command is taken in any case.
    """
    policy, options = context.options.cleanup_policy(context.config), context.options
    may_delete = policy != "none" and (policy != "ask" or options.interactive)
    deletes_orphans = orphans_found and (may_delete or options.prune)
    if (may_delete and everything.writes) or deletes_orphans or options.force_unlock:
        locking.hold(context, everything)
        if options.interactive:
            locking.wait(context)


def plan_all(context: Context) -> CleanupPlan:
    """Plan what the policy would delete. `ask` counts as all, because a plan asks nothing. Nothing is changed."""
    current = refresh(context, for_a_run=False)
    policy = context.options.cleanup_policy(context.config)
    everything = policy in ("ask", "all")
    groups = GROUPS if everything else () if policy == "none" else policy
    chosen = current.orphans_found if everything or context.options.prune else ()
    return CleanupPlan(planner.plan_cleanup(context.blueprint, current.seen, groups), chosen)


def apply(context: Context, cleanup_plan: CleanupPlan) -> None:
    """Delete what the plan says. Raises AwsError listing what could not be deleted, and why."""
    locking.wait(context)
    context.state.has_acted = True
    _stop_executions(context, cleanup_plan.plan)
    prune.stop(context, cleanup_plan.orphans_found)  # those wait on the same queue and function
    failures = destroy(
        context.aws,
        cleanup_plan.plan,
        lambda outcome: context.report.emit(Deleted(outcome)),
        context.state.progress,
        partial(locking.before_bucket_goes, context),
    )
    locking.forget_deleted(context, cleanup_plan.plan)
    prune.delete(context, cleanup_plan.orphans_found)
    if failures:
        raise AwsError(_remaining(failures), "Fix the causes and run `cleanup` again.")


def _chosen_orphans(context: Context, orphans_found: tuple[PlannedChange, ...]) -> tuple[PlannedChange, ...]:
    policy = context.options.cleanup_policy(context.config)
    if policy == "all" or context.options.prune:
        return orphans_found
    if policy != "ask" or not context.options.interactive:
        return ()
    return prune.ask_about(context, orphans_found)


def _stop_executions(context: Context, plan: Plan) -> None:
    """Stop the executions that need what is deleted.

    A pipeline that stays keeps the executions of others. A pipeline of another deployment keeps all of them: they have
    a queue and a function of their own.
    """
    deleted = plan.having(Action.DELETE)
    pipeline = next((step for step in plan if step.resource.kind.has_executions), None)
    if pipeline is None or pipeline.observed is None:
        return
    if not any(step.resource.kind.serves_executions for step in deleted):
        return
    if pipeline.observed.owner not in (None, context.config.deployment):
        return
    ended = stop_executions(context, pipeline.resource.name, only_ours=pipeline not in deleted)
    if pipeline in deleted:  # with the pipeline goes the history that names its jobs
        delete_jobs(context, ended)


def _chosen(context: Context, everything: Plan) -> tuple[CleanupItem, ...]:
    policy = context.options.cleanup_policy(context.config)
    if policy == "all":
        return GROUPS
    if policy == "none":
        return ()
    if policy != "ask":
        return policy
    questions = {group: text for group in GROUPS if (text := _question(group, everything))}
    if not context.options.interactive:
        if questions:
            context.report.emit(Note("Everything is kept: the clean-up policy is `ask`, and questions are off."))
        return ()
    return tuple(group for group, text in questions.items() if context.report.ask(f"{text}? (y/n)"))


def _question(group: CleanupItem, everything: Plan) -> str:
    """Returns what cleanup asks about a group: its main resources, or what else of it exists. "": nothing exists."""
    existing = [step.resource for step in everything.having(Action.DELETE) if group in step.resource.groups]
    if not existing:
        return ""
    main = [step.resource for step in everything if step.action is not Action.KEEP and step.resource.is_main_of(group)]
    first, *others = (resource.kind.describe_deletion(resource) for resource in main or existing)
    return first + "".join(f", {text.removeprefix('Delete ')}" for text in others)


def _remaining(failures: tuple[ChangeResult, ...]) -> str:
    lines = ["These could not be deleted:"]
    for outcome in failures:
        resource = outcome.step.resource
        why = reason(outcome.error) if outcome.error else ""
        lines.append(f"  {resource.kind.label} {resource.name}: {why}")
    return "\n".join(lines)
