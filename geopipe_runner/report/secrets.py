"""What must not be told: values of parameters, outputs and environments whose name says that they are secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..kinds.base import MISSING, Change

HIDDEN = "(hidden)"

_SECRET = re.compile(
    r"secret|token|passw|credential|private|api_?key|access_?key|authori[sz]ation|(?<![a-z])auth(?![a-z])",
    re.IGNORECASE,
)


def hidden(name: str, value: Any) -> Any:
    """`value`, or that it is hidden."""
    return HIDDEN if _SECRET.search(name) else value


def sides(change: Change) -> tuple[Any, Any]:
    """What a change shows of both sides: of a function's environment only what is no secret."""
    if change.path.split(".")[0] != "environment":
        return change.old, change.new
    return _shown(change.path, change.old), _shown(change.path, change.new)


def _shown(path: str, side: Any) -> Any:
    if isinstance(side, Mapping):
        return {name: hidden(name, value) for name, value in side.items()}
    return side if side is MISSING else hidden(path, side)
