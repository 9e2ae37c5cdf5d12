"""Plan and apply: make every resource what the blueprint says, after asking what must be asked."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ..config.messages import nearest
from ..context import Context
from ..documents import saved_plan_document
from ..errors import RefusedError, UsageError
from ..events import Note, Planned, SetupBegins, StepDone
from ..json_shape import JsonDocument
from ..reconcile import orphans
from ..reconcile import plan as planner
from ..reconcile.apply import apply as apply_plan
from ..reconcile.blueprint import Blueprint, with_observed_roles
from ..reconcile.model import Action, Plan, PlannedChange
from ..reconcile.plan_basis import PlanBasis, basis_of
from . import locking, prune
from .refresh import CurrentState, refresh


@dataclass(frozen=True)
class SetupPlan:
    """What to do: the plan, and the orphans of earlier configurations.

    `context` has the roles' real ARNs, which are known only after the current state was read.
    """

    context: Context
    plan: Plan
    orphans_found: tuple[PlannedChange, ...]
    refusal: str = ""
    """Why the account cannot run the job, in one sentence."""

    @property
    def shown(self) -> Plan:
        """Everything the user should see."""
        deletable = orphans.deletable(self.orphans_found).steps if self.context.options.prune else self.orphans_found
        return Plan((*self.plan.steps, *deletable))

    def basis(self) -> PlanBasis:
        """Returns what the plan was made from."""
        return basis_of(self.context.config, self.shown)

    def document(self) -> JsonDocument:
        """Returns what a plan file holds."""
        context, salt = self.context, secrets.token_bytes(16)
        account = context.aws.account
        return saved_plan_document(context.config, account, self.shown, context.options, self.basis(), salt)


def plan(context: Context) -> SetupPlan:
    """Observe, compare, and show the plan. Nothing is changed."""
    _check_adopted(context)
    current = refresh(context, for_a_run=True)
    blueprint = with_observed_roles(context.blueprint, current.seen)
    new_plan = planner.plan(blueprint, current.seen, context.options.adopt)
    setup_plan = SetupPlan(
        replace(context, blueprint=blueprint), new_plan, current.orphans_found, current.account_check.refusal
    )
    context.state.progress.saw(new_plan)
    context.state.looked = True
    context.report.emit(Planned(context.config, context.aws.account, setup_plan.shown, setup_plan.document))
    notes = [*blueprint.artifacts.notes, *(f"Warning: {warning}" for warning in _warnings(blueprint, current))]
    for note in notes:
        context.report.emit(Note(note))
    return setup_plan


def _warnings(blueprint: Blueprint, current: CurrentState) -> Iterator[str]:
    if current.account_check.warning:
        yield current.account_check.warning
    for resource in blueprint.resources:
        yield from resource.kind.warnings(resource.spec)


def hold_lock(setup_plan: SetupPlan) -> None:
    """Keep other commands away from here to the end of this one. What is going to be refused needs no lock."""
    if not setup_plan.plan.having(Action.REFUSE):
        locking.hold(setup_plan.context, setup_plan.plan)


def refuse_job(setup_plan: SetupPlan) -> None:
    """Raises RefusedError where the account cannot run the job: everything that is created would be in vain."""
    if setup_plan.refusal:
        raise RefusedError(setup_plan.refusal)


def confirm_cost(context: Context) -> None:
    """Ask before a run that costs more than the configuration allows without a question. Raises RefusedError."""
    question = context.blueprint.artifacts.cost_question
    if not question or context.options.yes_cost:
        return
    if not context.options.interactive:
        raise RefusedError(
            f"Nothing was done, because this run needs a confirmation. {question}",
            "Pass --yes-cost to run it, or raise job.confirm_above_requests.",
        )
    locking.wait(context)
    if not context.report.ask(f"{question} Run it? (y/n)"):
        raise RefusedError("Nothing was done, because the cost was not confirmed.")


def refuse_foreign(plan: Plan) -> None:
    """Raises RefusedError where a foreign resource has the name of one of ours, or one cannot be made or used."""
    refused = plan.having(Action.REFUSE)
    foreign = [step for step in refused if step.is_foreign]
    blocked = [step for step in refused if not step.is_foreign]
    paragraphs, hints = [], []
    if foreign:
        paragraphs.append(f"Nothing was done, because these do not belong to this deployment:{_reasons(foreign)}")
        adopt = ",".join(step.key for step in foreign)
        hints.append(
            f"Choose other names in the configuration, or take them over with --adopt {adopt} (clean-up keeps them)."
        )
    if blocked:
        paragraphs.append(f"Nothing was done, because these cannot be used as they are:{_reasons(blocked)}")
        hints.append("Correct the ARN, URL or name where it is written, or have their owner change them.")
    if refused:
        raise RefusedError("\n".join(paragraphs), "\n".join(hints))


def _reasons(refused: Sequence[PlannedChange]) -> str:
    lines = (f"{step.resource.kind.label} {step.resource.name}: {step.reason}." for step in refused)
    return "".join(f"\n  {line}" for line in lines)


def apply(setup_plan: SetupPlan) -> Context:
    """Apply the plan and show each section. Returns the context for the stages that follow."""
    setup_plan = _ask_about_foreign(setup_plan)
    refuse_foreign(setup_plan.plan)
    context, report = setup_plan.context, setup_plan.context.report
    if setup_plan.shown.writes or context.options.force_unlock:
        locking.hold(context, setup_plan.plan)
    locking.wait(context)
    context.state.has_acted = True
    report.emit(SetupBegins(context.config, setup_plan.plan))
    apply_plan(
        context.aws,
        setup_plan.plan,
        lambda outcome: report.emit(StepDone(outcome)),
        partial(_approve, context),
        context.state.progress,
        in_turn=_questions(context, setup_plan.plan),
        before_others=(
            partial(locking.hold_in_new_bucket, context)
            if locking.will_create_bucket(context, setup_plan.plan)
            else None
        ),
    )
    prune.apply(context, setup_plan.orphans_found)
    return context


def _check_adopted(context: Context) -> None:
    known = [resource.key for resource in context.blueprint.resources if not resource.is_used]
    unknown = sorted(set(context.options.adopt) - set(known))
    if unknown:
        near = nearest(unknown[0], known)
        guess = f'Did you mean "{near}"? ' if near else ""
        hint = f"{guess}Valid keys are {', '.join(known)}."
        raise UsageError(f"--adopt names unknown resources: {', '.join(unknown)}", hint)


def _ask_about_foreign(setup_plan: SetupPlan) -> SetupPlan:
    """Interactively, a refused resource may be adopted instead."""
    context = setup_plan.context
    refused = [step for step in setup_plan.plan.having(Action.REFUSE) if step.is_foreign]
    if not refused or not context.options.interactive or context.options.reviewed:
        return setup_plan
    keys = frozenset(step.key for step in refused if context.report.ask(_adopt_question(step)))
    options = replace(context.options, adopt=context.options.adopt | keys)
    return plan(replace(context, options=options)) if keys else setup_plan


def _adopt_question(step: PlannedChange) -> str:
    label = step.resource.kind.label
    return (
        f"The {label} {step.resource.name} does not belong to this deployment ({step.reason}). "
        "Take it over? geopipe changes it to match the configuration, and clean-up keeps it. (y/n)"
    )


def _approve(context: Context, step: PlannedChange) -> bool:
    if not step.resource.kind.asks_before_update or step.action is not Action.UPDATE or context.options.reviewed:
        return True
    name = f"The {step.resource.kind.label} {step.resource.name}"
    if context.options.interactive:
        return context.report.ask(f"{name} already exists, do you want to update it?", about=step)
    context.report.emit(
        Note(f"{name} differs from the configuration. It is updated without a question (--non-interactive).")
    )
    return True


def _questions(context: Context, plan: Plan) -> tuple[str, ...]:
    """Returns the keys of the changes that a person is asked about."""
    if not context.options.interactive:
        return ()
    return tuple(step.key for step in plan if step.resource.kind.asks_before_update)
