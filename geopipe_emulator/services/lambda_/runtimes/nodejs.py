"""Node.js: our own runtime client on the machine's `node`."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from ....protocol.errors import ServiceError

_NAME = re.compile(r"nodejs(\d{2})\.x")
_CLIENT = Path(__file__).with_name("nodejs_client.mjs")
# The client needs fs.statSync with throwIfNoEntry and other functions of this version.
_OLDEST = 18
_SECONDS = 20.0


class NodeRuntime:
    names = "nodejs20.x and later"

    def has(self, name: str) -> bool:
        match = _NAME.fullmatch(name)
        return match is not None and int(match[1]) >= 20

    def problem(self, name: str) -> str:
        if shutil.which("node") is None:
            return f"Runtime {name} needs the program node on the PATH of the emulator"
        version = _host_version()
        if int(version.lstrip("v").partition(".")[0] or 0) < _OLDEST:
            return f"Runtime {name} needs Node.js {_OLDEST} or later; this machine has {version or 'none that starts'}"
        return ""

    def difference(self, name: str) -> str:
        version = _host_version()
        return "" if version.startswith(f"v{name[6:8]}.") else f"Node.js {version}"

    def program(self, task_root: Path, layers: Path | None) -> Sequence[str]:
        node = shutil.which("node")
        if node is None:
            raise ServiceError("ServiceException", "The program node has disappeared from the PATH", 500)
        return [node, str(_CLIENT)]

    def version(self, name: str) -> str:
        return f"nodejs:{name.removeprefix('nodejs')[:2]} (emulated on Node.js {_host_version()} of this machine)"


@functools.cache
def _host_version() -> str:
    """Return what `node --version` prints, such as v20.20.2; "" if it does not start."""
    try:
        result = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return result.stdout.strip()
