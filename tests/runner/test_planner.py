"""What would have to be done, for resources that live in memory; and what must stay when something is kept."""

from __future__ import annotations

from typing import Any

import pytest

from geopipe_runner.config.model import CleanupItem
from geopipe_runner.kinds.base import Change, Observed, Resource
from geopipe_runner.reconcile import plan as planner
from geopipe_runner.reconcile.blueprint import build_blueprint
from geopipe_runner.reconcile.model import Action, Plan, PlannedChange
from geopipe_runner.stages.cleanup import GROUPS
from tests.support.runner_fakes import FakeAws, answer_error, blueprint, deployment, seen, tags, thing

A = thing("a", size=1)


def plan_one(observed: Observed | None) -> PlannedChange:
    aws = FakeAws({"a": observed} if observed else {})
    (step,) = plan(aws, A)
    assert aws.calls == []
    return step


def plan(aws: FakeAws, *resources: Resource, adopt: tuple[str, ...] = ()) -> Plan:
    drawn = blueprint(*resources)
    seam: Any = aws
    return planner.plan(drawn, planner.observe(seam, drawn.resources), adopt)


def test_what_is_not_there_is_created() -> None:
    assert plan_one(None) == PlannedChange(A, Action.CREATE)


def test_what_is_as_it_should_be_is_kept() -> None:
    assert plan_one(seen(A)) == PlannedChange(A, Action.KEEP, seen(A))


def test_what_differs_is_updated() -> None:
    there = seen(A, size=2)
    assert plan_one(there) == PlannedChange(A, Action.UPDATE, there, (Change("size", 2, 1),))


@pytest.mark.parametrize(
    ("owner", "reason"),
    [
        (None, "it has no tag geopipe:deployment, so it may belong to someone else"),
        ("other", "it belongs to the deployment other"),
        ("", "it belongs to the deployment "),
        ("LOCAL", "it belongs to the deployment LOCAL"),
    ],
)
def test_a_foreign_resource_is_refused_even_if_equal(owner: str | None, reason: str) -> None:
    step = plan_one(seen(A, owner))
    assert (step.action, step.reason, step.changes, step.writes) == (Action.REFUSE, reason, (), False)


def test_a_foreign_resource_is_adopted_on_request() -> None:
    there = seen(A, "other", size=2)
    (step,) = plan(FakeAws({"a": there}), A, adopt=("a",))
    assert (step.action, step.writes, step.observed) == (Action.ADOPT, True, there)
    assert step.resource.spec.tags == tags("local", adopted=True)
    assert Change("size", 2, 1) in step.changes


def test_asking_to_adopt_what_is_ours_changes_nothing() -> None:
    (step,) = plan(FakeAws({"a": seen(A)}), A, adopt=("a",))
    assert step.action is Action.KEEP


def test_the_plan_is_ordered_and_reads_only() -> None:
    aws = FakeAws()
    made = plan(aws, thing("b", "a"), thing("a"))
    assert [step.key for step in made] == ["a", "b"]
    assert not aws.reading
    with pytest.raises(AssertionError, match="during a plan"), aws.read_only():
        A.kind.create(aws, A.spec)  # type: ignore[arg-type]


def test_an_error_of_observing_comes_out() -> None:
    class Denied(FakeAws):
        @property
        def things(self) -> dict[str, Observed]:
            raise answer_error("AccessDenied")

        @things.setter
        def things(self, value: object) -> None: ...

    with pytest.raises(type(answer_error("x")), match="AccessDenied"):
        plan(Denied(), A)


def test_a_plan_answers_questions_about_itself() -> None:
    made = Plan(
        (
            PlannedChange(A, Action.KEEP),
            PlannedChange(thing("b"), Action.CREATE),
            PlannedChange(thing("c"), Action.DELETE),
        )
    )
    assert [step.key for step in made.having(Action.KEEP, Action.DELETE)] == ["a", "c"]
    assert made.step("b") == PlannedChange(thing("b"), Action.CREATE)
    assert made.step("z") is None
    assert made.writes
    assert not Plan(
        (PlannedChange(A, Action.KEEP), PlannedChange(A, Action.REFUSE), PlannedChange(A, Action.ABSENT))
    ).writes


# Cleaning up, with the real resources of the shipped deployment.

WHOLE = build_blueprint(deployment())
THERE = {resource.key: Observed(resource.key, {}, tags("local")) for resource in WHOLE.resources}
NEEDED_BY_PIPELINE = {
    "pipeline",
    "function",
    "mapping",
    "dead_letter_mapping",
    "queue",
    "dead_letter_queue",
    "log_group",
    "lambda_role",
    "lambda_policy",
    "sagemaker_role",
    "sagemaker_policy",
}


def kept(groups: set[CleanupItem], **owners: str | None) -> dict[str, str]:
    """What stays when all but `groups` is to go, and why."""
    there = {**THERE, **{key: Observed(key, {}, tags(owner)) for key, owner in owners.items()}}
    made = planner.plan_cleanup(WHOLE, there, [group for group in GROUPS if group not in groups])
    assert {step.action for step in made} <= {Action.KEEP, Action.DELETE}
    return {step.key: step.reason for step in made.having(Action.KEEP)}


def test_nothing_kept_is_everything_deleted() -> None:
    assert kept(set()) == {}


def test_everything_kept_is_nothing_deleted() -> None:
    assert set(kept(set(GROUPS))) == set(THERE)


def test_a_kept_pipeline_keeps_what_its_executions_need() -> None:
    reasons = kept({"pipeline"})
    assert set(reasons) == NEEDED_BY_PIPELINE
    assert set(reasons).isdisjoint({"bucket", "input"})
    assert reasons["pipeline"] == ""  # as it was asked for, so there is nothing to explain
    assert reasons["function"] == "pipeline sagemaker-sdk-example-pipeline is kept and needs it"
    assert reasons["lambda_role"].endswith("is kept and needs it")


def test_a_kept_queue_keeps_its_dead_letter_queue_and_nothing_else() -> None:
    assert set(kept({"queue"})) == {"queue", "dead_letter_queue"}


def test_a_kept_bucket_keeps_its_input_and_nothing_else() -> None:
    assert set(kept({"bucket"})) == {"bucket", "input"}


def test_a_kept_function_keeps_roles_and_log_but_nothing_feeds_it_any_more() -> None:
    queues = {"queue", "dead_letter_queue", "mapping", "dead_letter_mapping"}
    assert set(kept({"function"})) == NEEDED_BY_PIPELINE - {"pipeline"} - queues
    assert set(kept({"function", "queue"})) == NEEDED_BY_PIPELINE - {"pipeline"}


def test_a_kept_role_keeps_its_policy() -> None:
    assert set(kept({"sagemaker_role"})) == {"sagemaker_role", "sagemaker_policy"}
    assert set(kept({"lambda_role"})) == {"lambda_role", "lambda_policy"}


def test_what_is_not_ours_is_kept_but_saves_nothing_of_ours() -> None:
    assert kept(set(), pipeline="other") == {"pipeline": "it belongs to the deployment other"}
    assert set(kept(set(), pipeline=None)) == {"pipeline"}


def test_what_was_adopted_is_kept() -> None:
    there = {**THERE, "queue": Observed("queue", {}, tags("local", adopted=True))}
    made = planner.plan_cleanup(WHOLE, there, GROUPS)
    assert {step.key: step.reason for step in made.having(Action.KEEP)} == {"queue": "it was adopted"}


@pytest.mark.parametrize("owner", ["other", None])
def test_what_has_no_tag_goes_with_what_it_belongs_to(owner: str | None) -> None:
    untagged = Observed("input", {}, {}, owned_by="bucket")
    ours = planner.plan_cleanup(WHOLE, {**THERE, "input": untagged}, GROUPS).step("input")
    foreign = {**THERE, "input": untagged, "bucket": Observed("bucket", {}, tags(owner))}
    theirs = planner.plan_cleanup(WHOLE, foreign, GROUPS).step("input")
    absent = planner.plan_cleanup(WHOLE, {**THERE, "input": untagged, "bucket": None}, GROUPS).step("input")
    adopted = {**THERE, "input": untagged, "bucket": Observed("bucket", {}, tags("local", adopted=True))}
    taken_over = planner.plan_cleanup(WHOLE, adopted, GROUPS).step("input")
    found = [step.action for step in (ours, theirs, absent, taken_over) if step]
    assert found == [Action.DELETE, Action.KEEP, Action.KEEP, Action.KEEP]


def test_what_is_not_there_is_neither_deleted_nor_needs_anything() -> None:
    made = planner.plan_cleanup(WHOLE, {**THERE, "pipeline": None}, ["queue"])
    step = made.step("pipeline")
    assert step is not None
    assert step.action is Action.ABSENT
    nothing = planner.plan_cleanup(WHOLE, dict.fromkeys(THERE), GROUPS)
    assert {step.action for step in nothing} == {Action.ABSENT}


@pytest.mark.parametrize("group", GROUPS)
def test_nothing_that_stays_loses_what_it_needs(group: CleanupItem) -> None:
    for groups in ({group}, set(GROUPS) - {group}):
        stays = set(kept(groups))
        creation_dependencies = {
            need for resource in WHOLE.resources if resource.key in stays for need in resource.creation_dependencies
        }
        assert creation_dependencies <= stays


def test_a_chain_of_needs_is_kept_to_its_end() -> None:
    chain = blueprint(thing("a", group="bucket"), thing("b", "a", group="function"), thing("c", "b", group="pipeline"))
    there = {resource.key: seen(resource) for resource in chain.resources}
    made = planner.plan_cleanup(chain, there, ["bucket", "function"])
    assert {step.key: step.reason for step in made} == {
        "a": "thing b is kept and needs it",
        "b": "thing c is kept and needs it",
        "c": "",
    }


def test_observing_answers_every_key() -> None:
    resources: tuple[Resource, ...] = (A, thing("b"))
    aws = FakeAws({"a": seen(A)})
    assert planner.observe(aws, resources) == {"a": seen(A), "b": None}  # type: ignore[arg-type]
