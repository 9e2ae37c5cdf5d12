"""Applying a plan: what is done, what is reported, and what remains when something fails."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from geopipe_runner.deployment import OWNER_TAG
from geopipe_runner.errors import AwsError, InterruptedByUser, LockedError
from geopipe_runner.kinds.base import Observed, Resource
from geopipe_runner.reconcile import plan
from geopipe_runner.reconcile.apply import ApplyFailed, ChangeResult, Progress, apply, destroy
from geopipe_runner.reconcile.model import Action, Plan, PlannedChange
from tests.support.runner_fakes import FakeAws, ThingKind, ThingSpec, answer_error, blueprint, seen, thing


def yes(_step: PlannedChange) -> bool:
    return True


class Run:
    """One application of a plan in memory."""

    def __init__(self, *resources: Resource, **things: Any) -> None:
        self.blueprint = blueprint(*resources)
        self.aws: Any = FakeAws(things)
        self.reported: list[ChangeResult] = []
        self.progress = Progress()
        self.adopt: tuple[str, ...] = ()

    def apply(self, approve: Callable[[PlannedChange], bool] = yes) -> Plan:
        observed = plan.observe(self.aws, self.blueprint.resources)
        made = plan.plan(self.blueprint, observed, self.adopt)
        return apply(self.aws, made, self.reported.append, approve, self.progress)

    def destroy(self) -> dict[str, str]:
        """What could not be deleted, and why."""
        observed = plan.observe(self.aws, self.blueprint.resources)
        made = plan.plan_cleanup(self.blueprint, observed, ["queue"])
        self.progress.saw(made)
        failures = destroy(self.aws, made, self.reported.append, self.progress)
        return {failure.step.key: str(failure.error) for failure in failures}


def test_in_order_and_reported() -> None:
    a, b, c = thing("a", size=1), thing("b", "a", size=1), thing("c", "b", size=1)
    run = Run(a, b, c, b=seen(b, size=2), c=seen(c))
    made = run.apply()
    assert run.aws.calls == ["create a", "update b"]
    assert [(o.step.key, o.step.action, o.identity, o.error) for o in run.reported] == [
        ("a", Action.CREATE, "id-a", None),
        ("b", Action.UPDATE, "id-b", None),
        ("c", Action.KEEP, "id-c", None),
    ]
    assert [step.action for step in made] == [Action.CREATE, Action.UPDATE, Action.KEEP]
    assert set(run.progress.existing) == {"a", "b", "c"}


def test_the_second_time_nothing_is_called() -> None:
    resources = thing("a", size=1), thing("b", "a", size=2)
    run = Run(*resources)
    run.apply()
    run.aws.calls.clear()
    assert {step.action for step in run.apply()} == {Action.KEEP}
    assert run.aws.calls == []


def test_a_failure_says_what_is_done_and_what_is_not_and_running_again_continues() -> None:
    a, b, c = thing("a"), thing("b", "a", fails=("create",)), thing("c", "b")
    run = Run(a, b, c)
    with pytest.raises(ApplyFailed) as caught:
        run.apply()
    assert caught.value.message.splitlines() == [
        "Failed to create thing b: CreateThing failed: Broken: cannot create b",
        "Done: thing a.",
        "Not done: thing b, thing c.",
    ]
    assert caught.value.hint == "Run the same command again. It continues from there."
    assert caught.value.exit_code == 1
    assert [(o.step.key, o.error is None) for o in run.reported] == [("a", True), ("b", False)]
    assert set(run.progress.existing) == {"a", "b"}  # how far the creation of b got is unknown

    again = Run(a, thing("b", "a"), c, **run.aws.things)
    again.apply()
    assert again.aws.calls == ["create b", "create c"]


def test_a_failure_lets_parallel_work_finish() -> None:
    failed = threading.Event()

    def fail(_verb: str) -> None:
        failed.set()
        raise answer_error("Broken")

    slow = thing("slow", meanwhile=lambda _verb: failed.wait(5))
    run = Run(thing("bad", meanwhile=fail), slow, thing("after", "slow"))
    with pytest.raises(ApplyFailed) as caught:
        run.apply()
    assert "Done: thing slow." in caught.value.message
    assert "Not done: thing bad, thing after." in caught.value.message
    assert run.aws.calls == ["create slow"]


def test_two_failures_are_both_reported() -> None:
    meeting = threading.Barrier(2, timeout=90)

    def fail(_verb: str) -> None:
        meeting.wait()
        raise AwsError("both failed")

    with pytest.raises(ApplyFailed) as caught:
        Run(thing("a", meanwhile=fail), thing("b", meanwhile=fail)).apply()
    assert caught.value.message.splitlines()[:2] == [
        "Failed to create thing a: both failed",
        "Failed to create thing b: both failed",
    ]
    assert "Done: nothing." in caught.value.message


def test_what_is_declined_stays_as_it_is_and_what_needs_it_continues() -> None:
    a, b = thing("a", size=1), thing("b", "a", size=1)
    run = Run(a, b, a=seen(a, size=2))
    made = run.apply(approve=lambda step: step.key != "a")
    assert run.aws.calls == ["create b"]
    step = made.step("a")
    assert step is not None
    assert (step.action, step.reason) == (Action.KEEP, "declined")
    assert run.reported[0].step == step
    assert run.reported[0].identity == "id-a"


def test_only_what_writes_is_asked_about() -> None:
    asked: list[str] = []

    def approve(step: PlannedChange) -> bool:
        asked.append(step.key)
        return True

    a, b, c = thing("a", size=1), thing("b", size=1), thing("c")
    Run(a, b, c, a=seen(a), b=seen(b, size=2)).apply(approve)
    assert sorted(asked) == ["b", "c"]


def test_an_end_at_a_question_ends_it_and_progress_can_be_read() -> None:
    def approve(step: PlannedChange) -> bool:
        if step.key == "b":
            raise InterruptedByUser("no more input")
        return True

    run = Run(thing("a"), thing("b", "a"), thing("c", "b"))
    with pytest.raises(InterruptedByUser):
        run.apply(approve)
    assert run.aws.calls == ["create a"]
    assert set(run.progress.existing) == {"a"}


def test_what_is_refused_is_not_touched() -> None:
    a = thing("a", size=1)
    run = Run(a, a=seen(a, "other", size=2))
    run.apply()
    assert run.aws.calls == []


def test_what_is_adopted_is_updated_and_marked_for_good() -> None:
    a = thing("a", size=1)
    run = Run(a, a=seen(a, "other", size=2))
    run.adopt = ("a",)
    made = run.apply()
    assert run.aws.calls == ["update a"]
    assert [step.action for step in made] == [Action.ADOPT]
    assert run.aws.things["a"].attributes == {"size": 1}


def test_deleting_runs_the_other_way() -> None:
    a, b, c = thing("a"), thing("b", "a"), thing("c", "b")
    run = Run(a, b, c, a=seen(a), b=seen(b), c=seen(c))
    assert run.destroy() == {}
    assert run.aws.calls == ["delete c", "delete b", "delete a"]
    assert run.aws.things == {}


def test_one_failure_does_not_stop_the_rest_and_spares_what_it_needs() -> None:
    a, b, c, d = thing("a"), thing("b", "a"), thing("c", "b", fails=("delete",)), thing("d", "a")
    e, f = thing("e"), thing("f", "e")
    run = Run(a, b, c, d, e, f, **{resource.key: seen(resource) for resource in (a, b, c, d, e, f)})
    assert run.destroy() == {
        "c": "An error occurred (Broken) when calling the DeleteThing operation: cannot delete c",
        "a": "kept, because a resource that needs it could not be deleted",
        "b": "kept, because a resource that needs it could not be deleted",
    }
    assert sorted(run.aws.calls) == ["delete d", "delete e", "delete f"]
    assert set(run.aws.things) == set(run.progress.existing) == {"a", "b", "c"}


def test_several_failures_are_all_reported() -> None:
    resources = [thing(name, fails=("delete",)) for name in "abc"]
    run = Run(*resources, **{resource.key: seen(resource) for resource in resources})
    assert set(run.destroy()) == {"a", "b", "c"}
    assert sum(outcome.error is not None for outcome in run.reported) == 3


def test_what_is_not_there_is_passed_over_in_silence() -> None:
    a, b = thing("a"), thing("b", "a")
    run = Run(a, b, b=seen(b))
    assert run.destroy() == {}
    assert [outcome.step.key for outcome in run.reported] == ["b"]


def test_what_is_kept_is_not_deleted() -> None:
    a, b = thing("a"), thing("b", "a", group="bucket")
    run = Run(a, b, a=seen(a), b=seen(b))
    assert run.destroy() == {}
    assert run.aws.calls == []


class LostAnswer(ThingKind):
    """Made, but the answer got lost, and botocore's second try finds it there. `owner` is whose it then is."""

    def __init__(self, owner: str | None, size: int) -> None:
        self._made = {"size": size}
        self._tags = {OWNER_TAG: owner} if owner else {}

    def observe(self, aws: Any, spec: ThingSpec) -> Observed | None:
        found: Observed | None = aws.things.get(spec.name)
        return found

    def create(self, aws: Any, spec: ThingSpec) -> str:
        aws.things[spec.name] = Observed(f"id-{spec.name}", self._made, self._tags)
        raise answer_error("EntityAlreadyExists", "it is there", "CreateThing")


def _lost(owner: str | None, size: int) -> Run:
    return Run(dataclasses.replace(thing("a", size=1), kind=LostAnswer(owner, size)))


def test_an_answer_lost_on_the_way_is_no_failure() -> None:
    run = _lost("local", size=1)
    run.apply()
    assert [(outcome.identity, outcome.error) for outcome in run.reported] == [("id-a", None)]
    assert run.aws.calls == []


def test_what_the_lost_call_left_unfinished_is_finished() -> None:
    run = _lost("local", size=2)
    run.apply()
    assert run.aws.calls == ["update a"]


@pytest.mark.parametrize("owner", [None, "another"])
def test_what_came_between_from_someone_else_is_an_error(owner: str | None) -> None:
    run = _lost(owner, size=1)
    with pytest.raises(ApplyFailed, match="EntityAlreadyExists"):
        run.apply()
    assert run.aws.calls == []


class Unsettled(ThingKind):
    """AWS is still busy with it when it is looked at; `first` is what making it says."""

    def __init__(self, first: str = "") -> None:
        self._first = first

    def observe(self, aws: Any, spec: ThingSpec) -> Observed | None:
        found: Observed | None = aws.things.get(spec.name)
        return dataclasses.replace(found, ready=False) if found else None

    def create(self, aws: Any, spec: ThingSpec) -> str:
        identity = super().create(aws, spec)
        if self._first:
            raise answer_error(self._first)
        return identity

    def wait_until_ready(self, aws: Any, spec: ThingSpec, observed: Observed) -> None:
        aws.record(f"settle {spec.name}")


def _unsettled(first: str = "", **things: Any) -> list[str]:
    run = Run(dataclasses.replace(thing("a", size=1), kind=Unsettled(first)), **things)
    run.apply()
    calls: list[str] = run.aws.calls
    return calls


def test_what_aws_is_still_busy_with_is_waited_for() -> None:
    a = thing("a", size=1)
    assert _unsettled(a=seen(a)) == ["settle a"]
    assert _unsettled(a=seen(a, size=2)) == ["update a", "settle a"]
    assert _unsettled("EntityAlreadyExists") == ["create a", "settle a"]
    assert _unsettled() == ["create a"], "creating waits by itself"


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        ("AccessDenied", "not authorized to perform: iam:PassRole on r", "pass-role-denied"),
        ("InvalidParameterValueException", "The role ... cannot be assumed by Lambda.", "role-not-assumable"),
        ("InvalidParameterValueException", "role does not have permissions to call ReceiveMessage", "access-denied"),
        ("AccessDeniedException", "no", "access-denied"),
        ("LimitExceeded", "too many", "setup-failed"),
    ],
)
def test_a_failure_has_a_code(code: str, message: str, expected: str) -> None:
    def fail(_verb: str) -> None:
        raise ClientError({"Error": {"Code": code, "Message": message}}, "CreateThing")

    with pytest.raises(ApplyFailed) as caught:
        Run(thing("a", meanwhile=fail)).apply()
    failure = caught.value.failure
    assert failure is not None
    assert (failure.code, failure.step) == (expected, "a") and message.rstrip(".") in failure.reason
    assert failure.advice in caught.value.hint


class LockKind(ThingKind):
    """What the lock of the deployment lies in."""

    holds_lock = True

    def prepare_deletion(self, aws: Any, spec: ThingSpec, observed: Observed) -> None:
        self._call(aws, "empty", spec)


class SettledLockKind(LockKind):
    """It has settings, for which only what depends on it waits."""

    def finish_creation(self, aws: Any, spec: ThingSpec) -> None:
        self._call(aws, "settle", spec)


def lock_holder(key: str, **settings: Any) -> Resource:
    return dataclasses.replace(thing(key, **settings), kind=LockKind())


def test_what_holds_the_lock_is_created_before_anything_else() -> None:
    run = Run(thing("a"), lock_holder("store"), thing("b", "a"))
    apply_with_lock(run)
    assert run.aws.calls == ["create store", "lock", "create a", "create b"]


def apply_with_lock(run: Run) -> None:
    made = plan.plan(run.blueprint, plan.observe(run.aws, run.blueprint.resources))

    def take_lock() -> None:
        run.aws.record("lock")

    apply(run.aws, made, run.reported.append, yes, run.progress, before_others=take_lock)


def test_only_what_depends_on_it_waits_for_its_settings() -> None:
    """They wait here for what does not."""
    other_is_created = threading.Event()

    def meanwhile(verb: str) -> None:
        assert verb != "settle" or other_is_created.wait(90)

    store = dataclasses.replace(lock_holder("store", meanwhile=meanwhile), kind=SettledLockKind())
    other = thing("other", meanwhile=lambda _verb: other_is_created.set())
    run = Run(store, thing("inside", "store"), other)
    apply_with_lock(run)
    assert run.aws.calls[:2] == ["create store", "lock"]
    assert run.aws.calls.index("settle store") < run.aws.calls.index("create inside")
    assert sorted(outcome.step.key for outcome in run.reported) == ["inside", "other", "store"]


def test_settings_that_fail_are_a_failure_of_what_holds_the_lock() -> None:
    store = dataclasses.replace(lock_holder("store", fails=("settle",)), kind=SettledLockKind())
    run = Run(store, thing("inside", "store"))
    with pytest.raises(ApplyFailed, match=r"Failed to create thing store: .*cannot settle store"):
        apply_with_lock(run)
    assert run.aws.calls == ["create store", "lock"]
    assert "store" in run.progress.existing


@pytest.mark.parametrize("there", [False, True])
def test_settings_are_part_of_a_creation_also_without_a_lock(there: bool) -> None:
    store = dataclasses.replace(lock_holder("store"), kind=SettledLockKind())
    run = Run(store, **({"store": seen(store)} if there else {}))
    run.apply()
    assert run.aws.calls == ([] if there else ["create store", "settle store"])


def test_without_the_lock_nothing_else_is_created() -> None:
    run = Run(thing("a"), lock_holder("store"))
    made = plan.plan(run.blueprint, plan.observe(run.aws, run.blueprint.resources))

    def refuse() -> None:
        raise LockedError("someone else has it")

    with pytest.raises(LockedError):
        apply(run.aws, made, run.reported.append, yes, run.progress, before_others=refuse)
    assert run.aws.calls == ["create store"]


@pytest.mark.parametrize("fails", [(), ("delete",)])
def test_what_holds_the_lock_is_deleted_after_everything_else(fails: tuple[str, ...]) -> None:
    """It is emptied in its turn. A failure elsewhere does not keep it."""
    store, a, b = lock_holder("store"), thing("a", "store"), thing("b", fails=fails)
    run = Run(store, a, b, store=seen(store), a=seen(a), b=seen(b))
    assert list(run.destroy()) == (["b"] if fails else [])
    deleted = [call for call in run.aws.calls if call != "delete b"]
    assert deleted == ["delete a", "empty store", "delete store"]
    assert run.aws.calls[-1] == "delete store"
    assert [result.step.key for result in run.reported][-1] == "store"


def test_what_cannot_be_emptied_is_not_deleted() -> None:
    store = lock_holder("store", fails=("empty",))
    run = Run(store, store=seen(store))
    assert list(run.destroy()) == ["store"]
    assert "store" in run.progress.existing


class SlowlyDeletedKind(ThingKind):
    """AWS only begins to delete it."""

    deletion_takes_time = True

    def wait_until_gone(self, aws: Any, spec: ThingSpec) -> None:
        self._call(aws, "await", spec)


def slowly_deleted(key: str, *creation_dependencies: str, **settings: Any) -> Resource:
    return dataclasses.replace(thing(key, *creation_dependencies, **settings), kind=SlowlyDeletedKind())


def test_while_a_deletion_takes_its_time_the_next_ones_begin() -> None:
    """Its end waits here for the next one, and only its end is reported."""
    next_one_is_deleted = threading.Event()

    def meanwhile(verb: str) -> None:
        assert verb == "delete" or next_one_is_deleted.wait(90)

    a = thing("a", meanwhile=lambda _verb: next_one_is_deleted.set())
    b = slowly_deleted("b", "a", meanwhile=meanwhile)
    run = Run(a, b, a=seen(a), b=seen(b))
    assert run.destroy() == {}
    assert run.aws.calls[0] == "delete b"
    assert sorted(run.aws.calls[1:]) == ["await b", "delete a"]
    assert sorted(outcome.step.key for outcome in run.reported) == ["a", "b"]
    assert run.progress.existing == {}


@pytest.mark.parametrize(
    ("fails", "calls", "left"), [("delete", [], {"a", "b"}), ("await", ["delete b", "delete a"], {"b"})]
)
def test_a_deletion_that_does_not_begin_or_end_is_a_failure(fails: str, calls: list[str], left: set[str]) -> None:
    a, b = thing("a"), slowly_deleted("b", "a", fails=(fails,))
    run = Run(a, b, a=seen(a), b=seen(b))
    assert set(run.destroy()) == left
    assert run.aws.calls == calls
    assert set(run.progress.existing) == left


def test_what_is_kept_is_not_waited_for() -> None:
    a, b = slowly_deleted("a", group="bucket"), slowly_deleted("b")
    run = Run(a, b, a=seen(a))
    assert run.destroy() == {}
    assert run.aws.calls == []
