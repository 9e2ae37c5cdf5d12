"""Plan and apply: every resource made as the blueprint says, after asking what must be asked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial

from ..errors import RefusedError, UsageError
from ..reconcile import orphans, planner
from ..reconcile.applier import apply
from ..reconcile.blueprint import settled
from ..reconcile.model import Action, Plan, Step
from ..report.events import Note, Planned, SetupBegins, StepDone
from . import pruning
from .session import Session


@dataclass(frozen=True)
class Intent:
    """What is to be done: the plan, and what earlier configurations left behind.

    `session` knows the roles' real ARNs, which only looking could tell.
    """

    session: Session
    plan: Plan
    left_behind: tuple[Step, ...]

    @property
    def shown(self) -> Plan:
        """Everything the user should see."""
        doomed = orphans.doomed(self.left_behind).steps if self.session.options.prune else self.left_behind
        return Plan((*self.plan.steps, *doomed))


def plan(session: Session) -> Intent:
    """Observe, compare, and show the plan. Nothing is changed."""
    _check_adopted(session)
    seen, left_behind = pruning.look(session)
    blueprint = settled(session.blueprint, seen)
    made = planner.plan(blueprint, seen, session.options.adopt)
    intent = Intent(replace(session, blueprint=blueprint), made, left_behind)
    session.report.tell(Planned(session.config, session.aws.account, intent.shown))
    return intent


def refuse_foreign(made: Plan) -> None:
    """Raises RefusedError where a resource of ours has the name of somebody else's."""
    refused = made.having(Action.REFUSE)
    if refused:
        lines = [f"{step.resource.kind.label} {step.resource.name}: {step.reason}." for step in refused]
        adopt = ",".join(step.key for step in refused)
        raise RefusedError(
            "Nothing was done, because these are not ours:\n  " + "\n  ".join(lines),
            f"Choose other names in the configuration, or take them over with --adopt {adopt} (clean-up leaves them).",
        )


def carry_out(intent: Intent) -> Session:
    """Apply the plan and show each section. Answers the session to go on with."""
    intent = _ask_about_foreign(intent)
    refuse_foreign(intent.plan)
    session, report = intent.session, intent.session.report
    report.tell(SetupBegins(session.config, intent.plan))
    apply(
        session.aws,
        intent.plan,
        lambda outcome: report.tell(StepDone(outcome)),
        partial(_approve, session),
        session.state.progress,
    )
    pruning.carry_out(session, intent.left_behind)
    return session


def _check_adopted(session: Session) -> None:
    known = [resource.key for resource in session.blueprint.resources]
    unknown = sorted(set(session.options.adopt) - set(known))
    if unknown:
        raise UsageError(f"--adopt names unknown resources: {', '.join(unknown)}", f"There are: {', '.join(known)}.")


def _ask_about_foreign(intent: Intent) -> Intent:
    """Interactively, what is refused may be taken over instead."""
    session = intent.session
    refused = intent.plan.having(Action.REFUSE)
    if not refused or not session.options.interactive:
        return intent
    wanted = [step.key for step in refused if session.report.ask(_adopt_question(step))]
    return plan(_adopting(session, wanted)) if wanted else intent


def _adopting(session: Session, keys: Collection[str]) -> Session:
    return replace(session, options=replace(session.options, adopt=session.options.adopt | frozenset(keys)))


def _adopt_question(step: Step) -> str:
    label = step.resource.kind.label
    return (
        f"The {label} {step.resource.name} is not ours ({step.reason}). "
        "Take it over? It is changed to fit, and clean-up leaves it. (y/n)"
    )


def _approve(session: Session, step: Step) -> bool:
    if step.key != "function" or step.action is not Action.UPDATE:
        return True
    name = step.resource.name
    if session.options.interactive:
        return session.report.ask(f"The Lambda function {name} already exists, do you want to update it?", about=step)
    session.report.tell(Note(f"The Lambda function {name} exists and differs; it is updated (non-interactive)."))
    return True
