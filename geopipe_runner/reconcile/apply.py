"""Applies a plan: along the dependencies, independent branches in parallel. Deletion runs the other way.

Each result goes to `report` as it comes. A failure says what was done and what was not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ..aws.error_codes import already_exists, is_denied
from ..aws.errors import AWS_ERRORS, reason
from ..aws.retry import ROLE_NOT_READY
from ..deployment import OWNER_TAG
from ..errors import ADVICE, AwsError, Failure, RefusedError
from .graph import Walk
from .model import Action, Plan, PlannedChange

if TYPE_CHECKING:
    from ..aws.clients import Aws


@dataclass(frozen=True)
class ChangeResult:
    """The result of one planned change. `identity` is the ARN, URL or UUID of the resource now."""

    step: PlannedChange
    identity: str = ""
    error: BaseException | None = None


@dataclass
class Progress:
    """What has been done so far and what exists. Readable at any moment, also after an interruption.

    A resource counts as existing from the moment its creation begins until its deletion has succeeded.
    """

    outcomes: dict[str, ChangeResult] = field(default_factory=dict)
    existing: dict[str, PlannedChange] = field(default_factory=dict)

    def saw(self, plan: Plan) -> None:
        """Note what exists according to a plan."""
        self.existing |= {step.key: step for step in plan if step.observed is not None and not step.resource.is_used}


class ApplyFailed(AwsError):  # noqa: N818 - it names an outcome
    """Some changes failed. The others that could be applied are applied. The next run continues from there."""

    def __init__(self, message: str, hint: str, failure: Failure) -> None:
        super().__init__(message, hint)
        self.failure = failure


def apply(
    aws: Aws,
    plan: Plan,
    report: Callable[[ChangeResult], None],
    approve: Callable[[PlannedChange], bool],
    progress: Progress,
    in_turn: Collection[str] = (),
    before_others: Callable[[], None] | None = None,
) -> Plan:
    """Create and update along the graph, and return the plan as it was applied.

    A change that `approve` declines becomes KEEP. The keys `in_turn` wait for all dependencies of their resource, so
    that a question about one follows the messages about those. With `before_others`, what holds the lock of the
    deployment is created first, and everything waits for that function. Only what depends on it waits for its settings.

    Raises:
        ApplyFailed: with what was done and what was not.
    """
    steps = {step.key: step for step in plan}
    identities: dict[str, str] = {}
    failed: list[str] = []
    locked_in = [step.key for step in plan if step.resource.kind.holds_lock] if before_others else []
    end_of = {key: f"end of {key}" for key in locked_in}
    locked_by = {end: key for key, end in end_of.items()}

    def work(key: str) -> None:
        step = steps[locked_by.get(key, key)]
        if not step.resource.is_used:
            progress.existing[step.key] = step
        if key not in locked_by:
            identities[key] = _apply_one(aws, step)
        if key not in end_of and (step.action is Action.CREATE or step.observed is None):
            step.resource.kind.finish_creation(aws, step.resource.spec)

    def before(key: str) -> bool:
        if failed:
            return False
        if key in locked_by:
            return True
        if steps[key].writes and not approve(steps[key]):
            steps[key] = replace(steps[key], action=Action.KEEP, reason="declined")
        return True

    def after(key: str, error: BaseException | None) -> bool:
        if error is None and key in end_of and before_others:
            before_others()
            return not failed
        key = locked_by.get(key, key)
        outcome = ChangeResult(steps[key], identities.get(key, ""), error)
        if error is not None:
            failed.append(key)
        if error is not None or key in identities:
            progress.outcomes[key] = outcome
            report(outcome)
        return not failed

    first = {
        key: step.resource.dependencies if key in in_turn else step.resource.creation_dependencies
        for key, step in steps.items()
    }
    waits_for = {
        key: needs if key in locked_in else (*(end_of.get(need, need) for need in needs), *locked_in)
        for key, needs in first.items()
    }
    waits_for |= {end: (key,) for key, end in end_of.items()}
    Walk(waits_for, work).run(before, after)
    if failed:
        raise _apply_failed(plan, progress)
    return Plan(tuple(steps[step.key] for step in plan))


def destroy(
    aws: Aws,
    plan: Plan,
    report: Callable[[ChangeResult], None],
    progress: Progress,
    before_lock: Callable[[], None] = lambda: None,
) -> tuple[ChangeResult, ...]:
    """Delete in reverse order, and return what failed or was left because of a failure.

    After a failure, the dependencies of the remaining resource are kept, and all others are deleted. While a deletion
    takes its time in AWS, those of its dependencies begin. What holds the lock of the deployment goes last, after
    `before_lock` was called.
    """
    steps = {step.key: step for step in plan}
    failures: dict[str, ChangeResult] = {}
    prepared: list[str] = []
    ends_of = {f"end of {step.key}": step.key for step in steps.values() if step.resource.kind.deletion_takes_time}

    def work(key: str) -> None:
        step = steps[ends_of.get(key, key)]
        if step.action is not Action.DELETE or step.observed is None:
            return
        kind, spec = step.resource.kind, step.resource.spec
        if key in ends_of:
            kind.wait_until_gone(aws, spec)
        elif kind.holds_lock:
            kind.prepare_deletion(aws, spec, step.observed)
        else:
            kind.delete(aws, spec, step.observed)

    def after(key: str, error: BaseException | None) -> bool:
        if key in ends_of:
            return finish(ends_of[key], error)
        kind, is_deleted = steps[key].resource.kind, steps[key].action is Action.DELETE and error is None
        if is_deleted and kind.holds_lock:
            prepared.append(key)
            return True
        return (is_deleted and kind.deletion_takes_time) or finish(key, error)

    def finish(key: str, error: BaseException | None) -> bool:
        outcome = ChangeResult(steps[key], error=error)
        if error is not None:
            failures[key] = outcome
        elif steps[key].action is Action.DELETE:
            progress.existing.pop(key, None)
        if steps[key].action is not Action.ABSENT:
            report(outcome)
        return error is None

    waits_for: dict[str, list[str]] = {key: [] for key in steps}
    waits_for |= {end: [key] for end, key in ends_of.items() if steps[key].action is Action.DELETE}
    for step in plan:
        for need in step.resource.dependencies:
            waits_for[need].append(step.key)
    for key in Walk(waits_for, work).run(lambda _key: True, after):
        if key not in ends_of and steps[key].action is Action.DELETE:
            failures[key] = ChangeResult(
                steps[key], error=AwsError("kept, because a resource that needs it could not be deleted")
            )
    for key in prepared:
        before_lock()
        step = steps[key]
        try:
            if step.observed is not None:
                step.resource.kind.delete(aws, step.resource.spec, step.observed)
        except Exception as error:  # noqa: BLE001 - reported like those of the others
            finish(key, error)
        else:
            finish(key, None)
    return tuple(failures.values())


def _apply_one(aws: Aws, step: PlannedChange) -> str:
    kind, spec, seen = step.resource.kind, step.resource.spec, step.observed
    if step.action is Action.USE and seen is not None:
        return seen.identity
    if step.action is Action.CREATE or seen is None:
        return _create(aws, step)
    if step.action in (Action.UPDATE, Action.ADOPT):
        kind.update(aws, spec, seen, step.changes)
    if not seen.ready:
        kind.wait_until_ready(aws, spec, seen)
    return seen.identity


def _create(aws: Aws, step: PlannedChange) -> str:
    """Create. If AWS says that the resource exists, a response may have been lost and the call repeated.

    With our tag it is our own work, and is brought to its desired state. Anything else is the original error.
    """
    kind, spec = step.resource.kind, step.resource.spec
    try:
        return kind.create(aws, spec)
    except (*AWS_ERRORS, RefusedError) as error:
        if not (already_exists(error) or isinstance(error, RefusedError)):
            raise
        existing = kind.observe(aws, spec)
        if existing is None or existing.owner != spec.tags.get(OWNER_TAG):
            raise
        changes = kind.compare(spec, existing)
        if changes:
            kind.update(aws, spec, existing, changes)
        if not existing.ready:
            kind.wait_until_ready(aws, spec, existing)
        return existing.identity


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
    """Returns the first failure in the order of the plan: most other resources depend on that one."""
    errors = ((step, progress.outcomes[step.key].error) for step in plan if step.key in progress.outcomes)
    step, error = next((step, error) for step, error in errors if error is not None)
    return Failure(_code(error), reason(error), step.key)


def _code(error: BaseException) -> str:
    if "iam:PassRole" in str(error):
        return "pass-role-denied"
    if ROLE_NOT_READY.matches(error):
        return "role-not-assumable" if "assume" in str(error) else "access-denied"
    return "access-denied" if is_denied(error) else "setup-failed"


def _names(plan: Plan, progress: Progress, done: bool) -> str:
    names = []
    for step in plan:
        outcome = progress.outcomes.get(step.key)
        if step.writes and (outcome is not None and outcome.error is None) is done:
            names.append(f"{step.resource.kind.label} {step.resource.name}")
    return ", ".join(names) or "nothing"
