"""Clean-up: ask first, then stop what runs, then delete in the order in which nothing is stranded."""

from __future__ import annotations

from typing import get_args

from ..aws.failures import reason
from ..aws.polling import TimedOut
from ..config.model import CleanupItem
from ..errors import AwsError
from ..pipeline import execution
from ..reconcile import planner
from ..reconcile.applier import Outcome, destroy
from ..reconcile.model import Action, Plan
from ..report.events import CleanupPlanned, Deleted, Note
from .session import Session

GROUPS: tuple[CleanupItem, ...] = get_args(CleanupItem)
_STOP_WITHIN = 900.0


def plan(session: Session) -> Plan:
    """What is there, what the user (or the policy) wants gone, and what must then stay. Reads only."""
    seen = planner.observe(session.aws, session.blueprint.resources)
    everything = planner.plan_cleanup(session.blueprint, seen, GROUPS)
    made = planner.plan_cleanup(session.blueprint, seen, _chosen(session, everything))
    session.report.tell(CleanupPlanned(made))
    return made


def plan_all(session: Session) -> Plan:
    """What the policy would have gone; `ask` counts as all, since nobody is asked. Reads only."""
    seen = planner.observe(session.aws, session.blueprint.resources)
    policy = session.options.cleanup_policy(session.config)
    groups = GROUPS if policy in ("ask", "all") else () if policy == "none" else policy
    return planner.plan_cleanup(session.blueprint, seen, groups)


def carry_out(session: Session, made: Plan) -> Plan:
    """Delete what the plan says. Raises AwsError listing what could not be deleted, and why."""
    step = made.step("pipeline")
    if step is not None and step.action is Action.DELETE:
        _stop_executions(session)
    failures = destroy(session.aws, made, lambda outcome: session.report.tell(Deleted(outcome)))
    if failures:
        raise AwsError(_remaining(failures), "Mend the causes and run `cleanup` again.")
    return made


def _chosen(session: Session, everything: Plan) -> tuple[CleanupItem, ...]:
    policy = session.options.cleanup_policy(session.config)
    if policy == "all":
        return GROUPS
    if policy == "none":
        return ()
    if policy != "ask":
        return policy
    there = {step.resource.group for step in everything.having(Action.DELETE)}
    questions = {group: text for group, text in _questions(session, everything).items() if group in there}
    if not session.options.interactive:
        if questions:
            session.report.tell(Note("Everything is kept: the policy is `ask` and nobody is there to ask."))
        return ()
    return tuple(group for group, text in questions.items() if session.report.ask(f"{text}? (y/n)"))


def _questions(session: Session, everything: Plan) -> dict[CleanupItem, str]:
    config = session.config
    return {
        "pipeline": f"Delete pipeline {config.pipeline.name}",
        "queue": f"Delete queue {session.blueprint.deployment.queue_url}",
        "bucket": f"Delete S3 bucket {config.bucket.name}",
        "function": f"Delete Lambda function {config.function.name}",
        "lambda_role": f"Delete role {config.iam.lambda_role.name}",
        "sagemaker_role": f"Delete role {config.iam.sagemaker_role.name}",
    }


def _stop_executions(session: Session) -> None:
    every = session.config.execution.poll_interval
    patience = min(30.0, max(2.0, 5 * every))
    for found in execution.unfinished(session.aws, session.config.pipeline.name):
        session.report.tell(Note(f"Stopping execution {found.arn}."))
        try:
            execution.stop(session.aws, found.arn, every=every, patience=patience, within=_STOP_WITHIN)
        except TimedOut:
            raise AwsError(
                f"Execution {found.arn} has not stopped after {_STOP_WITHIN:.0f} s, so nothing was deleted.",
                "Its queue and function must stay until it has. Run `cleanup` again later.",
            ) from None


def _remaining(failures: tuple[Outcome, ...]) -> str:
    lines = ["These could not be deleted:"]
    for outcome in failures:
        resource = outcome.step.resource
        why = reason(outcome.error) if outcome.error else ""
        lines.append(f"  {resource.kind.label} {resource.name}: {why}")
    return "\n".join(lines)
