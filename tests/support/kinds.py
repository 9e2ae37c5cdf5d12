"""A deployment on a running emulator, as the tests of the kinds see it, and the sample they are generated from."""

from __future__ import annotations

import json
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import botocore.config
import botocore.session
import yaml

from geopipe_runner.aws import artifact
from geopipe_runner.aws.account import Account
from geopipe_runner.aws.clients import Aws
from geopipe_runner.config import Config, load
from geopipe_runner.deployment import Deployment
from geopipe_runner.jobs.registry import job_of
from geopipe_runner.kinds.base import Artifacts, Observed, Resource
from geopipe_runner.pipeline import execution_input as request
from geopipe_runner.reconcile import plan as planner
from geopipe_runner.reconcile.apply import ChangeResult, Progress, apply, destroy
from geopipe_runner.reconcile.blueprint import Blueprint, build_blueprint
from geopipe_runner.reconcile.model import Plan, PlannedChange
from geopipe_runner.stages.cleanup import GROUPS
from tests.support.paths import ROOT

ACCOUNT = "210987654321"
REGION = "us-west-2"
THROUGH = {"input": "bucket", "log_group": "function", "mapping": "function", "dead_letter_mapping": "function"}
"""What may be without a tag, and by whose tag it is ours then."""


class Hurried:
    """Real time without long sleeps: the emulator's states pass quickly too."""

    def clock(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.01))


def write_config(folder: Path, name: str, url: str | None, **changes: Any) -> Config:
    """A configuration of its own names, with a handler and an input so small that they cost nothing."""
    source = folder / "code"
    source.mkdir(parents=True, exist_ok=True)
    (source / "handler.py").write_text("def lambda_handler(event, context):\n    return {}\n")
    (folder / "points.csv").write_text("Longitude,Latitude\n1,2\n")
    content = {
        "deployment": name,
        "target": "local",
        "endpoint": url,
        "region": REGION,
        "account_id": ACCOUNT,
        "tags": {"team": "maps"},
        "iam": {"lambda_role": f"{name}-lambda", "sagemaker_role": f"{name}-sagemaker"},
        "queue": {"name": f"{name}-queue"},
        "bucket": {"name": f"{name}-bucket"},
        "function": {"name": f"{name}-function", "source": str(source), "environment": {"COLOR": "blue"}},
        "pipeline": {
            "name": f"{name}-pipeline",
            "template": str(ROOT / "pipeline_templates" / "reverse_geocoding.json.j2"),
        },
        "input": {"source": str(folder / "points.csv")},
    }
    for section, values in changes.items():
        present = content.get(section)
        content[section] = {**present, **values} if isinstance(present, dict) else values
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return load(path, {})


def blueprint_of(config: Config, account: Account) -> Blueprint:
    deployment = Deployment(config, account, job_of(config.job).rights)
    built = Artifacts({"function": artifact.build(*config.function.source)}, request.load_definition(deployment))
    return build_blueprint(deployment, built)


@dataclass(frozen=True)
class Sample:
    """One resource of a deployment that is never set up. Tests are generated from it."""

    kind: str
    key: str
    attributes: tuple[str, ...]


def samples() -> tuple[Sample, ...]:
    """Every resource of a deployment, with the top-level attributes that are compared. Nothing is called."""
    with tempfile.TemporaryDirectory() as folder:
        config = write_config(Path(folder), "sample", None)
        resources = blueprint_of(config, Account(ACCOUNT, REGION)).resources
        return tuple(Sample(r.kind.name, r.key, tuple(r.kind.desired(r.spec))) for r in resources)


@dataclass
class Hands:
    """A stranger's clients of the emulator: no guard, no retries."""

    url: str
    session: botocore.session.Session
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict)

    def client(self, service: str, region: str = REGION) -> Any:
        if (service, region) not in self._clients:
            config = botocore.config.Config(proxies={}, s3={"addressing_style": "path"})
            self._clients[service, region] = self.session.create_client(
                service, region_name=region, endpoint_url=self.url, config=config
            )
        return self._clients[service, region]

    def mutating_calls(self) -> dict[str, int]:
        """What callers from outside have changed since `forget_calls`."""
        with urllib.request.urlopen(f"{self.url}/_geopipe/calls", timeout=90) as answer:
            calls = json.load(answer)["external"]
        return {f"{call['service']}:{call['operation']}": call["count"] for call in calls if call["mutating"]}

    def forget_calls(self) -> None:
        request = urllib.request.Request(f"{self.url}/_geopipe/calls", method="DELETE")
        urllib.request.urlopen(request, timeout=90).close()


@dataclass(frozen=True)
class World:
    """One deployment, all of it or some of its resources at a time."""

    aws: Aws
    blueprint: Blueprint
    hands: Hands
    touched: set[str] = field(default_factory=set)
    """The keys of what has been applied."""

    def resource(self, key: str) -> Resource:
        return next(resource for resource in self.blueprint.resources if resource.key == key)

    def closure(self, key: str) -> tuple[str, ...]:
        """The keys `key` needs, directly or not."""
        creation_dependencies = self.resource(key).creation_dependencies
        return tuple(dict.fromkeys(found for need in creation_dependencies for found in (*self.closure(need), need)))

    def some(self, keys: Iterable[str] | None) -> Blueprint:
        wanted = None if keys is None else set(keys)
        found = [r for r in self.blueprint.resources if wanted is None or r.key in wanted]
        return Blueprint(self.blueprint.deployment, self.blueprint.artifacts, tuple(found))

    def seen(self, some: Blueprint) -> Mapping[str, Observed | None]:
        """What is there of these, and of what they may be owned through."""
        keys = {resource.key for resource in some.resources}
        owners = {THROUGH[key] for key in keys if key in THROUGH}
        return planner.observe(self.aws, self.some(keys | owners).resources)

    def plan(self, keys: Iterable[str] | None = None) -> Plan:
        return planner.plan(self.some(keys), self.seen(self.some(keys)))

    def step(self, key: str) -> PlannedChange:
        found = self.plan([key]).step(key)
        assert found is not None
        return found

    def apply(self, keys: Iterable[str] | None = None) -> Plan:
        return self.apply_plan(self.plan(keys))

    def apply_plan(self, made: Plan) -> Plan:
        self.touched.update(step.key for step in made)
        return apply(self.aws, made, lambda _outcome: None, lambda _step: True, Progress())

    def observe(self, key: str) -> Observed | None:
        return planner.observe(self.aws, self.some([key]).resources)[key]

    def destroy(self, keys: Iterable[str] | None = None) -> tuple[ChangeResult, ...]:
        """Delete just these, even if others need them."""
        some = self.some(keys)
        seen = self.seen(some)
        keys = {resource.key for resource in some.resources}
        bare = Blueprint(some.deployment, some.artifacts, tuple(_without_other_needs(r, keys) for r in some.resources))
        made = planner.plan_cleanup(bare, seen, GROUPS)
        return destroy(self.aws, made, lambda _outcome: None, Progress())


def _without_other_needs(resource: Resource, keys: set[str]) -> Resource:
    creation_dependencies = tuple(need for need in resource.creation_dependencies if need in keys)
    return replace(resource, creation_dependencies=creation_dependencies, deletion_dependencies=())
