"""Builds the wheel and installs it into a fresh environment without a network.

The tests run with loopback only, so pip cannot download anything. It installs our wheel with `--no-deps`, and the
distributions that the wheel's metadata asks for are linked from the environment that runs the tests. Nothing else is
linked: a requirement that pyproject.toml does not declare is missing in the fresh environment.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from collections.abc import Iterable
from importlib.metadata import Distribution, PathDistribution, distribution
from pathlib import Path
from zipfile import Path as ZipPath

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.paths import ROOT


def build_wheel(folder: Path) -> Path:
    """Builds the wheel of this checkout into `folder`."""
    _run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], ROOT)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, extras: Iterable[str], folder: Path) -> Path:
    """Makes an environment with the wheel and its requirements, and returns the folder of its commands."""
    venv.create(folder, with_pip=False)
    commands = folder / "bin"
    _run([sys.executable, "-m", "pip", "--python", folder, "install", "--quiet", "--no-index", "--no-deps", wheel])
    (site_packages,) = folder.glob("lib/python*/site-packages")
    for required in _requirements(_metadata_of(wheel), {*extras, ""}).values():
        for name in {file.parts[0] for file in required.files or ()} - {"..", "__pycache__"}:
            (site_packages / name).symlink_to(Path(str(required.locate_file(name))))
    return commands


def _metadata_of(wheel: Path) -> Distribution:
    (info,) = [entry for entry in ZipPath(wheel).iterdir() if entry.name.endswith(".dist-info")]
    return PathDistribution(info)


def _requirements(wheel: Distribution, extras: set[str]) -> dict[str, Distribution]:
    """Returns everything that the wheel with these extras needs, by normalized name."""
    found: dict[str, Distribution] = {}
    to_read = [(wheel, frozenset(extras))]
    read = set()
    while to_read:
        parent, chosen = to_read.pop()
        for requirement in map(Requirement, parent.requires or ()):
            marker = requirement.marker
            if marker is not None and not any(marker.evaluate({"extra": extra}) for extra in chosen):
                continue
            name = canonicalize_name(requirement.name)
            if (name, frozenset(requirement.extras)) in read:
                continue
            read.add((name, frozenset(requirement.extras)))
            found[name] = distribution(requirement.name)
            to_read.append((found[name], frozenset({*requirement.extras, ""})))
    return found


def _run(command: list[str | Path], folder: Path | None = None) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
