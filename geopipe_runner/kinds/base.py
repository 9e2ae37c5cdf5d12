"""What a resource kind is: the verbs every module in this folder offers, and the data they exchange.

A kind describes what should be (`resources`, `desired`), sees what is (`observe`, reads only), and makes the one into
the other (`create`, `update`, `delete`). `compare` is pure: it sets two trees of normalised attributes side by side.
Whatever a kind puts into `desired` it must be able to mend in `update`; nothing else is compared.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from ..aws.account import Account
from ..aws.artifact import Package
from ..config.model import CleanupItem, Config, RoleConfig

if TYPE_CHECKING:
    from ..aws.clients import Aws

OWNER_TAG = "geopipe:deployment"
"""Carries the deployment's name on everything that is ours."""

ADOPTED_TAG = "geopipe:adopted"
"""Marks what was there before us and was taken over: it survives a clean-up."""

Attributes = Mapping[str, Any]
"""A tree of plain values (dict, list, str, number, bool, None), normalised so that equal means equal."""

MISSING = object()
"""Stands in a Change for "there is no such attribute"."""


@dataclass(frozen=True)
class Change:
    """One attribute that differs: its path (`environment.QUEUE_URL`), what is there, what should be."""

    path: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Observed:
    """What is there. `identity` is its ARN, URL or UUID, `tags` are all it carries."""

    identity: str
    attributes: Attributes
    tags: Mapping[str, str]
    arn: str = ""
    """For kinds whose identity is something else; "" where the identity is the ARN, or nothing has one."""
    through: str = ""
    """The key of the resource it belongs to, and with which it is owned while it has no tag of its own."""
    settled: bool = True
    """Whether it can be used: AWS is not still making or changing it."""

    @property
    def owner(self) -> str | None:
        """The deployment that its own tag names."""
        return self.tags.get(OWNER_TAG)

    @property
    def adopted(self) -> bool:
        """Whether it was there before it became ours."""
        return ADOPTED_TAG in self.tags


@dataclass(frozen=True)
class Resource:
    """One thing that should be.

    `needs` names the keys of what must exist before it, and outlive it; `uses` what need not be there first, but must
    outlive it as well.
    """

    kind: Kind[Any]
    key: str
    name: str
    group: CleanupItem
    spec: Any
    needs: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    also: tuple[CleanupItem, ...] = ()
    """Other groups it goes with: a mapping means nothing without its function, nor without its queue."""

    @property
    def rests_on(self) -> tuple[str, ...]:
        """Everything that must outlive it."""
        return (*self.needs, *self.uses)

    @property
    def groups(self) -> tuple[CleanupItem, ...]:
        """Everything it is cleaned up with."""
        return (self.group, *self.also)


@dataclass(frozen=True)
class Artifacts:
    """What is built locally before anything is planned: the function's zip and the pipeline's definition.

    Both are None where only the identities of resources matter (cleanup).
    """

    package: Package | None = None
    definition: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Deployment:
    """Everything a kind may draw its resources from.

    `found_roles` are the ARNs of managed roles that turned out to be elsewhere than computed (adopted ones keep
    their path), by role name.
    """

    config: Config
    account: Account
    artifacts: Artifacts
    found_roles: Mapping[str, str] = field(default_factory=dict)

    @property
    def tags(self) -> Mapping[str, str]:
        """The user's tags and ours."""
        return {**self.config.tags, OWNER_TAG: self.config.deployment}

    @property
    def iam_path(self) -> str:
        """Where our roles and policies live, so that they can be found without knowing their names."""
        return f"/geopipe/{self.config.deployment}/"

    def role_arn(self, role: RoleConfig) -> str:
        """The ARN of a role: computed for ours, as given for one that we only use."""
        found = self.found_roles.get(role.name)
        return role.arn or found or self.account.iam_arn(f"role{self.iam_path}{role.name}")

    @property
    def lambda_role_arn(self) -> str:
        return self.role_arn(self.config.iam.lambda_role)

    @property
    def sagemaker_role_arn(self) -> str:
        return self.role_arn(self.config.iam.sagemaker_role)

    @property
    def function_arn(self) -> str:
        return self.account.arn("lambda", f"function:{self.config.function.name}")

    @property
    def queue_arn(self) -> str:
        return self.account.arn("sqs", self.config.queue.name)

    @property
    def dead_letter_arn(self) -> str:
        return self.account.arn("sqs", self.config.queue.dead_letter_name)

    @property
    def queue_url(self) -> str:
        return self.account.queue_url(self.config.queue.name)

    @property
    def dead_letter_url(self) -> str:
        return self.account.queue_url(self.config.queue.dead_letter_name)


S = TypeVar("S")


class Kind(ABC, Generic[S]):
    """The verbs. Errors of AWS come out as botocore's; callers say what was being done."""

    name: ClassVar[str]
    label: ClassVar[str]
    """What people call it: "queue", "IAM role"."""

    @abstractmethod
    def resources(self, deployment: Deployment) -> Iterator[Resource]:
        """Every resource of this kind that the deployment has. Pure."""

    @abstractmethod
    def desired(self, spec: S) -> Attributes:
        """What `spec` asks for, in the same normalised form as `Observed.attributes`. Pure."""

    @abstractmethod
    def observe(self, aws: Aws, spec: S) -> Observed | None:
        """What is there, None for nothing. Reads only."""

    def left_behind(self, deployment: Deployment, arn: str) -> Resource | None:
        """The resource behind an ARN that carries our tag or path but is no longer configured; None if of no such
        kind. Its spec needs to be good for `observe` and `delete` only. Pure."""
        return None

    @abstractmethod
    def create(self, aws: Aws, spec: S) -> str:
        """Make it, with our tags from the first moment; answers its identity."""

    @abstractmethod
    def update(self, aws: Aws, spec: S, observed: Observed, changes: tuple[Change, ...]) -> None:
        """Make only the calls that `changes` need."""

    def settle(self, aws: Aws, spec: S, observed: Observed) -> None:
        """Wait until it can be used; only for kinds whose `observe` tells that something is not `settled`."""
        raise NotImplementedError(f"{self.name} has nothing to wait for")

    @abstractmethod
    def delete(self, aws: Aws, spec: S, observed: Observed) -> None:
        """Take it away; being gone already is fine."""

    def compare(self, spec: S, observed: Observed) -> tuple[Change, ...]:
        """Every difference between what is there and what should be. Pure."""
        return tuple(differences(observed.attributes, self.desired(spec)))


def differences(old: Any, new: Any, path: str = "") -> Iterator[Change]:
    """Each path at which two attribute trees differ; a missing side is MISSING."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            below = f"{path}.{key}" if path else str(key)
            yield from differences(old.get(key, MISSING), new.get(key, MISSING), below)
    elif old != new:
        yield Change(path, old, new)


def touches(changes: tuple[Change, ...], *roots: str) -> bool:
    """Whether any of `changes` lies at or below one of the top-level attributes `roots`."""
    return any(change.path.split(".", 1)[0] in roots for change in changes)


def our_tags(wanted: Mapping[str, str], present: Mapping[str, str]) -> dict[str, str]:
    """Those of the tags `present` that `wanted` speaks of: tags of other people are none of our business."""
    return {key: value for key, value in present.items() if key in wanted}


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Tags in the form most services take."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tag_map(tags: list[dict[str, str]]) -> dict[str, str]:
    """Tags from the form most services answer."""
    return {tag["Key"]: tag["Value"] for tag in tags}
