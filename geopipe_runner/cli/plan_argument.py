"""`apply plan.json`: a plan file in the place of a configuration."""

from __future__ import annotations

import argparse
from pathlib import Path


def read_plan_argument(parsed: argparse.Namespace) -> None:
    """Replace a plan file by the configuration and the options that the plan was made with.

    Raises:
        UsageError: this version cannot apply the plan.
    """
    if parsed.command != "apply" or not _may_be_plan(Path(parsed.config)):
        return
    from ..stages.plan_file import read_plan_file

    saved = read_plan_file(Path(parsed.config))
    if saved is None:
        return
    parsed.saved_plan = saved
    parsed.config = saved.config_path
    parsed.settings = [*saved.settings, *parsed.settings]
    parsed.adopt = [*saved.adopt, *parsed.adopt]
    parsed.prune = parsed.prune or saved.prune


def _may_be_plan(path: Path) -> bool:
    """Whether the file looks like JSON. Everything else is left to the loader of configurations."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(64).lstrip().startswith(b"{")
    except OSError:
        return False
