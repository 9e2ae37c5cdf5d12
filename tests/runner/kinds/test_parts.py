"""Work in parts: its queue, worker and mappings exist for jobs of that sort only, and are handled like all others."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest

from geopipe_runner.config.model import Provider
from geopipe_runner.jobs.registry import JOBS, job_of
from geopipe_runner.reconcile import orphans, plan
from geopipe_runner.reconcile.model import Action
from tests.support.kinds import World
from tests.support.runner_fakes import config

MakeWorld = Callable[..., World]

OF_PARTS = {
    "work_queue",
    "work_dead_letter_queue",
    "worker",
    "worker_log_group",
    "work_mapping",
    "work_dead_letter_mapping",
}
PROVIDERS = [job.provider for job in JOBS if job.rights.in_parts and job.provider]


def keys(world: World) -> set[str]:
    return {resource.key for resource in world.blueprint.resources}


def test_only_jobs_in_parts_have_the_resources_of_parts(make_world: MakeWorld) -> None:
    plain = keys(make_world())
    assert not plain & OF_PARTS
    for provider in PROVIDERS:
        assert keys(make_world(job={"provider": provider})) == plain | OF_PARTS


@pytest.mark.parametrize("scope", ["all", "resources"])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_they_come_stay_and_go_with_the_deployment(make_world: MakeWorld, provider: str, scope: str) -> None:
    world = make_world(job={"provider": provider}, iam={"scope": scope})
    assert {step.action for step in world.plan()} == {Action.CREATE}
    world.apply()
    world.hands.forget_calls()
    steps = world.apply()
    assert [(step.key, step.changes) for step in steps if step.action is not Action.KEEP] == []
    assert world.hands.mutating_calls() == {}
    owner = world.blueprint.deployment.config.deployment
    assert {step.key for step in steps if step.observed and step.observed.owner == owner} >= OF_PARTS
    assert world.destroy() == ()
    assert {step.action for step in world.plan()} == {Action.CREATE}


def test_a_change_by_hand_of_the_number_of_workers_is_undone(make_world: MakeWorld) -> None:
    world = make_world(job={"provider": "gazetteer", "workers": 7})
    world.apply()
    step = world.step("work_mapping")
    assert step.observed is not None
    client = world.hands.client("lambda")
    for settings, old in (({"MaximumConcurrency": 3}, 3), ({}, None)):
        client.update_event_source_mapping(UUID=step.observed.identity, ScalingConfig=settings)
        world.resource("work_mapping").kind.wait_until_ready(
            world.aws, world.resource("work_mapping").spec, step.observed
        )
        changed = world.step("work_mapping")
        assert [(change.path, change.old, change.new) for change in changed.changes] == [
            ("maximum_concurrency", old, 7)
        ]
        world.apply(["work_mapping"])
        assert world.step("work_mapping").action is Action.KEEP


def test_the_worker_has_its_own_handler_limits_and_pace(make_world: MakeWorld) -> None:
    job = {"provider": "amazon_location", "workers": 4, "worker_timeout": 100, "worker_memory": 1024}
    world = make_world(job={**job, "max_requests_per_second": 2.5})
    main, worker = world.resource("function").spec, world.resource("worker").spec
    assert (worker.handler, worker.timeout, worker.memory) == ("part_worker.lambda_handler", 100, 1024)
    assert worker.package is main.package and worker.role_arn == main.role_arn
    assert worker.environment.items() - main.environment.items() == {("REQUESTS_PER_SECOND", "2.5"), ("WORKERS", "4")}
    assert main.environment["WORK_QUEUE_URL"] == world.resource("work_queue").spec.url
    assert main.environment["WORK_DEAD_LETTER_QUEUE_URL"] == world.resource("work_dead_letter_queue").spec.url
    queue = world.resource("work_queue").spec
    assert queue.visibility_timeout == 600 and queue.redrive.max_receive_count == 5


def test_another_provider_leaves_them_as_orphans(make_world: MakeWorld) -> None:
    world = make_world(job={"provider": "gazetteer"})
    world.apply()
    without = [resource for resource in world.blueprint.resources if resource.key not in OF_PARTS]
    rest = world.some([resource.key for resource in without])
    seen = plan.observe(world.aws, rest.resources)
    found = orphans.find(world.aws, rest, seen, orphans.search(world.aws, rest))
    assert {step.resource.kind.name for step in found} == {
        "sqs_queue",
        "lambda_function",
        "log_group",
        "event_source_mapping",
    }
    assert len(found) == len(OF_PARTS)


def test_every_provider_of_the_configuration_has_its_class() -> None:
    assert {job.provider for job in JOBS if job.name == "reverse_geocoding"} == set(get_args(Provider))
    for provider in get_args(Provider):
        assert job_of(config(job={"provider": provider}).job).provider == provider
