"""Layers: zips whose files functions find under /opt."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ...state.records import RecordTables
from .packages import DeploymentPackage

MAX_LAYERS = 5


@dataclass(frozen=True)
class LayerVersion:
    """One version of a layer. A function keeps it also after the layer was deleted."""

    region: str
    name: str
    layer_arn: str
    number: int
    package: DeploymentPackage = field(repr=False)
    description: str = ""
    runtimes: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    license: str = ""
    created: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def arn(self) -> str:
        return f"{self.layer_arn}:{self.number}"


def describe(layer: LayerVersion) -> dict[str, Any]:
    """Return what all responses about a layer's version have in common."""
    description: dict[str, Any] = {
        "LayerVersionArn": layer.arn,
        "Version": layer.number,
        "Description": layer.description,
        "CreatedDate": layer.created.strftime("%Y-%m-%dT%H:%M:%S.") + f"{layer.created.microsecond // 1000:03d}+0000",
    }
    if layer.runtimes:
        description["CompatibleRuntimes"] = list(layer.runtimes)
    if layer.architectures:
        description["CompatibleArchitectures"] = list(layer.architectures)
    if layer.license:
        description["LicenseInfo"] = layer.license
    return description


class LayerStore:
    """All versions of all layers, by region, name and number."""

    def __init__(self, tables: RecordTables | None = None) -> None:
        tables = tables or RecordTables()
        self._lock = threading.RLock()
        self._layers: dict[tuple[str, str, int], LayerVersion] = tables.open(
            "lambda layer", LayerVersion, DeploymentPackage
        )
        # A number is never used again.
        self._last_numbers: dict[tuple[str, str], int] = tables.open("lambda last layer")

    def take_number(self, region: str, name: str) -> int:
        with self._lock:
            number = self._last_numbers[region, name] = self._last_numbers.get((region, name), 0) + 1
            return number

    def add(self, layer: LayerVersion) -> None:
        with self._lock:
            self._layers[layer.region, layer.name, layer.number] = layer

    def find(self, region: str, name: str, number: int) -> LayerVersion | None:
        with self._lock:
            return self._layers.get((region, name, number))

    def remove(self, region: str, name: str, number: int) -> None:
        with self._lock:
            self._layers.pop((region, name, number), None)

    def in_region(self, region: str) -> list[LayerVersion]:
        """Return all versions of all layers, the newest versions first."""
        with self._lock:
            mine = [layer for layer in self._layers.values() if layer.region == region]
        return sorted(mine, key=lambda layer: (layer.name, -layer.number))

    def package(self, sha256: str) -> DeploymentPackage | None:
        """Return the package with this digest, as long as a layer has it."""
        with self._lock:
            packages = (layer.package for layer in self._layers.values())
            return next((package for package in packages if package.sha256 == sha256), None)
