"""What the emulator knows about a runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class RuntimeFamily(Protocol):
    """How functions of a family of runtimes start. `names` is for messages."""

    @property
    def names(self) -> str: ...

    def has(self, name: str) -> bool:
        """Whether it is the runtime of this name."""

    def problem(self, name: str) -> str:
        """Why a function with this runtime cannot be created here; "" if it can."""

    def difference(self, name: str) -> str:
        """What a function gets instead of the version that it asks for; "" if it gets that version."""

    def program(self, task_root: Path, layers: Path | None) -> Sequence[str] | None:
        """The command that takes invocations; None for the Python interpreter of the emulator itself."""

    def version(self, name: str) -> str:
        """What the INIT_START line of the log says: AWS's version, and what runs it here."""
