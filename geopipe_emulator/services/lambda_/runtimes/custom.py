"""OS-only runtimes: the function brings an executable `bootstrap`, as compiled languages do."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path


class CustomRuntime:
    names = "provided.al2023"

    def has(self, name: str) -> bool:
        return name in ("provided.al2023", "provided.al2")

    def problem(self, name: str) -> str:
        return ""

    def difference(self, name: str) -> str:
        return ""

    def program(self, task_root: Path, layers: Path | None) -> Sequence[str]:
        """The bootstrap of the function, else of a layer. If there is none, the start fails as on AWS."""
        candidates = [folder / "bootstrap" for folder in (task_root, layers) if folder is not None]
        return [str(next((path for path in candidates if path.is_file()), candidates[0]))]

    def version(self, name: str) -> str:
        host = f"{platform.system()} {platform.release()} of this machine"
        return f"provided:{name.removeprefix('provided.')} (emulated on {host})"
