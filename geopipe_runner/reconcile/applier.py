"""From a plan to calls: along the dependencies, independent branches at the same time; deleting runs the other way.

Tells what happens through `report` as it happens, and what was done and what was not when something fails.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..aws.failures import AWS_ERRORS, already_there, denied, reason
from ..aws.retry import ROLE_NOT_READY
from ..errors import AwsError, RefusedError
from ..failure_codes import ADVICE, Failure
from ..kinds.base import OWNER_TAG
from .graph import Walk
from .model import Action, Plan, Step

if TYPE_CHECKING:
    from ..aws.clients import Aws


@dataclass(frozen=True)
class Outcome:
    """What became of one step. `identity` is the ARN, URL or UUID of what is there now."""

    step: Step
    identity: str = ""
    error: BaseException | None = None


@dataclass
class Progress:
    """What has been done so far, and what is there; readable at any moment, also after an interruption.

    A resource counts as there from the moment its creation begins until its deletion has succeeded.
    """

    outcomes: dict[str, Outcome] = field(default_factory=dict)
    existing: dict[str, Step] = field(default_factory=dict)

    def saw(self, plan: Plan) -> None:
        """A plan tells what is there."""
        self.existing |= {step.key: step for step in plan if step.observed is not None}


class ApplyFailed(AwsError):  # noqa: N818 - the name of an outcome
    """Some steps failed; the others that could be done are done. Running again goes on from there."""

    def __init__(self, message: str, hint: str, failure: Failure) -> None:
        super().__init__(message, hint)
        self.failure = failure


def apply(
    aws: Aws,
    plan: Plan,
    report: Callable[[Outcome], None],
    approve: Callable[[Step], bool],
    progress: Progress,
    in_turn: Collection[str] = (),
) -> Plan:
    """Create and update along the graph. A step that `approve` declines is kept as it is.

    The keys `in_turn` wait for all that their resource rests on, so that a question about one follows what is said
    of those.

    Answers the plan as it was carried out. Raises ApplyFailed with what was done and what was not.
    """
    steps = {step.key: step for step in plan}
    identities: dict[str, str] = {}
    failed: list[str] = []

    def work(key: str) -> None:
        step = steps[key]
        progress.existing[key] = step
        identities[key] = _carry_out(aws, step)

    def before(key: str) -> bool:
        if failed:
            return False
        if steps[key].writes and not approve(steps[key]):
            steps[key] = replace(steps[key], action=Action.KEEP, reason="declined")
        return True

    def after(key: str, error: BaseException | None) -> bool:
        outcome = Outcome(steps[key], identities.get(key, ""), error)
        if error is not None:
            failed.append(key)
        if error is not None or key in identities:
            progress.outcomes[key] = outcome
            report(outcome)
        return not failed

    first = {key: step.resource.rests_on if key in in_turn else step.resource.needs for key, step in steps.items()}
    Walk(first, work).run(before, after)
    if failed:
        raise _apply_failed(plan, progress)
    return Plan(tuple(steps[step.key] for step in plan))


def destroy(aws: Aws, plan: Plan, report: Callable[[Outcome], None], progress: Progress) -> tuple[Outcome, ...]:
    """Delete in reverse order. A failure spares what the thing still standing needs; the rest goes on.

    Answers what failed or had to be left for it.
    """
    steps = {step.key: step for step in plan}
    failures: dict[str, Outcome] = {}

    def work(key: str) -> None:
        step = steps[key]
        if step.action is Action.DELETE and step.observed is not None:
            step.resource.kind.delete(aws, step.resource.spec, step.observed)

    def after(key: str, error: BaseException | None) -> bool:
        outcome = Outcome(steps[key], error=error)
        if error is not None:
            failures[key] = outcome
        elif steps[key].action is Action.DELETE:
            progress.existing.pop(key, None)
        if steps[key].action is not Action.ABSENT:
            report(outcome)
        return error is None

    waits_for: dict[str, list[str]] = {key: [] for key in steps}
    for step in plan:
        for need in step.resource.rests_on:
            waits_for[need].append(step.key)
    for key in Walk(waits_for, work).run(lambda _key: True, after):
        if steps[key].action is Action.DELETE:
            failures[key] = Outcome(steps[key], error=AwsError("left, because what needs it could not be deleted"))
    return tuple(failures.values())


def _carry_out(aws: Aws, step: Step) -> str:
    kind, spec, seen = step.resource.kind, step.resource.spec, step.observed
    if step.action is Action.CREATE or seen is None:
        return _create(aws, step)
    if step.action in (Action.UPDATE, Action.ADOPT):
        kind.update(aws, spec, seen, step.changes)
    if not seen.settled:
        kind.settle(aws, spec, seen)
    return seen.identity


def _create(aws: Aws, step: Step) -> str:
    """Create; where AWS says that it is there, an answer may have been lost on the way and the call made twice.

    What carries our tag then is our own work: it is seen to be right. Anything else is an error as before.
    """
    kind, spec = step.resource.kind, step.resource.spec
    try:
        return kind.create(aws, spec)
    except (*AWS_ERRORS, RefusedError) as error:
        if not (already_there(error) or isinstance(error, RefusedError)):
            raise
        made = kind.observe(aws, spec)
        if made is None or made.owner != spec.tags.get(OWNER_TAG):
            raise
        changes = kind.compare(spec, made)
        if changes:
            kind.update(aws, spec, made, changes)
        if not made.settled:
            kind.settle(aws, spec, made)
        return made.identity


def _apply_failed(plan: Plan, progress: Progress) -> ApplyFailed:
    lines: list[str] = []
    for step in plan:
        outcome = progress.outcomes.get(step.key)
        if outcome is not None and outcome.error is not None:
            name = f"{step.resource.kind.label} {step.resource.name}"
            lines.append(f"Failed to {step.action} {name}: {reason(outcome.error)}")
    lines.append(f"Done: {_names(plan, progress, True)}.")
    lines.append(f"Not done: {_names(plan, progress, False)}.")
    failure = _first_failure(plan, progress)
    hint = failure.advice if failure.code == "setup-failed" else f"{failure.advice}\n{ADVICE['setup-failed']}"
    return ApplyFailed("\n".join(lines), hint, failure)


def _first_failure(plan: Plan, progress: Progress) -> Failure:
    """The one that a resource most others rest on met; the plan has those first."""
    errors = ((step, progress.outcomes[step.key].error) for step in plan if step.key in progress.outcomes)
    step, error = next((step, error) for step, error in errors if error is not None)
    return Failure(_code(error), reason(error), step.key)


def _code(error: BaseException) -> str:
    if "iam:PassRole" in str(error):
        return "pass-role-denied"
    if ROLE_NOT_READY.matches(error):
        return "role-not-assumable" if "assume" in str(error) else "access-denied"
    return "access-denied" if denied(error) else "setup-failed"


def _names(plan: Plan, progress: Progress, done: bool) -> str:
    names = []
    for step in plan:
        outcome = progress.outcomes.get(step.key)
        if step.writes and (outcome is not None and outcome.error is None) is done:
            names.append(f"{step.resource.kind.label} {step.resource.name}")
    return ", ".join(names) or "nothing"
