"""Narrows what a handler sees: its own folders, boto3 and AWS's runtime, and an environment built from nothing.

This is not isolation. A handler runs as the user of the emulator and can read everything that this user can. Only its
imports and its environment are narrowed: it sees neither the emulator's site-packages nor the emulator's variables.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ...leftovers import remove, sweep, temporary_folder
from ...protocol.errors import ServiceError
from ...service import Credentials
from .store import FunctionRecord

_PATH = "/usr/local/bin:/usr/bin:/bin"
_PREFIX = "geopipe-functions-"
# Seconds that the end of the emulator waits for code that is being unpacked.
_FILLED_WITHIN = 2.0
# An interpreter that reads no environment, no user folder and no site-packages.
_ISOLATED = (sys.executable, "-I", "-S", "-B", "-X", "utf8")
_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
# boto3 and its dependencies, then AWS's runtime and its dependencies. A package must contain everything else.
_VISIBLE_MODULES = (
    "boto3",
    "botocore",
    "s3transfer",
    "jmespath",
    "dateutil",
    "six",
    "urllib3",
    "awslambdaric",
    "runtime_client",
    "simplejson",
    "snapshot_restore_py",
)


class Workspace:
    """The service's temporary folder. A later start removes what a crash left: the name has the process id."""

    def __init__(self, parent: Path | None = None) -> None:
        self._parent = parent
        self._folder: Path | None = None
        self._changed = threading.Condition()
        self._is_closed = False
        self._fillers = 0

    @property
    def folder(self) -> Path:
        if self._folder is None:
            raise RuntimeError("the functions service has not been started")
        return self._folder

    @property
    def runtime_folder(self) -> Path:
        return self.folder / "runtime"

    def open(self) -> None:
        parent = self._parent or temporary_folder()
        sweep(parent, _PREFIX)
        self._folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
        self.runtime_folder.mkdir()
        _link_visible_modules(self.runtime_folder)

    def needs(self, folder: Path) -> bool:
        """Whether a runtime would not find its files if `folder` were another one."""
        modules = [path.resolve() for path in self.runtime_folder.iterdir()]
        prefixes = [Path(prefix).resolve() for prefix in (sys.prefix, sys.base_prefix)]
        node = shutil.which("node")
        needed = [self.folder.resolve(), Path(__file__).resolve(), *prefixes, *modules]
        needed += [Path(node).resolve()] if node else []
        return any(path.is_relative_to(folder.resolve()) for path in needed)

    def close(self) -> None:
        """Remove the folder, after what is being written into it."""
        with self._changed:
            self._is_closed = True
            self._changed.wait_for(lambda: not self._fillers, _FILLED_WITHIN)
        if self._folder is not None:
            remove(self._folder)

    def new_folder(self, name: str) -> Path:
        """Raises OSError: the emulator ends, or the system refuses."""
        with self._changed:
            self._require_open()
            return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))

    @contextmanager
    def filling(self) -> Iterator[None]:
        """Within this block the folder stays, unless the block takes too long. Raises OSError: the emulator ends."""
        with self._changed:
            self._require_open()
            self._fillers += 1
        try:
            yield
        finally:
            with self._changed:
                self._fillers -= 1
                self._changed.notify_all()

    def _require_open(self) -> None:
        if self._is_closed:
            raise OSError("the emulator ends")


def _link_visible_modules(folder: Path) -> None:
    for name in _VISIBLE_MODULES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        origin = Path(spec.origin)
        target = origin.parent if spec.submodule_search_locations else origin
        (folder / target.name).symlink_to(target)


def require_runtime(workspace: Workspace) -> None:
    if not (workspace.runtime_folder / "awslambdaric").exists():
        message = "awslambdaric is not installed, so functions cannot run; install the emulator's requirements"
        raise ServiceError("ServiceException", message, 500)


@dataclass(frozen=True)
class Mounts:
    """What an execution environment sees of the file system instead of the machine's own.

    - `opt` says whether /opt is the folder of the layers.
    - `tmp` says whether /tmp is an empty one of its own, of the size of the function's ephemeral storage.
    """

    opt: bool
    tmp: bool


def find_mounts(workspace: Workspace) -> Mounts | None:
    """Return what can be mounted; None if the system allows no mounts, as in most containers and outside Linux.

    A folder that the runtime itself lies in stays as it is.
    """
    if not can_mount():
        return None
    return Mounts(*(Path(folder).is_dir() and not workspace.needs(Path(folder)) for folder in ("/opt", "/tmp")))


@functools.cache
def can_mount() -> bool:
    """Return whether the system allows mounts. Only an attempt in a process of its own shows that."""
    if sys.platform != "linux":
        return False
    result = subprocess.run([*_ISOLATED, str(_BOOTSTRAP), "probe"], capture_output=True, check=False)
    return result.returncode == 0


def command(
    workspace: Workspace,
    lifeline: int,
    program: Sequence[str] | None,
    task_root: Path,
    layers: Path | None,
    mounts: Mounts | None,
    tmp_megabytes: int,
) -> list[str]:
    """Return the command that starts the environment; bootstrap.py says what the plan means."""
    mounted = mounts and {
        "read_only": [str(folder) for folder in (task_root, layers) if folder],
        "opt": str(layers) if layers and mounts.opt else None,
        "tmp_megabytes": tmp_megabytes if mounts.tmp else None,
    }
    plan = {"runtime_folder": str(workspace.runtime_folder), "program": program, "mounts": mounted}
    return [*_ISOLATED, str(_BOOTSTRAP), str(lifeline), json.dumps(plan)]


def environment(
    function: FunctionRecord,
    *,
    task_root: Path,
    layers: Path | None,
    mounts: Mounts | None,
    scratch: Path,
    runtime_api: str,
    endpoint_url: str,
    log_stream: str,
    credentials: Credentials,
) -> dict[str, str]:
    """Return all variables: AWS's, ours that keep the function on this machine, and the function's own."""
    configuration = function.configuration
    region = function.key.region
    aws = {
        "AWS_LAMBDA_FUNCTION_NAME": function.key.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(configuration.memory_size),
        "AWS_LAMBDA_FUNCTION_VERSION": function.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_LOG_FORMAT": configuration.logging.get("LogFormat", "Text"),
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{configuration.runtime}",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_SESSION_TOKEN": credentials.session_token,
        "LAMBDA_TASK_ROOT": str(task_root),
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "_HANDLER": configuration.handler,
        "TZ": ":UTC",
        "LANG": "en_US.UTF-8",
        "PATH": _PATH,
    }
    if "ApplicationLogLevel" in configuration.logging:
        aws["AWS_LAMBDA_LOG_LEVEL"] = configuration.logging["ApplicationLogLevel"]
    home = "/tmp" if mounts and mounts.tmp else str(scratch)
    opt = Path("/opt") if layers and mounts and mounts.opt else layers
    ours = {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(scratch / "no-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(scratch / "no-credentials"),
        "NO_PROXY": "*",
        "HOME": home,
        "TMPDIR": home,
    }
    own = dict(configuration.environment or {})
    return ours | own | aws | _search_paths(configuration.runtime, task_root, opt, own)


def _search_paths(runtime: str, task_root: Path, layers: Path | None, own: Mapping[str, str]) -> dict[str, str]:
    """Return the variables through which programs find the files of layers, with the function's own values first."""
    libraries = [task_root, task_root / "lib"]
    if layers is None:
        return {"LD_LIBRARY_PATH": _joined(own.get("LD_LIBRARY_PATH"), *libraries)}
    python, node = layers / "python", layers / "nodejs"
    return {
        "PATH": _joined(_PATH, layers / "bin"),
        "LD_LIBRARY_PATH": _joined(own.get("LD_LIBRARY_PATH"), *libraries, layers / "lib"),
        "PYTHONPATH": _joined(own.get("PYTHONPATH"), python / "lib" / runtime / "site-packages", python),
        "NODE_PATH": _joined(
            own.get("NODE_PATH"), node / runtime.removesuffix(".x") / "node_modules", node / "node_modules"
        ),
    }


def _joined(*entries: str | Path | None) -> str:
    return os.pathsep.join(str(entry) for entry in entries if entry)
