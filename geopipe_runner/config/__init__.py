"""The configuration: one YAML file in, one frozen `Config` out, or every problem of the file at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from .loader import load_config
from .model import Config

__all__ = ["Config", "load"]


def load(path: str | Path, environ: Mapping[str, str] = os.environ, *, files: bool = True) -> Config:
    """The configuration in the file; `environ` answers `${env:NAME}`. Raises ConfigError (exit code 2).

    With `files=False` the template, code and input it names need not be there: whoever deletes has no use for them.
    """
    return load_config(Path(path), environ, files)
