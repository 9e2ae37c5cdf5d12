"""Plan and apply: every resource made as the blueprint says, after asking what must be asked."""

from __future__ import annotations

from ..errors import RefusedError
from ..reconcile import planner
from ..reconcile.applier import apply
from ..reconcile.model import Action, Plan, Step
from ..report.events import Note, Planned, SetupBegins, StepDone
from .session import Session


def plan(session: Session) -> Plan:
    """Observe, compare, and show the plan. Nothing is changed."""
    made = planner.plan(session.aws, session.blueprint)
    session.report.tell(Planned(session.config, session.aws.account, made))
    return made


def refuse_foreign(made: Plan) -> None:
    """Raises RefusedError where a resource of ours has the name of somebody else's."""
    refused = made.having(Action.REFUSE)
    if refused:
        lines = [f"{step.resource.kind.label} {step.resource.name}: {step.reason}." for step in refused]
        raise RefusedError(
            "Nothing was done, because these are not ours:\n  " + "\n  ".join(lines),
            "Choose other names in the configuration.",
        )


def carry_out(session: Session, made: Plan) -> Plan:
    """Apply the plan and show each section. Answers the plan as it was carried out."""
    refuse_foreign(made)
    report = session.report
    report.tell(SetupBegins(session.config, made))

    def approve(step: Step) -> bool:
        if step.key != "function" or step.action is not Action.UPDATE:
            return True
        name = step.resource.name
        if session.options.interactive:
            return report.ask(f"The Lambda function {name} already exists, do you want to update it?", about=step)
        report.tell(Note(f"The Lambda function {name} exists and differs; it is updated (non-interactive)."))
        return True

    return apply(session.aws, made, lambda outcome: report.tell(StepDone(outcome)), approve, session.state.progress)
