"""The process of a job: how it starts, where its output goes, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .folder import LAUNCHER, JobFolder, can_mount

_MAX_LINE = 1_000_000


class JobProcess:
    """A command that runs in a job's folder. Everything that it starts ends with it, and with the emulator."""

    def __init__(self, folder: JobFolder, command: Sequence[str], source: Path, environment: Mapping[str, str]) -> None:
        launch = {
            "command": [sys.executable if command[0] in ("python", "python3") else command[0], *command[1:]],
            "folder": str(source),
            "environment": dict(environment),
            "mount": str(folder.path) if can_mount() else None,
        }
        file = folder.path / "launch.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(launch), encoding="utf-8")
        lifeline, self._lifeline = os.pipe()
        self._lock = threading.Lock()
        self._ended_early = False
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", str(LAUNCHER), str(lifeline), str(file)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(lifeline,),
                start_new_session=True,
            )
        except BaseException:
            os.close(self._lifeline)
            raise
        finally:
            os.close(lifeline)

    def follow(self, write: Callable[[str], None]) -> int:
        """Pass on the output, line by line, until the process ends. Return its exit code, negative for a signal."""
        output = self._process.stdout
        assert output is not None
        while line := output.readline(_MAX_LINE):
            write(line.decode("utf-8", "replace").rstrip("\r\n"))
        code = self._process.wait()
        output.close()
        self.end()
        return code

    def end(self) -> None:
        """Kill it and everything that it has started."""
        with self._lock:
            if not self._ended_early:
                self._ended_early = True
                os.close(self._lifeline)
