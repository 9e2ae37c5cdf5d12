"""What a resource kind is: the verbs that every module in this folder offers, and the data they exchange.

A kind describes what should exist (`resources`, `desired`), reads what exists (`observe`), and turns the one into the
other (`create`, `update`, `delete`). `compare` is pure: it compares two trees of normalized attributes. Everything in
`desired` must be something that `update` can set; nothing else is compared.

Everything that the rest of the program has to know about a kind is an attribute or a small method of its class, so a
new kind is its module, its line in `KINDS`, and its configuration key.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

from ..aws.artifact import Package
from ..config.model import CleanupItem, Config
from ..deployment import ADOPTED_TAG, OWNER_TAG, Deployment, NamedResource

if TYPE_CHECKING:
    from ..aws.account import Account
    from ..aws.clients import Aws

Attributes = Mapping[str, Any]
"""A tree of plain values (dict, list, str, number, bool, None), normalized so that `==` compares meanings."""

MISSING = object()
"""The value in a Change of an attribute that does not exist."""


@dataclass(frozen=True)
class Change:
    """One attribute that differs: its path (`environment.QUEUE_URL`), its value in AWS, and the desired value."""

    path: str
    old: Any
    new: Any


@dataclass(frozen=True)
class Observed:
    """A resource as AWS has it. `identity` is its ARN, URL or UUID; `tags` are all of its tags."""

    identity: str
    attributes: Attributes
    tags: Mapping[str, str]
    arn: str = ""
    """Its ARN, if `identity` is something else and it has one."""
    owned_by: str = ""
    """The key of the resource through which it is owned while it has no ownership tag of its own."""
    ready: bool = True
    """Whether it can be used: AWS is not still creating or changing it."""
    is_readable: bool = True
    """False for what is only used, and what the caller may not read: nothing is known of it."""
    unique_id: str = ""
    """AWS's id of a role. A role that was deleted and created again has the same ARN, but another id."""

    @property
    def owner(self) -> str | None:
        """Returns the deployment that its ownership tag names."""
        return self.tags.get(OWNER_TAG)

    @property
    def adopted(self) -> bool:
        """Whether it existed before it became ours."""
        return ADOPTED_TAG in self.tags


@dataclass(frozen=True)
class Resource:
    """One resource that should exist.

    `creation_dependencies` are the keys of resources that must exist before it. `deletion_dependencies` may be created
    later. All of them must outlive it.
    """

    kind: Kind[Any]
    key: str
    name: str
    group: CleanupItem
    spec: Any
    creation_dependencies: tuple[str, ...] = ()
    deletion_dependencies: tuple[str, ...] = ()
    cleanup_groups: tuple[CleanupItem, ...] = ()
    """Other groups it is deleted with: a mapping means nothing without its function, nor without its queue."""
    section: str = ""
    """Where the transcript shows it; "" for the section of its group."""
    is_used: bool = False
    """Whether others make it, and it is only used: read and checked, and never changed, tagged, adopted or deleted."""
    named_by: str = ""
    """What names it, if only the definition of the pipeline does."""
    may_be_others: bool = False
    """Whether one that others have made is used in place of ours."""

    @property
    def dependencies(self) -> tuple[str, ...]:
        """Returns the keys of everything that must outlive it."""
        return (*self.creation_dependencies, *self.deletion_dependencies)

    @property
    def groups(self) -> tuple[CleanupItem, ...]:
        """Returns all groups that it is deleted with."""
        return (self.group, *self.cleanup_groups)

    def is_main_of(self, group: CleanupItem) -> bool:
        """Whether the group is named after it: `queue`, and one of several such as `queue.approvals`."""
        return self.key.partition(".")[0] == group


@dataclass(frozen=True)
class Artifacts:
    """What is built locally before anything is planned: the functions' zips, the pipeline's definition, the input.

    There are none of them where only the identities of resources matter (cleanup).
    """

    packages: Mapping[str, Package] = field(default_factory=dict)
    """By the keys that the functions have in the configuration."""
    definition: Mapping[str, Any] | None = None
    named: tuple[NamedResource, ...] = ()
    """What the definition names, and neither this deployment nor its configuration has."""
    input: Path | None = None
    """The local file to upload: the configured one, or its conversion."""
    notes: tuple[str, ...] = ()
    """What a plan says about all this."""
    cost_question: str = ""
    """What the run costs, where a person has to confirm that; "" where no one has to."""


NOTHING_BUILT = Artifacts()


@dataclass(frozen=True)
class Section:
    """A heading of the setup transcript.

    A resource belongs to the section that has the name of its cleanup group, unless it names another one.
    """

    name: str
    heading: str
    block: int
    """Sections of one block stand together; blocks follow each other in the order of their numbers."""


Scope = Literal["region", "account", "everywhere"]
"""A region of an account, an account with all its regions, or all accounts."""

Paint = Literal["plain", "pipeline", "function", "queue", "store", "rights"]
"""The color family of a kind in the pictures of the documentation."""

Shape = Literal["box", "inside", "arrow"]
"""How the pictures draw a kind: as a box, inside the box of its only dependency, or as an arrow from its second
dependency to its first."""

S = TypeVar("S")


class Kind(ABC, Generic[S]):
    """The verbs, and what the rest of the program has to know. AWS's errors are raised as botocore's."""

    name: ClassVar[str]
    label: ClassVar[str]
    """What people call it: "queue", "IAM role"."""

    permissions: ClassVar[tuple[str, ...]]
    """The IAM actions that the caller needs for the verbs below."""
    scope: ClassVar[Scope] = "region"
    """Where there can be only one resource of a name."""
    is_role: ClassVar[bool] = False
    """Whether other resources name it by an ARN that only AWS knows once the resource is adopted."""
    changes_rights: ClassVar[bool] = False
    """Whether a change of it takes time to be known everywhere in AWS."""
    has_executions: ClassVar[bool] = False
    """Whether executions must be stopped before it is deleted, because they would be deleted with it."""
    serves_executions: ClassVar[bool] = False
    """Whether executions fail without it, so that they are stopped before it is deleted."""
    holds_lock: ClassVar[bool] = False
    """Whether the lock of the deployment lies in it: it is created first, and deleted after everything else."""
    deletion_takes_time: ClassVar[bool] = False
    """Whether `delete` only begins a deletion, and `wait_until_gone` waits for its end."""
    shapes_results: ClassVar[bool] = False
    """Whether an execution started before a change of it is not the same work any more."""
    asks_before_update: ClassVar[bool] = False
    """Whether a person is asked before an update."""
    search_permission: ClassVar[str] = ""
    """The IAM action of `search`, for kinds that the tagging API does not know."""
    emulator_pages: ClassVar[str] = ""
    """Where the emulator's console has a page for each of them, such as `queues`; "" for nowhere."""
    paint: ClassVar[Paint] = "plain"
    shape: ClassVar[Shape] = "box"

    @abstractmethod
    def resources(self, deployment: Deployment, artifacts: Artifacts) -> Iterator[Resource]:
        """Yield every resource of this kind that the deployment has. Pure."""

    @abstractmethod
    def desired(self, spec: S) -> Attributes:
        """Returns what `spec` asks for, in the normalized form of `Observed.attributes`. Pure."""

    @abstractmethod
    def observe(self, aws: Aws, spec: S) -> Observed | None:
        """Returns the resource as AWS has it, or None if it does not exist. Reads only."""

    def orphan_from_arn(self, deployment: Deployment, arn: str) -> Resource | None:
        """Returns the resource of an ARN that carries our tag or path but is not configured any more.

        None for an ARN of another kind. The spec only has to serve `observe` and `delete`. Pure.
        """
        return None

    def search(self, aws: Aws, path: str) -> Iterator[str]:
        """Yield the ARNs of everything of this kind below `path`, where the tagging API does not. Reads only."""
        yield from ()

    def sections(self, config: Config) -> Iterator[Section]:
        """Yield the headings that this kind adds to the transcript. Pure."""
        yield from ()

    def warnings(self, spec: S) -> Iterator[str]:
        """Yield what a plan warns about. Pure."""
        yield from ()

    def obstacles(self, spec: S, seen: Mapping[str, Observed | None]) -> Iterator[str]:
        """Yield why it cannot be made, or cannot be used as it is, given all resources by their keys. Pure."""
        yield from ()

    def arn(self, account: Account, resource: Resource) -> str:
        """Returns the ARN that a resource has or will have; "" where only AWS knows it. Pure."""
        return ""

    def console_page(self, account: Account, resource: Resource) -> str:
        """Returns the page of a resource in AWS's console, below the console's address; "" if there is none. Pure."""
        return ""

    def describe_result(self, resource: Resource, identity: str, result: str) -> str:
        """Returns the line of the transcript for a resource that is now `result` ("created", "unchanged")."""
        return f"{self.label[0].upper()}{self.label[1:]} {resource.name}: {result}."

    def describe_deletion(self, resource: Resource) -> str:
        """Returns what cleanup asks about: `Delete queue <URL>`."""
        return f"Delete {self.label} {resource.name}"

    @abstractmethod
    def create(self, aws: Aws, spec: S) -> str:
        """Create it, with our tags from the first moment, and return its identity."""

    def finish_creation(self, aws: Aws, spec: S) -> None:
        """Do what is left after `create`. Where it holds the lock, only what depends on it waits for this."""

    @abstractmethod
    def update(self, aws: Aws, spec: S, observed: Observed, changes: tuple[Change, ...]) -> None:
        """Make only the calls that `changes` need. Attributes that we do not manage stay as they are."""

    def wait_until_ready(self, aws: Aws, spec: S, observed: Observed) -> None:
        """Wait until it can be used. Only for kinds whose `observe` returns resources that are not `ready`."""
        raise NotImplementedError(f"a {self.label} is ready immediately")

    def prepare_deletion(self, aws: Aws, spec: S, observed: Observed) -> None:
        """Remove what it holds. Only for a kind that holds the lock: its `delete` comes last."""
        raise NotImplementedError(f"a {self.label} is deleted in one step")

    @abstractmethod
    def delete(self, aws: Aws, spec: S, observed: Observed) -> None:
        """Delete it. A resource that does not exist any more is fine."""

    def wait_until_gone(self, aws: Aws, spec: S) -> None:
        """Wait until a deletion has ended. Only for a kind whose `deletion_takes_time`."""
        raise NotImplementedError(f"a {self.label} is gone immediately")

    def compare(self, spec: S, observed: Observed) -> tuple[Change, ...]:
        """Returns every difference between the resource in AWS and the desired one. Pure."""
        return tuple(differences(observed.attributes, self.desired(spec)))


def differences(old: Any, new: Any, path: str = "") -> Iterator[Change]:
    """Yield each path at which two attribute trees differ. A missing side is MISSING."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            below = f"{path}.{key}" if path else str(key)
            yield from differences(old.get(key, MISSING), new.get(key, MISSING), below)
    elif old != new:
        yield Change(path, old, new)


def touches(changes: tuple[Change, ...], *roots: str) -> bool:
    """Whether any of `changes` lies at or below one of the top-level attributes `roots`."""
    return any(change.path.split(".", 1)[0] in roots for change in changes)


def our_tags(desired: Mapping[str, str], present: Mapping[str, str]) -> dict[str, str]:
    """Returns those of the tags `present` whose keys are in `desired`. We do not manage the others."""
    return {key: value for key, value in present.items() if key in desired}


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Returns tags in the form that most services accept."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tag_map(tags: list[dict[str, str]]) -> dict[str, str]:
    """Returns tags from the form that most services return."""
    return {tag["Key"]: tag["Value"] for tag in tags}
