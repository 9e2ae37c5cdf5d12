"""Finds the files that come with geopipe and are not Python modules of it: Lambda code, template, sample data.

In a checkout they lie in top-level folders. The wheel carries copies of them inside this package, in `files/`
(`force-include` in pyproject.toml).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def own_folder() -> Path:
    """Returns the folder that holds `lambda/`, `pipeline_templates/` and `resources/`."""
    packaged = _HERE / "files"
    return packaged if packaged.is_dir() else _HERE.parent


def package_folder(name: str) -> Path:
    """Returns the folder of an installed package, without importing it."""
    package = importlib.util.find_spec(name)
    assert package is not None and package.submodule_search_locations is not None, f"{name} is not installed"
    return Path(package.submodule_search_locations[0])
