"""Plan and apply: every resource made as the blueprint says, after asking what must be asked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial

from ..errors import RefusedError, UsageError
from ..jobs import JOBS
from ..reconcile import orphans, planner
from ..reconcile.applier import apply
from ..reconcile.blueprint import settled
from ..reconcile.model import Action, Plan, Step
from ..report.events import Note, Planned, SetupBegins, StepDone
from . import pruning
from .looking import look
from .work import Work


@dataclass(frozen=True)
class Intent:
    """What is to be done: the plan, and what earlier configurations left behind.

    `work` knows the roles' real ARNs, which only looking could tell.
    """

    work: Work
    plan: Plan
    left_behind: tuple[Step, ...]

    @property
    def shown(self) -> Plan:
        """Everything the user should see."""
        doomed = orphans.doomed(self.left_behind).steps if self.work.options.prune else self.left_behind
        return Plan((*self.plan.steps, *doomed))


def plan(work: Work) -> Intent:
    """Observe, compare, and show the plan. Nothing is changed."""
    _check_adopted(work)
    sight = look(work, for_a_run=True)
    blueprint = settled(work.blueprint, sight.seen)
    made = planner.plan(blueprint, sight.seen, work.options.adopt)
    intent = Intent(replace(work, blueprint=blueprint), made, sight.left_behind)
    work.state.progress.saw(made)
    work.state.looked = True
    work.report.tell(Planned(work.config, work.aws.account, intent.shown))
    job = JOBS[work.config.job.kind]
    for warning in filter(None, (sight.warning, job.input_warning(blueprint.deployment))):
        work.report.tell(Note(f"Warning: {warning}"))
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


def carry_out(intent: Intent) -> Work:
    """Apply the plan and show each section. Answers the work to go on with."""
    intent = _ask_about_foreign(intent)
    refuse_foreign(intent.plan)
    work, report = intent.work, intent.work.report
    report.tell(SetupBegins(work.config, intent.plan))
    apply(
        work.aws,
        intent.plan,
        lambda outcome: report.tell(StepDone(outcome)),
        partial(_approve, work),
        work.state.progress,
        in_turn=("function",) if work.options.interactive else (),
    )
    pruning.carry_out(work, intent.left_behind)
    return work


def _check_adopted(work: Work) -> None:
    known = [resource.key for resource in work.blueprint.resources]
    unknown = sorted(set(work.options.adopt) - set(known))
    if unknown:
        raise UsageError(f"--adopt names unknown resources: {', '.join(unknown)}", f"There are: {', '.join(known)}.")


def _ask_about_foreign(intent: Intent) -> Intent:
    """Interactively, what is refused may be taken over instead."""
    work = intent.work
    refused = intent.plan.having(Action.REFUSE)
    if not refused or not work.options.interactive:
        return intent
    wanted = [step.key for step in refused if work.report.ask(_adopt_question(step))]
    return plan(_adopting(work, wanted)) if wanted else intent


def _adopting(work: Work, keys: Collection[str]) -> Work:
    return replace(work, options=replace(work.options, adopt=work.options.adopt | frozenset(keys)))


def _adopt_question(step: Step) -> str:
    label = step.resource.kind.label
    return (
        f"The {label} {step.resource.name} is not ours ({step.reason}). "
        "Take it over? It is changed to fit, and clean-up leaves it. (y/n)"
    )


def _approve(work: Work, step: Step) -> bool:
    if step.key != "function" or step.action is not Action.UPDATE:
        return True
    name = step.resource.name
    if work.options.interactive:
        return work.report.ask(f"The Lambda function {name} already exists, do you want to update it?", about=step)
    work.report.tell(Note(f"The Lambda function {name} exists and differs; it is updated (non-interactive)."))
    return True
