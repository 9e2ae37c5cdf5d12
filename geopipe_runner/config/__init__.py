"""The configuration: turns one YAML file into one frozen `Config`, or reports every problem of the file together."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from .loader import load_config
from .model import Config

__all__ = ["Config", "load"]


def load(
    path: str | Path, environ: Mapping[str, str] = os.environ, *, files: bool = True, settings: Sequence[str] = ()
) -> Config:
    """Returns the configuration in the file; `environ` has the values of `${env:NAME}`.

    `settings` are `key.path=value`, and go before what the file says.

    With `files=False`, the template, code and input that it names may be missing: cleanup does not need them.

    Raises:
        ConfigError: the file has problems (exit code 2).
    """
    return load_config(Path(path), environ, files, settings)
