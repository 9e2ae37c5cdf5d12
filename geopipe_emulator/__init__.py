"""An endpoint on loopback that responds as AWS does to everything that one SageMaker pipeline needs, offline.

`Emulator` runs one from a script or a test. It imports nothing of `geopipe_runner`, which knows it only as a module to
start and a URL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .process import Emulator, EmulatorError

__all__ = ["Emulator", "EmulatorError"]


def __getattr__(name: str) -> Any:
    # The server's own start must not pay for what only its clients need.
    if name in __all__:
        from . import process

        return getattr(process, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
