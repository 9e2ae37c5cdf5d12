"""Wheels as small as pip takes them."""

from __future__ import annotations

import zipfile
from pathlib import Path


def write_wheel(folder: Path, name: str, tag: str = "py3-none-any", version: str = "1.0", text: str = "") -> Path:
    """Write a wheel with one module and one start script."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": f"TAG = {tag!r}\n{text}",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{name}-tool = {name}:main\n",
    }
    files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, content in files.items():
            archive.writestr(file, content)
    return path


def pip_with_only(wheels: Path, cache: Path) -> dict[str, str]:
    """Returns an environment in which pip has the wheels of a folder and no index, and geopipe an empty cache.

    Tests see no network, and what an earlier run left in the user's cache must not decide.
    """
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels), "PIP_CONFIG_FILE": "/dev/null"}
    return {**pip, "XDG_CACHE_HOME": str(cache)}
