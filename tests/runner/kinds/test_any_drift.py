"""Any set of changes made by others is undone by one apply, and the next plan is empty."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geopipe_runner.reconcile.model import Action
from tests.support.drifts import DRIFTS, Drift, make_spare_role
from tests.support.kinds import World, samples

ANY = sorted(
    (sample.key, attribute, number)
    for sample in samples()
    for attribute in sample.attributes
    for number, drift in enumerate(DRIFTS.get((sample.kind, attribute), ()))
    if drift.holds_for(sample.key)
)
KINDS = {sample.key: sample.kind for sample in samples()}


@pytest.fixture(scope="module")
def world(standing: World) -> World:
    make_spare_role(standing.hands, standing.aws.account)
    standing.apply()
    return standing


def drift_of(key: str, attribute: str, number: int) -> Drift:
    return DRIFTS[KINDS[key], attribute][number]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(ANY), min_size=1, max_size=6, unique_by=lambda chosen: chosen[:2]))
def test_any_set_of_changes_is_undone(world: World, chosen: list[tuple[str, str, int]]) -> None:
    for key, attribute, number in chosen:
        drift_of(key, attribute, number).make(world.hands, world.resource(key).spec)
    planned = world.plan()
    assert {step.key for step in planned.having(Action.UPDATE)} == {key for key, _, _ in chosen}
    assert {step.action for step in planned} <= {Action.KEEP, Action.UPDATE}
    world.apply_plan(planned)
    world.hands.forget_calls()
    again = world.apply()
    assert {step.action for step in again} == {Action.KEEP}
    assert world.hands.mutating_calls() == {}
