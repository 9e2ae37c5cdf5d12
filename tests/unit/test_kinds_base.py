"""Differences between what is there and what should be."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from runner_fakes import THING, deployment, seen, shipped, thing

from geopipe_runner.kinds import KINDS
from geopipe_runner.kinds.base import (
    MISSING,
    OWNER_TAG,
    Change,
    differences,
    our_tags,
    tag_list,
    tag_map,
    touches,
)
from geopipe_runner.reconcile.blueprint import draw

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, [Change("a", 1, 2)]),
        ({}, {"a": 1}, [Change("a", MISSING, 1)]),
        ({"a": 1}, {}, [Change("a", 1, MISSING)]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, [Change("a.c", 2, 3)]),
        ({"a": {"b": 1}}, {"a": None}, [Change("a", {"b": 1}, None)]),
        ({"a": [1, 2]}, {"a": [2, 1]}, [Change("a", [1, 2], [2, 1])]),
        ({"b": 1, "a": 1}, {"a": 2, "b": 2}, [Change("a", 1, 2), Change("b", 1, 2)]),
        (1, 2, [Change("", 1, 2)]),
    ],
)
def test_differences(old: Any, new: Any, changes: list[Change]) -> None:
    assert list(differences(old, new)) == changes


@settings(max_examples=50, deadline=None)
@given(plain)
def test_nothing_differs_from_itself(tree: Any) -> None:
    assert list(differences(tree, tree)) == []


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.sampled_from("abc"), plain), st.dictionaries(st.sampled_from("abc"), plain))
def test_something_differs_exactly_when_they_are_not_equal(old: Any, new: Any) -> None:
    assert bool(list(differences(old, new))) == (old != new)
    assert [change.path for change in differences(old, new)] == [change.path for change in differences(new, old)]


def test_comparing_is_against_what_is_desired() -> None:
    resource = thing("a", size=3, colour="blue")
    assert THING.compare(resource.spec, seen(resource)) == ()
    assert THING.compare(resource.spec, seen(resource, size=2)) == (Change("size", 2, 3),)


def test_touches_looks_at_the_top_level_only() -> None:
    changes = (Change("environment.role", 1, 2), Change("timeout", 1, 2))
    assert touches(changes, "environment")
    assert touches(changes, "memory", "timeout")
    assert not touches(changes, "role", "time", "environment.role")
    assert not touches((), "timeout")


def test_tags() -> None:
    assert our_tags({"team": "maps", OWNER_TAG: "x"}, {"team": "other", "theirs": "1"}) == {"team": "other"}
    assert tag_map(tag_list({"a": "1", "b": "2"})) == {"a": "1", "b": "2"}


def test_our_tag_cannot_be_overruled() -> None:
    given = dataclasses.replace(shipped(), tags={"team": "maps", OWNER_TAG: "theirs"}, deployment="mine")
    assert deployment(given).tags == {"team": "maps", OWNER_TAG: "mine"}


def test_kinds_differ_in_name_and_say_what_they_are_called() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS) == 9
    assert all(kind.label for kind in KINDS)


def test_desired_is_plain_and_pure() -> None:
    import json

    for resource in draw(deployment()).resources:
        desired = resource.kind.desired(resource.spec)
        assert json.loads(json.dumps(desired)) == desired
        assert resource.kind.desired(resource.spec) == desired


def test_every_resource_has_a_key_of_its_own_and_a_group_it_goes_with() -> None:
    resources = draw(deployment()).resources
    assert len({resource.key for resource in resources}) == len(resources) == 13
    groups = {resource.key: resource.group for resource in resources}
    assert groups == {
        "lambda_role": "lambda_role",
        "lambda_policy": "lambda_role",
        "sagemaker_role": "sagemaker_role",
        "sagemaker_policy": "sagemaker_role",
        "queue": "queue",
        "dead_letter_queue": "queue",
        "bucket": "bucket",
        "input": "bucket",
        "log_group": "function",
        "function": "function",
        "mapping": "function",
        "dead_letter_mapping": "function",
        "pipeline": "pipeline",
    }
