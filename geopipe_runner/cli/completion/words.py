"""What can be completed: the commands, their options, and the values of these, as data for every shell."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from ...config.model import CleanupItem
from ...config.schema import Schema, editor_schema
from ..parser import Parser

ValueKind = Literal["none", "words", "file", "folder", "config", "setting", "text"]

PROGRAM = "geopipe"
CONFIG_SUFFIXES = ("yaml", "yml")


@dataclass(frozen=True)
class CompletedOption:
    """One option. `value` says what follows it; `words` are the choices, where it has some."""

    spellings: tuple[str, ...]
    help: str
    value: ValueKind
    words: tuple[str, ...] = ()


@dataclass(frozen=True)
class CompletedCommand:
    """One command. `value` and `words` are about what it takes besides options."""

    name: str
    help: str
    options: tuple[CompletedOption, ...]
    value: ValueKind
    words: tuple[str, ...] = ()


def completed_commands(parsers: Mapping[str, Parser], helps: Mapping[str, str]) -> tuple[CompletedCommand, ...]:
    """Return the commands of the parser, in the order of lists."""
    return tuple(_command(name, parser, helps[name]) for name, parser in parsers.items())


def setting_keys() -> Mapping[str, tuple[str, ...]]:
    """Return the keys of a configuration for `--set`, each with the words that its value can be."""
    return dict(_keys(editor_schema(), ""))


def option_values(commands: tuple[CompletedCommand, ...]) -> Iterator[tuple[str, str, CompletedOption]]:
    """Yield command, spelling and option for every option with a value.

    The command is `*` where the option takes the same in all commands that have it.
    """
    found = [
        (command.name, spelling, option)
        for command in commands
        for option in command.options
        if option.value != "none"
        for spelling in option.spellings
    ]
    kinds: dict[str, set[tuple[str, tuple[str, ...]]]] = {}
    for _, spelling, option in found:
        kinds.setdefault(spelling, set()).add((option.value, option.words))
    listed: set[tuple[str, str]] = set()
    for name, spelling, option in found:
        command = "*" if len(kinds[spelling]) == 1 else name
        if (command, spelling) not in listed:
            listed.add((command, spelling))
            yield command, spelling, option


def first_sentence(text: str) -> str:
    """Return what fits next to a word in a list."""
    return text.split(";")[0].split(" (")[0]


def _command(name: str, parser: Parser, help_text: str) -> CompletedCommand:
    options = tuple(_option(action) for action in parser._actions if action.option_strings)
    positional = next((action for action in parser._actions if not action.option_strings), None)
    if positional is None:
        return CompletedCommand(name, help_text, options, "none")
    kind, words = _value_of(positional)
    return CompletedCommand(name, help_text, options, "config" if positional.metavar == "CONFIG" else kind, words)


def _option(action: argparse.Action) -> CompletedOption:
    kind, words = _value_of(action)
    return CompletedOption(tuple(action.option_strings), str(action.help), kind, words)


def _value_of(action: argparse.Action) -> tuple[ValueKind, tuple[str, ...]]:
    if action.nargs == 0:
        return "none", ()
    if action.choices is not None:
        return "words", tuple(map(str, action.choices))
    if action.dest == "cleanup":
        return "words", ("ask", "all", "none", *get_args(CleanupItem))
    if action.dest == "settings":
        return "setting", ()
    if action.type is Path:
        return ("folder" if action.metavar == "DIR" else "file"), ()
    return "text", ()


def _keys(schema: Schema, path: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, inner in schema.get("properties", {}).items():
        below = f"{path}{name}"
        if "properties" in inner:
            yield from _keys(inner, f"{below}.")
        else:
            yield below, tuple(_words_of(inner))


def _words_of(schema: Schema) -> Iterator[str]:
    types: Any = schema.get("type", ())
    if "enum" in schema:
        # What a shell would have to quote is left out.
        yield from (word for word in schema["enum"] if isinstance(word, str) and re.fullmatch(r"[\w.-]+", word))
    elif "boolean" in ([types] if isinstance(types, str) else types):
        yield from ("true", "false")
    for branch in schema.get("oneOf", ()):
        yield from _words_of(branch)
