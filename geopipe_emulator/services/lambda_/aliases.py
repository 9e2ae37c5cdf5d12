"""Aliases: names of a function's versions. Invocations through an alias can be split between two versions."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...state.records import RecordTables
from .names import LATEST, FunctionKey, FunctionName
from .store import FunctionRecord, FunctionStore


@dataclass(frozen=True)
class Alias:
    """`weights` says which share of the invocations, 0 to 1, another version gets."""

    function_key: FunctionKey
    arn: str
    name: str
    version: str
    description: str = ""
    weights: Mapping[str, float] = field(default_factory=dict)
    revision_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def versions(self) -> set[str]:
        return {self.version, *self.weights}


def describe(alias: Alias) -> dict[str, Any]:
    """Return an AliasConfiguration as boto3 does."""
    description: dict[str, Any] = {
        "AliasArn": alias.arn,
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision_id,
    }
    if alias.weights:
        description["RoutingConfig"] = {"AdditionalVersionWeights": dict(alias.weights)}
    return description


class AliasStore:
    """All aliases, and the versions that qualifiers stand for. It shares the lock of the functions."""

    def __init__(
        self, functions: FunctionStore, chance: Callable[[], float] = random.random, tables: RecordTables | None = None
    ) -> None:
        self.lock = functions.lock
        self._functions = functions
        self._chance = chance
        self._aliases: dict[tuple[FunctionKey, str], Alias] = (tables or RecordTables()).open(
            "lambda alias", FunctionKey, Alias
        )

    def get(self, key: FunctionKey, name: str) -> Alias | None:
        with self.lock:
            return self._aliases.get((key, name))

    def put(self, alias: Alias) -> None:
        with self.lock:
            self._aliases[alias.function_key, alias.name] = alias

    def remove(self, key: FunctionKey, name: str) -> None:
        with self.lock:
            self._aliases.pop((key, name), None)

    def of(self, key: FunctionKey) -> list[Alias]:
        with self.lock:
            return [alias for (function, _), alias in self._aliases.items() if function == key]

    def find(self, name: FunctionName) -> FunctionRecord | None:
        """Return the version that a name stands for; the main one of an alias."""
        return self._version(name, lambda alias: alias.version)

    def choose(self, name: FunctionName) -> FunctionRecord | None:
        """Return the version that runs the next invocation of a name."""
        return self._version(name, self._weighted)

    def _version(self, name: FunctionName, choose: Callable[[Alias], str]) -> FunctionRecord | None:
        version = name.qualifier or LATEST
        with self.lock:
            alias = self._aliases.get((name.key, version))
            return self._functions.find(name.key.at(choose(alias) if alias else version))

    def _weighted(self, alias: Alias) -> str:
        chance = self._chance()
        for version, weight in alias.weights.items():
            if chance < weight:
                return version
            chance -= weight
        return alias.version
