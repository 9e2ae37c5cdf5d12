"""Writes the reference of all commands from the commands themselves.

`python -m geopipe_runner.cli.reference`, or `make reference`, writes the page into the current checkout.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from .commands import CommandModule, load_commands
from .parser import BEST_TO_WORST, EXIT_CODES, own_options

_INTRODUCTION = """\
# Commands

<!-- Written by `make reference`. Change the modules of geopipe_runner/cli/commands. -->

```
python run.py [COMMAND] CONFIG [OPTIONS]
```

`CONFIG` is the [configuration](configuration.md), such as `config/local.yaml`. Without a command, geopipe uses `run`.
Options may also come before the command. Installed as a package, the program is called `geopipe`; `python -m
geopipe_runner` works too. `python run.py help` lists the commands, and `python run.py --version` prints the version.

`python` is the one in `.venv`: type `.venv/bin/python`, or run `. .venv/bin/activate` first.
"""

_END = """
A failure also has a [code](failures.md) whose meaning never changes, such as `input-column-missing`.
"""

_GENERAL = ("--help", "--non-interactive", "--verbose", "--output")


def reference() -> str:
    """Return the whole page."""
    commands = load_commands()
    lines = [_INTRODUCTION, "| command | what it does |", "| --- | --- |"]
    lines += [f"| [`{name}`](#{name}) | {command.HELP} |" for name, command in commands.items()]
    lines += ["", "## Options of every command", "", *_table(_general_options())]
    for name, command in commands.items():
        lines += ["", f"## {name}", "", *_section(name, command)]
    lines += ["", "## Exit codes", "", "| code | meaning |", "| --- | --- |"]
    lines += [f"| {code} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    order = ", ".join(map(str, reversed(BEST_TO_WORST)))
    lines += ["", f"A command on several deployments ends with the worst of their exit codes, from the worst: {order}."]
    return "\n".join([*lines, _END])


def _section(name: str, command: CommandModule) -> Iterator[str]:
    yield command.HELP[0].upper() + command.HELP[1:] + "."
    if command.DETAILS:
        yield ""
        yield command.DETAILS
    own = [action for action in own_options(name) if action.option_strings[-1] not in _GENERAL]
    if own:
        yield ""
        yield from _table(own)
    yield ""
    yield "```"
    yield from (f"python run.py {example}" for example in command.EXAMPLES)
    yield "```"


def _general_options() -> Iterator[argparse.Action]:
    """Those of every command; `--output` is one of nearly all."""
    return (action for action in own_options("run") if action.option_strings[-1] in _GENERAL)


def _without_output() -> str:
    """Return the commands that print one thing, in one form."""
    spellings = {name: [s for action in own_options(name) for s in action.option_strings] for name in load_commands()}
    return ", ".join(f"`{name}`" for name, found in spellings.items() if "--output" not in found)


def _table(actions: Iterator[argparse.Action] | list[argparse.Action]) -> Iterator[str]:
    yield "| option | meaning |"
    yield "| --- | --- |"
    for action in actions:
        name = action.metavar or "{" + ",".join(map(str, action.choices or ())) + "}"
        value = "" if action.nargs == 0 else f" {name}"
        spellings = ", ".join(f"`{spelling}{value}`" for spelling in action.option_strings)
        meaning = "show the help of the command" if "--help" in action.option_strings else str(action.help)
        if "--output" in action.option_strings:
            meaning += f" (not for {_without_output()})"
        yield f"| {spellings} | {meaning} |"


if __name__ == "__main__":
    (Path(__file__).resolve().parents[2] / "docs/reference/cli.md").write_text(reference(), encoding="utf-8")
