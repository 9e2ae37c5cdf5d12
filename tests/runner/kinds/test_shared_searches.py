"""Many deployments of one command search the account once, and each finds what is its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from geopipe_runner.aws.client_pool import ClientPools
from geopipe_runner.aws.clients import Aws
from geopipe_runner.reconcile import orphans, plan
from tests.support.kinds import World

MakeWorld = Callable[..., World]

SEARCHES = {"GetResources", "ListRoles", "ListPolicies"}
KEYS = ("sagemaker_role", "sagemaker_policy", "dead_letter_queue")


def share_clients(worlds: list[World], deployments: int) -> tuple[list[World], Counter[str]]:
    """Returns the worlds with the same clients, as deployments of one command have them, and their calls by name."""
    calls: Counter[str] = Counter()
    pools = ClientPools(deployments)

    def count(model: Any, **_: Any) -> None:
        calls[model.name] += 1

    pool = pools.pool("the same", lambda: worlds[0].hands.session)
    shared = []
    for world in worlds:
        old = world.aws
        aws = Aws(pool.session, old.account, old._bucket, old.retrier, old._config, pool=pool)
        shared.append(replace(world, aws=aws))
    for service in ("iam", "resourcegroupstaggingapi"):
        shared[0].aws.client(service).meta.events.register("before-call", count)
    return shared, calls


@pytest.mark.parametrize(("deployments", "times"), [(10, 1), (9, 2)])
def test_one_search_finds_the_orphans_of_each_deployment(make_world: MakeWorld, deployments: int, times: int) -> None:
    worlds = [make_world(), make_world()]
    for world in worlds:
        world.apply(KEYS)
    worlds, calls = share_clients(worlds, deployments)
    for world in worlds:
        nothing = world.some([])
        seen = plan.observe(world.aws, nothing.resources)
        found = orphans.find(world.aws, nothing, seen, orphans.search(world.aws, nothing, may_share=True))
        assert {step.resource.name for step in found} == {world.resource(key).name for key in KEYS}
    assert {name: calls[name] for name in SEARCHES} == dict.fromkeys(SEARCHES, times)


def test_a_later_look_searches_again(make_world: MakeWorld) -> None:
    """After changes of this command, what was found before does not count."""
    world = make_world()
    world.apply(KEYS)
    (world,), calls = share_clients([world], 10)
    nothing = world.some([])
    before = orphans.search(world.aws, nothing, may_share=True)
    world.destroy(["dead_letter_queue"])
    after = orphans.search(world.aws, nothing)
    assert len(before - after) == 1
    assert calls["GetResources"] == 2


def test_the_mappings_of_a_function_are_listed_once(make_world: MakeWorld) -> None:
    world, keys = make_world(), ["mapping", "dead_letter_mapping"]
    world.apply([*world.closure("mapping"), *world.closure("dead_letter_mapping"), *keys])
    calls: Counter[str] = Counter()

    def count(model: Any, **_: Any) -> None:
        calls[model.name] += 1

    world.aws.client("lambda").meta.events.register("before-call", count)
    seen = plan.observe(world.aws, world.some(keys).resources)
    assert calls == {"ListEventSourceMappings": 1, "ListTags": 2}
    mappings = [seen["mapping"], seen["dead_letter_mapping"]]
    assert len({mapping.identity for mapping in mappings if mapping}) == 2
