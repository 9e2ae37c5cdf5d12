"""The script for zsh, to be sourced after compinit or saved as `_geopipe` in a folder of `fpath`."""

from __future__ import annotations

from collections.abc import Iterator

from .words import CONFIG_SUFFIXES, PROGRAM, CompletedCommand, first_sentence, option_values, setting_keys

_SCRIPT = r"""#compdef %(program)s
# Completion of %(program)s for zsh. Written by `%(program)s completion zsh`.

_%(program)s_setting() {
    local -a keys
    if [[ $PREFIX == *=* ]]; then
        local key=${PREFIX%%%%=*}
        compset -P 1 '*='
        case $key in
%(settings)s
        esac
        return
    fi
    keys=(%(keys)s)
    compadd -S = -a keys
}

_%(program)s() {
    local command= option= word
    local -a names
    for word in "${(@)words[2,CURRENT-1]}"; do
        if [[ -n $option ]]; then
            option=
            continue
        fi
        case $word in
            (%(with_value)s) option=$word ;;
            (-*) ;;
            (%(commands)s) [[ -n $command ]] || command=$word ;;
            (*) [[ -n $command ]] || command=run ;;
        esac
    done
    if [[ -z $option && $PREFIX == --*=* ]]; then
        option=${PREFIX%%%%=*}
        compset -P 1 '*='
    fi
    if [[ -n $option ]]; then
        case $command:$option in
%(values)s
        esac
    elif [[ $PREFIX == -* ]]; then
        case $command in
%(options)s
        esac
        _describe -o option names
    else
        case $command in
%(positionals)s
        esac
    fi
}

if [[ ${funcstack[1]-} == _%(program)s ]]; then
    _%(program)s "$@"
else
    compdef _%(program)s %(program)s
fi
"""
# `_files` would fall back to all files.
_CONFIG = f"_path_files -/ -g '*.({'|'.join(CONFIG_SUFFIXES)})(-.)'"


def zsh_script(commands: tuple[CompletedCommand, ...]) -> str:
    """Return the script."""
    keys = setting_keys()
    spellings = sorted({spelling for _, spelling, _ in option_values(commands)})
    described = " ".join(_described(command.name, command.help) for command in commands)
    first = f"names=({described}); _describe command names; {_CONFIG}"
    return _SCRIPT % {
        "program": PROGRAM,
        "settings": "\n".join(f"            ({key}) compadd -- {' '.join(w)} ;;" for key, w in keys.items() if w),
        "keys": " ".join(keys),
        "with_value": "|".join(spellings),
        "commands": "|".join(command.name for command in commands),
        "values": "\n".join(_values(commands)),
        "options": "\n".join(_options(commands)),
        "positionals": "\n".join([f"            ('') {first} ;;", *_positionals(commands)]),
    }


def _values(commands: tuple[CompletedCommand, ...]) -> Iterator[str]:
    for command, spelling, option in option_values(commands):
        yield f"            ({command}:{spelling}) {_complete(option.value, option.words)} ;;"


def _options(commands: tuple[CompletedCommand, ...]) -> Iterator[str]:
    for command in commands:
        names = f"{command.name}|''" if command.name == "run" else command.name
        listed = (_described(spelling, o.help) for o in command.options for spelling in o.spellings)
        yield f"            ({names}) names=({' '.join(listed)}) ;;"


def _positionals(commands: tuple[CompletedCommand, ...]) -> Iterator[str]:
    for command in commands:
        yield f"            ({command.name}) {_complete(command.value, command.words)} ;;"


def _described(word: str, text: str) -> str:
    # _describe separates word and description at the first colon.
    return "'" + f"{word}:{first_sentence(text)}".replace("'", "'\\''") + "'"


def _complete(value: str, words: tuple[str, ...]) -> str:
    match value:
        case "words":
            return f"compadd -- {' '.join(words)}"
        case "file":
            return "_files"
        case "folder":
            return "_files -/"
        case "config":
            return _CONFIG
        case "setting":
            return f"_{PROGRAM}_setting"
    return ":"
