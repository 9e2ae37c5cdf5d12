"""The script for fish, to be sourced or saved in ~/.config/fish/completions."""

from __future__ import annotations

from collections.abc import Iterator

from .words import (
    CONFIG_SUFFIXES,
    PROGRAM,
    CompletedCommand,
    CompletedOption,
    first_sentence,
    setting_keys,
)

_SCRIPT = r"""# Completion of %(program)s for fish. Written by `%(program)s completion fish`.

set -g __%(program)s_commands %(commands)s
set -g __%(program)s_with_value %(with_value)s

function __%(program)s_command -d 'Print the command of the line; nothing before there is one'
    set -l words (commandline -opc)
    set -l skip 0
    for word in $words[2..-1]
        if test $skip = 1
            set skip 0
        else if contains -- $word $__%(program)s_with_value
            set skip 1
        else if not string match -q -- '-*' $word
            if contains -- $word $__%(program)s_commands
                echo $word
            else
                echo run
            end
            return
        end
    end
end

function __%(program)s_is -d 'Whether the command of the line is one of the arguments'
    contains -- "$(__%(program)s_command)" $argv
end

function __%(program)s_configs -d 'Print folders and configuration files'
    for file in (commandline -ct)*
        if test -d $file
            echo $file/
        else if string match -qr '\.(%(suffixes)s)$' -- $file
            echo $file
        end
    end
end

function __%(program)s_folders -d 'Print folders'
    for file in (commandline -ct)*
        test -d $file; and echo $file/
    end
end

function __%(program)s_settings -d 'Print keys for --set, or the values of a key'
    set -l word (string replace -r '^--set=' '' -- (commandline -ct))
    switch $word
%(settings)s
        case '*'
            printf '%%s=\n' %(keys)s
    end
end

complete -c %(program)s -e
complete -c %(program)s -f
"""


def fish_script(commands: tuple[CompletedCommand, ...]) -> str:
    """Return the script."""
    keys = setting_keys()
    with_value = {s for c in commands for o in c.options if o.value != "none" for s in o.spellings}
    head = _SCRIPT % {
        "program": PROGRAM,
        "commands": " ".join(command.name for command in commands),
        "with_value": " ".join(sorted(with_value)),
        "suffixes": "|".join(CONFIG_SUFFIXES),
        "settings": "\n".join(
            f"        case '{key}=*'\n            printf '{key}=%s\\n' {' '.join(words)}"
            for key, words in keys.items()
            if words
        ),
        "keys": " ".join(keys),
    }
    return head + "\n".join([*_positionals(commands), *_options(commands)]) + "\n"


def _positionals(commands: tuple[CompletedCommand, ...]) -> Iterator[str]:
    for command in commands:
        yield f"complete -c {PROGRAM} -n '__{PROGRAM}_is \"\"' -a {command.name} -d {_quoted(command.help)}"
    takers = " ".join(command.name for command in commands if command.value == "config")
    yield f"complete -c {PROGRAM} -n '__{PROGRAM}_is \"\" {takers}' -a '(__{PROGRAM}_configs)'"
    for command in commands:
        if command.value == "words":
            yield f"complete -c {PROGRAM} -n '__{PROGRAM}_is {command.name}' -a '{' '.join(command.words)}'"


def _options(commands: tuple[CompletedCommand, ...]) -> Iterator[str]:
    """Yield a line for each option, with all commands that have it."""
    owners: dict[CompletedOption, list[str]] = {}
    for command in commands:
        for option in command.options:
            owners.setdefault(option, []).append(command.name)
    for option, names in owners.items():
        here = " ".join(['""', *names] if "run" in names else names)
        spellings = " ".join(
            f"-l {spelling[2:]}" if spelling.startswith("--") else f"-s {spelling[1:]}" for spelling in option.spellings
        )
        value = _complete(option)
        yield f"complete -c {PROGRAM} -n '__{PROGRAM}_is {here}' {spellings}{value} -d {_quoted(option.help)}"


def _complete(option: CompletedOption) -> str:
    match option.value:
        case "none":
            return ""
        case "words":
            return f" -x -a '{' '.join(option.words)}'"
        case "file":
            return " -r -F"
        case "folder":
            return f" -x -a '(__{PROGRAM}_folders)'"
        case "setting":
            return f" -x -a '(__{PROGRAM}_settings)'"
    return " -x"


def _quoted(text: str) -> str:
    return "'" + first_sentence(text).replace("\\", "\\\\").replace("'", "\\'") + "'"
