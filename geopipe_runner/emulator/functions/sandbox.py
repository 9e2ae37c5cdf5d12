"""What a worker may see: folders of its own, boto3's tree beside AWS's runtime, and an environment made from scratch.

Nothing of the emulator's own environment, site-packages or home folder reaches a handler.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import sys
import tempfile
from pathlib import Path

from ..errors import ServiceError
from ..service import Credentials
from .names import LATEST
from .store import Function

_PREFIX = "geopipe-functions-"
# boto3 with all it needs, then AWS's runtime with all it needs. What is not here, a package must bring along.
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
    """The service's temporary folder, named by process id so that a later start can sweep what a crash left."""

    def __init__(self, parent: Path | None = None) -> None:
        self._parent = parent
        self._folder: Path | None = None

    @property
    def folder(self) -> Path:
        if self._folder is None:
            raise RuntimeError("the functions service has not been started")
        return self._folder

    @property
    def runtime_folder(self) -> Path:
        return self.folder / "runtime"

    def open(self) -> None:
        parent = self._parent or Path(tempfile.gettempdir())
        _sweep(parent)
        self._folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
        self.runtime_folder.mkdir()
        _link_visible_modules(self.runtime_folder)

    def close(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def new_folder(self, name: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))


def _sweep(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):
            if owner.isdigit() and folder.stat().st_uid == os.getuid() and not _alive(int(owner)):
                shutil.rmtree(folder, ignore_errors=True)


def _alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _link_visible_modules(folder: Path) -> None:
    for name in _VISIBLE_MODULES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        origin = Path(spec.origin)
        place = origin.parent if spec.submodule_search_locations else origin
        (folder / place.name).symlink_to(place)


def require_runtime(workspace: Workspace) -> None:
    if not (workspace.runtime_folder / "awslambdaric").exists():
        message = "awslambdaric is not installed, so functions cannot run; install the emulator's requirements"
        raise ServiceError("ServiceException", message, 500)


def command(workspace: Workspace, lifeline: int) -> list[str]:
    """How to start a worker: an interpreter that reads no environment, no user folder and no site-packages."""
    script = Path(__file__).with_name("bootstrap.py")
    isolated = [sys.executable, "-I", "-S", "-B", "-X", "utf8"]
    return [*isolated, str(script), str(lifeline), str(workspace.runtime_folder)]


def environment(
    function: Function,
    *,
    task_root: Path,
    scratch: Path,
    runtime_api: str,
    endpoint_url: str,
    log_stream: str,
    credentials: Credentials,
) -> dict[str, str]:
    """The worker's whole environment: AWS's variables, ours that keep it on this machine, the function's own."""
    given = function.configuration
    region = function.key.region
    aws = {
        "AWS_LAMBDA_FUNCTION_NAME": function.key.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(given.memory_size),
        "AWS_LAMBDA_FUNCTION_VERSION": LATEST,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": function.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_LOG_FORMAT": given.logging.get("LogFormat", "Text"),
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{given.runtime}",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_SESSION_TOKEN": credentials.session_token,
        "LAMBDA_TASK_ROOT": str(task_root),
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "_HANDLER": given.handler,
        "TZ": ":UTC",
        "LANG": "en_US.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
    }
    if "ApplicationLogLevel" in given.logging:
        aws["AWS_LAMBDA_LOG_LEVEL"] = given.logging["ApplicationLogLevel"]
    ours = {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(scratch / "no-config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(scratch / "no-credentials"),
        "NO_PROXY": "*",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
    }
    return ours | dict(given.environment or {}) | aws
