"""What the unit tests stand on: time that passes when asked, AWS that remembers, and a kind that lives in memory."""

from __future__ import annotations

import dataclasses
import functools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from geopipe_runner.aws.account import Account
from geopipe_runner.config import Config, load
from geopipe_runner.config.model import CleanupItem
from geopipe_runner.deployment import ADOPTED_TAG, OWNER_TAG, Deployment
from geopipe_runner.jobs.registry import job_of
from geopipe_runner.kinds.base import (
    NOTHING_BUILT,
    Artifacts,
    Attributes,
    Change,
    Kind,
    Observed,
    Resource,
)
from geopipe_runner.reconcile.blueprint import Blueprint
from geopipe_runner.reconcile.graph import ordered
from tests.support.paths import ROOT

ACCOUNT_ID = "123456789012"
FUNCTION_ARN = f"arn:aws:lambda:us-west-2:{ACCOUNT_ID}:function:SageMakerExampleFunction"


@functools.cache
def shipped() -> Config:
    """`config/local.yaml` as it is shipped."""
    return load(ROOT / "config" / "local.yaml", {})


def config(**changes: Any) -> Config:
    """The shipped configuration with other values: a section's are given as a mapping of its keys."""
    values = {
        name: dataclasses.replace(getattr(shipped(), name), **value) if isinstance(value, dict) else value
        for name, value in changes.items()
    }
    return dataclasses.replace(shipped(), **values)


def deployment(given: Config | None = None) -> Deployment:
    """`given` in its account, with nothing built."""
    given = given or shipped()
    return Deployment(given, Account(given.account_id, given.region), job_of(given.job).rights)


def answer_error(code: str, message: str = "no", operation: str = "DoIt") -> ClientError:
    """What botocore raises when AWS answers `code`."""
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


@dataclass
class FakeTime:
    """Time passes only by sleeping."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class FakeAws:
    """Just enough of the seam for kinds that live in memory."""

    def __init__(self, things: Mapping[str, Observed] | None = None) -> None:
        self.things: dict[str, Observed] = dict(things or {})
        self.calls: list[str] = []
        self.reading = False
        self.lock = threading.Lock()

    @contextmanager
    def read_only(self) -> Iterator[None]:
        self.reading = True
        try:
            yield
        finally:
            self.reading = False

    def record(self, call: str) -> None:
        assert not self.reading, f"{call} during a plan"
        with self.lock:
            self.calls.append(call)


@dataclass(frozen=True)
class ThingSpec:
    name: str
    attributes: Attributes
    tags: Mapping[str, str] = field(default_factory=lambda: {OWNER_TAG: "local"})
    fails: tuple[str, ...] = ()
    """The verbs that fail."""
    meanwhile: Callable[[str], object] = str


class ThingKind(Kind[ThingSpec]):
    """A kind of resource that exists in a FakeAws only."""

    name = "thing"
    label = "thing"
    permissions = ()

    def resources(self, deployment: Deployment, artifacts: Artifacts) -> Iterator[Resource]:
        yield from ()

    def desired(self, spec: ThingSpec) -> Attributes:
        return spec.attributes

    def observe(self, aws: Any, spec: ThingSpec) -> Observed | None:
        assert aws.reading
        found: Observed | None = aws.things.get(spec.name)
        return found

    def create(self, aws: Any, spec: ThingSpec) -> str:
        self._call(aws, "create", spec)
        aws.things[spec.name] = Observed(f"id-{spec.name}", spec.attributes, spec.tags)
        return f"id-{spec.name}"

    def update(self, aws: Any, spec: ThingSpec, observed: Observed, changes: tuple[Change, ...]) -> None:
        self._call(aws, "update", spec)
        aws.things[spec.name] = dataclasses.replace(observed, attributes=spec.attributes)

    def delete(self, aws: Any, spec: ThingSpec, observed: Observed) -> None:
        self._call(aws, "delete", spec)
        aws.things.pop(spec.name, None)

    def _call(self, aws: Any, verb: str, spec: ThingSpec) -> None:
        spec.meanwhile(verb)
        if verb in spec.fails:
            raise answer_error("Broken", f"cannot {verb} {spec.name}", f"{verb.title()}Thing")
        aws.record(f"{verb} {spec.name}")


THING = ThingKind()


def thing(
    key: str,
    *creation_dependencies: str,
    group: CleanupItem = "queue",
    fails: tuple[str, ...] = (),
    meanwhile: Callable[[str], object] = str,
    **attributes: Any,
) -> Resource:
    """A resource that needs others."""
    return Resource(
        THING, key, key, group, ThingSpec(key, attributes, fails=fails, meanwhile=meanwhile), creation_dependencies
    )


def seen(
    resource: Resource, owner: str | None = "local", owned_by: str = "", adopted: bool = False, **attributes: Any
) -> Observed:
    """The resource as it is there, with other attributes than it should have."""
    there = {**resource.spec.attributes, **attributes}
    return Observed(f"id-{resource.key}", there, tags(owner, adopted), owned_by=owned_by)


def tags(owner: str | None, adopted: bool = False) -> dict[str, str]:
    """The tags that say whose something is."""
    return {**({OWNER_TAG: owner} if owner is not None else {}), **({ADOPTED_TAG: "true"} if adopted else {})}


def blueprint(*resources: Resource) -> Blueprint:
    """Resources of the shipped deployment, ordered."""
    return Blueprint(deployment(), NOTHING_BUILT, ordered(resources))
