"""What each of several configurations claims for itself, found without a call.

Two deployments that claim one resource would change it back and forth, and the clean-up of one would delete what the
other needs. Derived names count as much as written ones.
"""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from ..aws.account import Account, partition_of
from ..config.model import Config
from ..deployment import Deployment
from ..errors import UsageError
from ..jobs.registry import job_of
from ..kinds.base import Resource
from ..reconcile.blueprint import build_blueprint

# More than this is a list that no one reads.
_MOST_PAIRS = 10
_MOST_NAMES = 4
# The label of a claim that is no resource.
_NAME = "deployment"

World = tuple[str, ...]
"""Where resources are kept. The same names in different worlds are different resources."""


@dataclass(frozen=True)
class Claim:
    """One physical name of one kind, in the part of AWS where there can be only one of it."""

    account_id: str
    """"" for a name that all accounts share."""
    region: str
    """"" for a name that all regions share."""
    label: str
    name: str

    def __str__(self) -> str:
        return f"{self.label} {self.name}"


@dataclass(frozen=True)
class Claimant:
    """A configuration, and how messages name it."""

    title: str
    config: Config


def find_worlds(claimants: Sequence[Claimant]) -> list[World]:
    """Returns where each configuration keeps its resources.

    Those that start an emulator share one if its settings are the same, and none claims what another one does.

    Raises:
        UsageError: two configurations claim the same resource, or need two emulators that keep their accounts in one
            folder.
    """
    worlds: list[World] = []
    taken: dict[World, list[tuple[Claimant, frozenset[Claim]]]] = defaultdict(list)
    for claimant, claims in zip(claimants, _all_claims([claimant.config for claimant in claimants]), strict=True):
        world = _world(claimant.config)
        if claimant.config.forgets:
            number = 0
            while any(claims & others for _, others in taken[*world, str(number)]):
                number += 1
            world = (*world, str(number))
        worlds.append(world)
        taken[world].append((claimant, claims))
    _refuse_conflicts(list(taken.values()))
    _refuse_shared_folders(claimants, worlds)
    return worlds


def _world(config: Config) -> World:
    if not config.embedded:
        return (config.endpoint or partition_of(config.region).name,)
    # Regions are kept apart by the emulator itself.
    return config.account_id, json.dumps(dataclasses.asdict(config.emulator), default=str, sort_keys=True)


def _all_claims(configs: Sequence[Config]) -> Iterator[frozenset[Claim]]:
    """Yields what each configuration claims, its name included.

    A name has to differ from the others of its account and region, because everything that carries it as a tag belongs
    to it. IAM has no regions: the name has to differ in the whole account if a deployment of it has roles or policies.
    """
    found = [[*_claims(config)] for config in configs]
    in_iam = {
        (config.account_id, config.deployment)
        for config, claims in zip(configs, found, strict=True)
        if any(claim.account_id and not claim.region for claim in claims)
    }
    for config, claims in zip(configs, found, strict=True):
        region = "" if (config.account_id, config.deployment) in in_iam else config.region
        yield frozenset([Claim(config.account_id, region, _NAME, config.deployment), *claims])


def _claims(config: Config) -> Iterator[Claim]:
    account = Account(config.account_id, config.region, config.endpoint)
    blueprint = build_blueprint(Deployment(config, account, job_of(config.job).rights))
    for resource in blueprint.resources:
        if not resource.is_used and not resource.may_be_others:
            yield _claim(account, resource)


def _claim(account: Account, resource: Resource) -> Claim:
    scope = resource.kind.scope
    return Claim(
        "" if scope == "everywhere" else account.account_id,
        account.region if scope == "region" else "",
        resource.kind.label,
        resource.name,
    )


def _refuse_conflicts(groups: Sequence[Sequence[tuple[Claimant, frozenset[Claim]]]]) -> None:
    lines = []
    for group in groups:
        for (first, claims), (second, others) in combinations(group, 2):
            if shared := sorted(claims & others, key=lambda claim: (claim.label != _NAME, str(claim))):
                lines.append(f"  {first.title} and {second.title}: {_describe(shared, first.config)}")
    if not lines:
        return
    if len(lines) > _MOST_PAIRS:
        lines = [*lines[:_MOST_PAIRS], f"  and {len(lines) - _MOST_PAIRS} more pairs"]
    raise UsageError(
        "\n".join(["Nothing was done, because these configurations claim the same resources:", *lines]),
        "Give one of each pair other names, such as another `deployment`, or leave one out.",
    )


def _refuse_shared_folders(claimants: Sequence[Claimant], worlds: Sequence[World]) -> None:
    """Refuse two emulators for one state folder: the second one could not start."""
    first: dict[Path, tuple[Claimant, World]] = {}
    for claimant, world in zip(claimants, worlds, strict=True):
        config = claimant.config
        if not config.embedded or config.emulator.state_dir is None:
            continue
        other, its_world = first.setdefault(config.emulator.state_dir.resolve(), (claimant, world))
        if its_world != world:
            is_same_account = other.config.account_id == config.account_id
            what = "different settings in `emulator`" if is_same_account else "different accounts"
            raise UsageError(
                f"Nothing was done, because {other.title} and {claimant.title} have the same `emulator.state_dir`, but "
                f"{what}.",
                "Give each a folder of its own, such as `.geopipe/${account_id}` or `.geopipe/${deployment}`.",
            )


def _describe(claims: Sequence[Claim], config: Config) -> str:
    names = ", ".join(map(str, claims[:_MOST_NAMES]))
    more = f" and {len(claims) - _MOST_NAMES} more" if len(claims) > _MOST_NAMES else ""
    regions = {claim.region for claim in claims}
    where = f"in account {config.account_id}" if any(claim.account_id for claim in claims) else "in all accounts"
    return f"{names}{more} {where}, {config.region if any(regions) else 'in every region'}"
