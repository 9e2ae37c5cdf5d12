"""From arguments to a command, its options, and messages about what is wrong with them. Nothing is done here.

argparse, because it is there already: click would cost 20 ms more at each start and a dependency, and it has no options
before the command.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from .. import __version__
from ..config.messages import nearest, shortened
from ..path_checks import is_there
from . import options
from .commands import CommandModule, load_commands, takes_several

# What other programs call a thing, and what it is here.
_ELSEWHERE = {
    "--follow": "`resume` follows an execution",
    "--watch": "`resume` follows an execution",
    "--force": "`--non-interactive` asks nothing",
    "--destroy": "`cleanup` deletes what belongs to the deployment",
}
# Names that commands had before. Scripts may still use them; help does not show them.
_OLD_NAMES = {"rescue": "callbacks"}
_NAME_A_CONFIGURATION = "name a configuration, such as config/local.yaml"

_INTRODUCTION = """\
Reconcile, run and clean up a SageMaker pipeline with Lambda and Callback steps,
on AWS or offline. `{program} CONFIG` is short for `{program} run CONFIG`.
Options may also come before the command."""

EXIT_CODES = {
    0: "done",
    1: "AWS, the emulator or this machine failed, or a clean-up left something behind",
    2: "the usage, the configuration, the template or the input is wrong",
    3: "the pipeline execution failed, was stopped or timed out",
    4: "changes are pending (plan --detailed-exitcode)",
    5: "refused: a resource that is foreign or cannot be used, the wrong account, an execution in the wrong state, a "
    "deletion without confirmation, or a plan file that is out of date",
    6: "locked: another command is working on the deployment",
    130: "interrupted: Ctrl-C, SIGTERM, SIGHUP, or the input or the output ended",
    141: "the reader of the output closed it before anything was done, as in `| head`",
}


# A command on several deployments has the worst of their exit codes. From the best to the worst: nothing is to be done,
# changes are pending, nothing was called, nothing was changed, the execution failed, something may be half done,
# it was interrupted.
BEST_TO_WORST = (0, 4, 2, 5, 6, 3, 1, 130, 141)


def program_name() -> str:
    """Return how the user calls us, for the commands that messages suggest."""
    called = Path(sys.argv[0])
    if called.name == "run.py":
        return "python run.py"
    started_as_module = called.name == "__main__.py" and called.parent.name == __name__.split(".")[0]
    return "python -m geopipe_runner" if started_as_module else "geopipe"


def parse(arguments: Sequence[str]) -> tuple[CommandModule, argparse.Namespace]:
    """Return the command and its arguments. Raises SystemExit after printing help, version or what is wrong."""
    words = list(arguments)
    parser = build_parser()
    if not words:
        parser.error(f"{_NAME_A_CONFIGURATION}; --help shows the commands")
    if words[0] == "help":
        words = [*words[1:2], "--help"]
    if words[0] not in ("-h", "--help", "--version"):
        words = _put_command_first(words, parser)
    parsed, rest = parser.parse_known_args(words)
    command = load_commands()[parsed.command]
    _refuse_empty(words, _subparsers(parser)[parsed.command], has_configs=command.NEEDS != "nothing")
    if command.NEEDS != "nothing":
        rest = _take_configs(parsed, rest, _subparsers(parser)[parsed.command], takes_several(command))
    if rest:
        _subparsers(parser)[parsed.command].error(_describe_rest(parsed, rest, parser.prog))
    if parsed.command == "run" and parsed.detailed_exitcode and not parsed.dry_run:
        parser.error("--detailed-exitcode needs a plan: use it with --dry-run, or with the command plan")
    if parsed.force_unlock and getattr(parsed, "dry_run", False):
        parser.error("--dry-run changes nothing, and --force-unlock takes a lock away; leave one of them out")
    return command, parsed


def _refuse_empty(words: Sequence[str], parser: Parser, *, has_configs: bool) -> None:
    """Refuse an empty value. A script gives one for a variable that is not set, and it would mean something else.

    An empty folder would be the current one, and an empty execution the latest.
    """
    with_value = {name for action in parser._actions if action.nargs != 0 for name in action.option_strings}
    for before, word in pairwise(["", *words]):
        name, equals, value = word.partition("=")
        empty = before if not word and before in with_value else name if name in with_value and equals else ""
        if empty and not value:
            parser.error(f"argument {empty}: its value is empty; give one, or leave the option out")
        if not word and not empty and has_configs:
            parser.error(f"the name of a configuration is empty; {_NAME_A_CONFIGURATION}")


def _take_configs(parsed: argparse.Namespace, rest: list[str], parser: Parser, several: bool) -> list[str]:
    """Move to `parsed.configs` what argparse leaves of them where options stand between; return the other arguments."""
    if not any(word.startswith("-") for word in rest):
        parsed.configs, rest = [*parsed.configs, *rest], []
    if not parsed.configs and not rest and not parsed.all:
        parser.error(f"{_NAME_A_CONFIGURATION}: {parser.prog} config/local.yaml")
    if not several:
        if len(parsed.configs) > 1 and all(map(is_there, parsed.configs)):
            names = shortened(parsed.configs)
            parser.error(f"`{parsed.command}` is about one deployment; name one of these files: {names}")
        parsed.configs, rest = parsed.configs[:1], [*parsed.configs[1:], *rest]
    parsed.config = next(iter(parsed.configs), "")
    return rest


class Parser(argparse.ArgumentParser):
    """A parser whose usage is one line, in help and before an error."""

    def __init__(self, **settings: Any) -> None:
        # What a script abbreviates means something else once there are more options.
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **settings)

    def error(self, message: str) -> NoReturn:
        if message.endswith("expected one argument"):
            message += "; if its value begins with a hyphen, join them with =, as in --set=KEY=VALUE"
        self.print_usage(sys.stderr)
        self.exit(2, f"{self.prog}: error: {message}\n")


def build_parser(program: str | None = None) -> Parser:
    """Build the parser of all commands."""
    program = program or program_name()
    epilog = "exit codes:\n" + "\n".join(f"  {code:<3}  {meaning}" for code, meaning in EXIT_CODES.items())
    parser = Parser(
        prog=program,
        usage=f"{program} [COMMAND] CONFIG [OPTIONS]",
        description=_INTRODUCTION.format(program=program),
        epilog=f"`{program} COMMAND --help` shows a command's options.\n\n{epilog}",
    )
    parser.add_argument("--version", action="version", version=f"geopipe {__version__}")
    choices = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    for name, command in load_commands().items():
        help_text = command.HELP
        subparser = choices.add_parser(
            name,
            prog=f"{program} {name}",
            usage=f"{program} {name} {_configs_of(command)}[OPTIONS]",
            help=help_text,
            description=help_text[0].upper() + help_text[1:] + ".",
            epilog=epilog,
        )
        several = takes_several(command)
        options.add_general_options(subparser, with_config=command.NEEDS != "nothing", several=several)
        command.add_options(subparser)
        if command.NEEDS == "nothing":  # then its arguments are its own
            own = "".join(f"{action.metavar} " for action in subparser._actions if not action.option_strings)
            subparser.usage = f"{program} {name} {own}[OPTIONS]"
    return parser


def command_parsers() -> dict[str, Parser]:
    """Return the parser of each command, in the order of lists."""
    return _subparsers(build_parser("geopipe"))


def _configs_of(command: CommandModule) -> str:
    if command.NEEDS == "nothing":
        return ""
    return "CONFIG... " if takes_several(command) else "CONFIG "


def own_options(name: str) -> Iterator[argparse.Action]:
    """Return the options that a command has, for the reference."""
    for action in _subparsers(build_parser("geopipe"))[name]._actions:
        if action.option_strings:
            yield action


def _subparsers(parser: argparse.ArgumentParser) -> dict[str, Parser]:
    (choices,) = (action.choices for action in parser._actions if action.dest == "command")
    return dict(choices or {})


def _put_command_first(words: list[str], parser: Parser) -> list[str]:
    """Return the arguments with the command in front, wherever it stood; `CONFIG` alone means `run CONFIG`."""
    commands = load_commands()
    positions = list(_plain_words(words, parser))
    if not positions:
        return ["run", *words]
    first, *later = positions
    word = words[first]
    command = _OLD_NAMES.get(word, word)
    if command in commands:
        return [command, *words[:first], *words[first + 1 :]]
    if re.fullmatch(r"[A-Za-z]+", word) and not is_there(word):
        near = nearest(word, commands)
        valid = f'did you mean "{near}"?' if near else f"use one of {', '.join(commands)}"
        parser.error(f'there is no command "{word}"; {valid}')
    if misplaced := next((words[at] for at in later if _OLD_NAMES.get(words[at], words[at]) in commands), None):
        parser.error(f"the command comes first: {parser.prog} {misplaced} {word}")
    return ["run", *words]


def _plain_words(words: Sequence[str], parser: Parser) -> Iterator[int]:
    """Where the arguments are that are neither options nor options' values, up to a `--`."""
    with_value = {
        spelling
        for subparser in _subparsers(parser).values()
        for action in subparser._actions
        if action.nargs != 0
        for spelling in action.option_strings
    }
    for position, word in enumerate(words):
        if word == "--":
            return
        if not word.startswith("-") and (position == 0 or words[position - 1] not in with_value):
            yield position


def _describe_rest(parsed: argparse.Namespace, rest: Sequence[str], program: str) -> str:
    """Say what is wrong where there is more than a command takes."""
    message = f"unrecognized arguments: {' '.join(rest)}"
    unknown = next((word.partition("=")[0] for word in rest if word.startswith("-")), None)
    if unknown is None:
        return message
    if unknown in _ELSEWHERE:
        return f"{message}; {_ELSEWHERE[unknown]}"
    by_command = {
        name: [spelling for action in subparser._actions for spelling in action.option_strings]
        for name, subparser in _subparsers(build_parser(program)).items()
    }
    if unknown in ("--all", "--jobs") and load_commands()[parsed.command].NEEDS != "nothing":
        return f"{message}; `{parsed.command}` is about one deployment, and {unknown} is for several"
    if owners := [name for name, spellings in by_command.items() if unknown in spellings]:
        return f"{message}; {unknown} is an option of {', '.join(owners)}, not of {parsed.command}"
    if near := nearest(unknown, by_command[parsed.command]):
        return f"{message}; did you mean {near}?"
    if near := nearest(unknown, [spelling for spellings in by_command.values() for spelling in spellings]):
        owners = [name for name, spellings in by_command.items() if near in spellings]
        return f"{message}; did you mean {near}, an option of {', '.join(owners)}?"
    return f"{message}; `{program} {parsed.command} --help` shows the options"
