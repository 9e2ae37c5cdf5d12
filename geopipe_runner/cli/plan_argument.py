"""`apply plan.json`, a plan file in the place of a configuration, and `plan --out`, which must not replace one."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import UsageError
from ..path_checks import is_there, read_beginning


def read_plan_argument(parsed: argparse.Namespace) -> None:
    """Replace a plan file by the configuration and the options that the plan was made with.

    Raises:
        UsageError: this version cannot apply the plan, its configuration is not there, there is more than a plan file,
            or the command takes none.
    """
    if parsed.command == "apply" and parsed.config.endswith(".json") and not is_there(parsed.config):
        raise UsageError(f"There is no file {parsed.config!r}.", "Name a configuration, or a plan that was saved.")
    if not any(_may_be_plan(Path(name)) for name in parsed.configs):
        return
    from ..stages.plan_file import read_plan_file

    saved = next(filter(None, map(read_plan_file, map(Path, parsed.configs))), None)
    if saved is None:
        return
    if parsed.command != "apply":
        raise UsageError(
            f"{saved.path} is a plan file, and only `apply` takes one.",
            f"Name the configuration that the plan is for, {saved.config_path}.",
        )
    if len(parsed.configs) > 1 or parsed.all or parsed.only:
        raise UsageError(
            f"{saved.path} is a plan file, and `apply` takes one alone.", "Apply one plan after the other."
        )
    if not is_there(saved.config_path):
        raise UsageError(
            f"{saved.path} was made from {saved.config_path}, and there is no such file.",
            "Apply it in the folder in which it was made, or in a checkout of the same files.",
        )
    parsed.saved_plan = saved
    parsed.configs = [saved.config_path]
    parsed.only = [saved.entry] if saved.entry else []
    parsed.settings = [*saved.settings, *parsed.settings]
    parsed.adopt = [*saved.adopt, *parsed.adopt]
    parsed.prune = parsed.prune or saved.prune


def protect_from_plan(parsed: argparse.Namespace) -> None:
    """Raise UsageError where `--plan-out` names a file that holds something else, such as the configuration."""
    if parsed.plan_out is not None and read_beginning(parsed.plan_out):
        from ..stages.plan_file import refuse_to_replace

        refuse_to_replace(parsed.plan_out, parsed.configs)


def _may_be_plan(path: Path) -> bool:
    """Whether the file looks like JSON. Everything else is left to the loader of configurations."""
    return read_beginning(path).startswith(b"{")
