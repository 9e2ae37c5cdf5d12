"""`completion`: a script with which the shell completes our commands, options and values."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...events import Report

POSITION = 20
HELP = "print a script with which bash, zsh or fish completes commands, options and values"
DETAILS = """\
It completes commands, options, choices, configuration files, folders, and the keys for `--set`. The script is static:
completing starts no program. Write it again after an update.

| shell | once | for every new version |
| --- | --- | --- |
| bash | `geopipe completion bash > ~/.local/share/bash-completion/completions/geopipe` (with the package bash-completion) | `source <(geopipe completion bash)` in `~/.bashrc` |
| zsh | `geopipe completion zsh > DIR/_geopipe`, where `DIR` is a folder of `$fpath` | `source <(geopipe completion zsh)` in `~/.zshrc`, after `compinit` |
| fish | `geopipe completion fish > ~/.config/fish/completions/geopipe.fish` | `geopipe completion fish \\| source` in `config.fish` |"""  # noqa: E501 - a table's row is one line
EXAMPLES = ("completion bash", "completion fish")
NEEDS = "nothing"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), metavar="SHELL", help="bash, zsh or fish")


def run(report: Report, arguments: argparse.Namespace) -> int:
    """Print the script."""
    from ...events import TextPrinted
    from ..completion.bash import bash_script
    from ..completion.fish import fish_script
    from ..completion.words import completed_commands
    from ..completion.zsh import zsh_script
    from ..parser import command_parsers
    from . import load_commands

    scripts = {"bash": bash_script, "zsh": zsh_script, "fish": fish_script}
    helps = {name: command.HELP for name, command in load_commands().items()}
    report.emit(TextPrinted(scripts[arguments.shell](completed_commands(command_parsers(), helps))))
    return 0
