"""The folder of one job: what the job sees as /opt/ml."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path

from ....leftovers import sweep
from ....messages import warn

BASE = "/opt/ml"
LAUNCHER = Path(__file__).with_name("launcher.py")
_PREFIX = "geopipe-jobs-"
_PROBE_SECONDS = 30
_swept = threading.Lock()


class JobFolder:
    """A temporary folder with `ml`, which stands for /opt/ml, and `tmp`."""

    def __init__(self) -> None:
        parent = Path(tempfile.gettempdir())
        if _swept.acquire(blocking=False):  # once per process, so it is never released
            sweep(parent, _PREFIX)
        self.path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=parent))
        self.ml = self.path / "ml"
        self.scratch = self.path / "tmp"
        for folder in (self.ml, self.scratch):
            folder.mkdir()

    def real(self, path: str) -> Path:
        """Return where a path below /opt/ml really is.

        Raises:
            ValueError: it is not below /opt/ml.
        """
        normal = os.path.normpath(path)
        if normal != BASE and not normal.startswith(f"{BASE}/"):
            raise ValueError(f"{path} is not below {BASE}")
        return self.ml / normal.removeprefix(BASE).lstrip("/")

    def shown(self, path: str) -> str:
        """Return a path below /opt/ml as the job's process sees it."""
        return path if can_mount() else str(self.real(path))

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


@cache
def can_mount() -> bool:
    """Return whether a job's process can see its files below /opt/ml. Where it cannot, standard error says so, once."""
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-") as folder:
        (Path(folder) / "ml").mkdir()
        command = [sys.executable, "-I", "-S", "-B", str(LAUNCHER), "--probe", folder]
        try:
            works = subprocess.run(command, capture_output=True, timeout=_PROBE_SECONDS, check=False).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            works = False
    if not works:
        warn(
            f"this system does not let a job see its files below {BASE}. Its script finds them below the folder in the "
            "environment variable SAGEMAKER_BASE_DIR, and a training script also through SM_MODEL_DIR, SM_CHANNEL_* "
            "and the other SM_* variables."
        )
    return works
