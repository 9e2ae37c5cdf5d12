"""Clean-up: ask first, then stop what runs, then delete in the order in which nothing is stranded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from ..aws.failures import reason
from ..config.model import CleanupItem
from ..errors import AwsError
from ..reconcile import orphans, planner
from ..reconcile.applier import Outcome, destroy
from ..reconcile.model import Action, Plan, Step
from ..report.events import CleanupPlanned, Deleted, Note
from . import pruning
from .looking import look
from .stopping import stop_executions
from .work import Work

GROUPS: tuple[CleanupItem, ...] = get_args(CleanupItem)


@dataclass(frozen=True)
class Demolition:
    """What is to go: the plan, and of what earlier configurations left behind that which was chosen."""

    plan: Plan
    left_behind: tuple[Step, ...]

    @property
    def shown(self) -> Plan:
        """Everything the user should see."""
        return Plan((*self.plan.steps, *orphans.doomed(self.left_behind).steps))


def plan(work: Work) -> Demolition:
    """What is there, what the user (or the policy) wants gone, and what must then stay. Reads only."""
    sight = look(work, for_a_run=False)
    everything = planner.plan_cleanup(work.blueprint, sight.seen, GROUPS)
    work.state.progress.saw(everything)
    work.state.looked = True
    made = planner.plan_cleanup(work.blueprint, sight.seen, _chosen(work, everything))
    chosen = _chosen_orphans(work, sight.left_behind)
    work.report.tell(CleanupPlanned(made))
    return Demolition(made, chosen)


def plan_all(work: Work) -> Demolition:
    """What the policy would have gone; `ask` counts as all, since nobody is asked. Reads only."""
    sight = look(work, for_a_run=False)
    policy = work.options.cleanup_policy(work.config)
    everything = policy in ("ask", "all")
    groups = GROUPS if everything else () if policy == "none" else policy
    chosen = sight.left_behind if everything or work.options.prune else ()
    return Demolition(planner.plan_cleanup(work.blueprint, sight.seen, groups), chosen)


def carry_out(work: Work, made: Demolition) -> None:
    """Delete what the plan says. Raises AwsError listing what could not be deleted, and why."""
    _stop_what_runs(work, made.plan)
    pruning.stop(work, made.left_behind)  # those wait on the same queue and function
    failures = destroy(work.aws, made.plan, lambda outcome: work.report.tell(Deleted(outcome)), work.state.progress)
    pruning.delete(work, made.left_behind)
    if failures:
        raise AwsError(_remaining(failures), "Mend the causes and run `cleanup` again.")


def _chosen_orphans(work: Work, left_behind: tuple[Step, ...]) -> tuple[Step, ...]:
    policy = work.options.cleanup_policy(work.config)
    if policy == "all" or work.options.prune:
        return left_behind
    if policy != "ask" or not work.options.interactive:
        return ()
    return pruning.ask_about(work, left_behind)


def _stop_what_runs(work: Work, made: Plan) -> None:
    """Executions need queue, function and bucket; a pipeline that stays may run on, but not our executions.

    Where it is another deployment's, runs are that deployment's too: they have a queue and a function of their own.
    """
    going = {step.key for step in made.having(Action.DELETE)}
    pipeline = made.step("pipeline")
    if pipeline is None or pipeline.observed is None or not going & {"pipeline", "queue", "function", "bucket"}:
        return
    if pipeline.observed.owner not in (None, work.config.deployment):
        return
    stop_executions(work, work.config.pipeline.name, only_ours="pipeline" not in going)


def _chosen(work: Work, everything: Plan) -> tuple[CleanupItem, ...]:
    policy = work.options.cleanup_policy(work.config)
    if policy == "all":
        return GROUPS
    if policy == "none":
        return ()
    if policy != "ask":
        return policy
    there = {group for step in everything.having(Action.DELETE) for group in step.resource.groups}
    questions = {group: text for group, text in _questions(work, everything).items() if group in there}
    if not work.options.interactive:
        if questions:
            work.report.tell(Note("Everything is kept: the policy is `ask` and nobody is there to ask."))
        return ()
    return tuple(group for group, text in questions.items() if work.report.ask(f"{text}? (y/n)"))


def _questions(work: Work, everything: Plan) -> dict[CleanupItem, str]:
    config = work.config
    return {
        "pipeline": f"Delete pipeline {config.pipeline.name}",
        "queue": f"Delete queue {work.blueprint.deployment.queue_url}",
        "bucket": f"Delete S3 bucket {config.bucket.name}",
        "function": f"Delete Lambda function {config.function.name}",
        "lambda_role": f"Delete role {config.iam.lambda_role.name}",
        "sagemaker_role": f"Delete role {config.iam.sagemaker_role.name}",
    }


def _remaining(failures: tuple[Outcome, ...]) -> str:
    lines = ["These could not be deleted:"]
    for outcome in failures:
        resource = outcome.step.resource
        why = reason(outcome.error) if outcome.error else ""
        lines.append(f"  {resource.kind.label} {resource.name}: {why}")
    return "\n".join(lines)
