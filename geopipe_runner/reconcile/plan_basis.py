"""What a plan was made from, so that a saved plan is applied only while all of it is the same.

A fingerprint stands for each attribute of a resource, as it should be and as it is. Secrets are not in them: a short
secret could be guessed from its fingerprint. All secrets together have one, with a salt, which is slow to compute.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..config.model import Config
from ..config.origins import values_with_origins
from ..hidden_values import HIDDEN, is_secret_name, is_secret_value
from ..kinds.base import MISSING
from .model import Action, Plan, PlannedChange

_DIGITS = 16
# About 0.1 s and 32 MB for each guess.
_SCRYPT = {"n": 2**15, "r": 8, "p": 1, "maxmem": 64 * 2**20}

Fingerprints = Mapping[str, str]


@dataclass(frozen=True)
class ResourceBasis:
    """The fingerprints of one resource: of what the plan wants, and of what exists. Both by attribute."""

    desired: Fingerprints
    present: Fingerprints


@dataclass(frozen=True)
class PlanBasis:
    """What a plan was made from. `hidden` are the values that no document may show."""

    values: Mapping[str, Any]
    """The values of the configuration that are not defaults, by key."""
    resources: Mapping[str, ResourceBasis]
    hidden: str

    @property
    def configuration_sha256(self) -> str:
        """The fingerprint of the configuration as it applies, its defaults and secrets left out."""
        return hashlib.sha256(_canonical(self.values)).hexdigest()

    def hidden_digest(self, salt: bytes) -> str:
        """Returns the fingerprint of all secrets."""
        return hashlib.scrypt(self.hidden.encode(), salt=salt, dklen=32, **_SCRYPT).hex()


def basis_of(config: Config, plan: Plan) -> PlanBasis:
    """Returns what `plan` was made from."""
    hidden: list[Any] = [sorted(config.secrets)]
    resources = {step.key: _resource(step, hidden) for step in plan}
    entries = values_with_origins(config.document)
    values = {entry.key: entry.value for entry in entries if entry.origin != "default"}
    return PlanBasis(values, resources, _canonical(hidden).decode())


def _resource(step: PlannedChange, hidden: list[Any]) -> ResourceBasis:
    resource, observed = step.resource, step.observed
    # The specification of an orphan, or of what is only used, says no more than where it is.
    is_identity = resource.is_used or step.action is Action.ORPHAN
    desired = {} if is_identity else resource.kind.desired(resource.spec)
    present: Mapping[str, Any] = {}
    if observed is not None:
        facts = {"identity": observed.identity, "owner": [observed.owner, observed.adopted]}
        present = {**observed.attributes, **facts}
    concealed = {
        name: _conceal(name, desired.get(name, MISSING), present.get(name, MISSING), hidden)
        for name in sorted({*desired, *present})
    }
    return ResourceBasis(
        {name: _fingerprint(sides[0]) for name, sides in concealed.items() if sides[0] is not MISSING},
        {name: _fingerprint(sides[1]) for name, sides in concealed.items() if sides[1] is not MISSING},
    )


def _conceal(name: str, desired: Any, present: Any, hidden: list[Any]) -> tuple[Any, Any]:
    """Returns both sides of an attribute without their secrets, and adds those to `hidden`.

    A secret on one side hides the other one, which is an earlier value of it.
    """
    if is_secret_name(name) or not (_is_tree(desired) and _is_tree(present)):
        if not (is_secret_name(name) or is_secret_value(desired) or is_secret_value(present)):
            return desired, present
        hidden.append([name, *(None if side is MISSING else side for side in (desired, present))])
        return MISSING if desired is MISSING else HIDDEN, MISSING if present is MISSING else HIDDEN
    left, right = {}, {}
    old, new = ({} if side is MISSING else side for side in (desired, present))
    for key in sorted({*old, *new}):
        left[key], right[key] = _conceal(str(key), old.get(key, MISSING), new.get(key, MISSING), hidden)
    return (
        MISSING if desired is MISSING else {key: value for key, value in left.items() if value is not MISSING},
        MISSING if present is MISSING else {key: value for key, value in right.items() if value is not MISSING},
    )


def _is_tree(side: Any) -> bool:
    return side is MISSING or isinstance(side, Mapping)


def _fingerprint(value: Any) -> str:
    return hashlib.sha256(_canonical(value)).hexdigest()[:_DIGITS]


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, default=str).encode()
