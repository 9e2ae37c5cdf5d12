"""Python: AWS's runtime client on the interpreter of the emulator."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Sequence
from pathlib import Path

_NAME = re.compile(r"python3\.\d{1,2}")
# botocore's enum lists these, but AWS has not created functions on them for years.
_DEAD = frozenset({"python2.7", "python3.6", "python3.7"})


class PythonRuntime:
    names = "python3.x"

    def has(self, name: str) -> bool:
        return name in _DEAD or _NAME.fullmatch(name) is not None

    def problem(self, name: str) -> str:
        if name not in _DEAD:
            return ""
        return (
            f"The runtime parameter of {name} is no longer supported for creating or updating AWS Lambda functions. "
            "We recommend you use a supported runtime while creating or updating functions."
        )

    def difference(self, name: str) -> str:
        host = f"{sys.version_info.major}.{sys.version_info.minor}"
        return "" if name == f"python{host}" else f"Python {host}"

    def program(self, task_root: Path, layers: Path | None) -> Sequence[str] | None:
        return None

    def version(self, name: str) -> str:
        host = f"Python {platform.python_version()} of this machine"
        return f"python:{name.removeprefix('python')} (emulated on {host})"
