"""The configuration: turns one YAML file into one frozen `Config`, or reports every problem of the file together."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import UsageError
from .loader import ConfigFile
from .messages import nearest, shortened
from .model import Config

__all__ = ["Config", "ConfigFile", "load"]


def load(
    path: str | Path,
    environ: Mapping[str, str] = os.environ,
    *,
    files: bool = True,
    settings: Sequence[str] = (),
    deployment: str | None = None,
) -> Config:
    """Returns the configuration in the file; `environ` has the values of `${env:NAME}`.

    `settings` are `key.path=value`, and go before what the file says. `deployment` is the name of one of the entries of
    `deployments`, for a file that has some.

    With `files=False`, the template, code and input that it names may be missing: cleanup does not need them.

    Raises:
        ConfigError: the file has problems (exit code 2).
        UsageError: the file has several deployments and none was chosen, or none has that name.
    """
    file = ConfigFile(Path(path), environ, files=files, settings=settings)
    if deployment is None and len(file.names) > 1:
        what = f"{path} has {len(file.names)} deployments: {shortened(file.names)}."
        raise UsageError(what, "Name one of them.")
    if deployment is not None and deployment not in file.names:
        near = nearest(deployment, file.names)
        hint = f'Did you mean "{near}"?' if near else f"It has {shortened(file.names) or 'no `deployments`'}."
        raise UsageError(f"{path} has no deployment {deployment!r}.", hint)
    return file.load(deployment or next(iter(file.names), None))
