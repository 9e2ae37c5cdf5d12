"""The script for bash. It also works in bash 3.2, which macOS has."""

from __future__ import annotations

from collections.abc import Iterator

from .words import CONFIG_SUFFIXES, PROGRAM, CompletedCommand, option_values, setting_keys

_SCRIPT = r"""# Completion of %(program)s for bash. Written by `%(program)s completion bash`.

_%(program)s_files() {  # word, suffix ...: folders, and files with one of the suffixes (all files without one)
    local word=$1 file suffix
    shift
    while IFS= read -r file; do
        if [[ -d $file || $# -eq 0 ]]; then
            COMPREPLY+=("$file")
            continue
        fi
        for suffix in "$@"; do
            [[ $file == *."$suffix" ]] && COMPREPLY+=("$file")
        done
    done < <(compgen -f -- "$word")
    type compopt &>/dev/null && compopt -o filenames
}

_%(program)s_words() {  # word, candidate ...
    local word=$1
    shift
    while IFS= read -r candidate; do
        COMPREPLY+=("$candidate")
    done < <(compgen -W "$*" -- "$word")
}

_%(program)s_setting() {  # word: a key with `=`, or a value of the key in front of it
    local candidate values=
    case $1 in
%(settings)s
        *=*) ;;
        *)
            _%(program)s_words "$1" %(keys)s
            type compopt &>/dev/null && compopt -o nospace
            return ;;
    esac
    for candidate in $values; do
        [[ ${1%%%%=*}=$candidate == "$1"* ]] && COMPREPLY+=("${1%%%%=*}=$candidate")
    done
}

_%(program)s() {
    local -a words
    local word joined='' command='' option='' index candidate
    words=()
    COMPREPLY=()
    # bash takes `--output=json` apart at the `=`.
    for ((index = 1; index <= COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        if [[ $word == = && ${#words[@]} -gt 0 ]]; then
            words[${#words[@]}-1]+==
            joined=yes
        elif [[ $joined ]]; then
            words[${#words[@]}-1]+=$word
            joined=''
        else
            words+=("$word")
        fi
    done
    local last=$((${#words[@]} - 1))
    local current=${words[last]}
    for ((index = 0; index < last; index++)); do
        word=${words[index]}
        if [[ $option ]]; then
            option=''
            continue
        fi
        case $word in
            %(with_value)s) option=$word ;;
            -*) ;;
            %(commands)s) [[ $command ]] || command=$word ;;
            *) [[ $command ]] || command=run ;;
        esac
    done
    local prefix=''
    if [[ -z $option && $current == --*=* ]]; then
        option=${current%%%%=*}
        prefix=$option=
        current=${current#*=}
    fi
    if [[ $option ]]; then
        case $command:$option in
%(values)s
        esac
        [[ $prefix && ${#COMPREPLY[@]} -gt 0 ]] && COMPREPLY=("${COMPREPLY[@]/#/$prefix}")
    elif [[ $current == -* ]]; then
        case $command in
%(options)s
        esac
    else
        case $command in
%(positionals)s
        esac
    fi
    # Of a word with `=`, only what follows the last one is replaced.
    word=$prefix$current
    if [[ $word == *=* && $COMP_WORDBREAKS == *=* ]]; then
        for index in "${!COMPREPLY[@]}"; do
            COMPREPLY[index]=${COMPREPLY[index]#"${word%%=*}="}
        done
    fi
}

complete -F _%(program)s %(program)s
"""


def bash_script(commands: tuple[CompletedCommand, ...]) -> str:
    """Return the script."""
    keys = setting_keys()
    spellings = sorted({spelling for _, spelling, _ in option_values(commands)})
    positional = {command.name: _complete(command.value, command.words) for command in commands}
    first = f'_{PROGRAM}_words "$current" {" ".join(positional)}; {_complete("config", ())}'
    return _SCRIPT % {
        "program": PROGRAM,
        "settings": "\n".join(
            f"        {key}=*) values='{' '.join(words)}' ;;" for key, words in keys.items() if words
        ),
        "keys": " ".join(f"{key}=" for key in keys),
        "with_value": "|".join(spellings),
        "commands": "|".join(positional),
        "values": "\n".join(_values(commands)),
        "options": "\n".join(_options(commands)),
        "positionals": "\n".join([f"            '') {first} ;;", *_positionals(positional)]),
    }


def _values(commands: tuple[CompletedCommand, ...]) -> Iterator[str]:
    for command, spelling, option in option_values(commands):
        yield f"            {command}:{spelling}) {_complete(option.value, option.words)} ;;"


def _options(commands: tuple[CompletedCommand, ...]) -> Iterator[str]:
    for command in commands:
        spellings = " ".join(spelling for option in command.options for spelling in option.spellings)
        names = f"{command.name}|''" if command.name == "run" else command.name
        yield f'            {names}) _{PROGRAM}_words "$current" {spellings} ;;'


def _positionals(positional: dict[str, str]) -> Iterator[str]:
    for name, action in positional.items():
        yield f"            {name}) {action} ;;"


def _complete(value: str, words: tuple[str, ...]) -> str:
    match value:
        case "words":
            return f'_{PROGRAM}_words "$current" {" ".join(words)}'
        case "file":
            return f'_{PROGRAM}_files "$current"'
        case "folder":
            return f'_{PROGRAM}_files "$current" /'  # no file ends with `./`
        case "config":
            return f'_{PROGRAM}_files "$current" {" ".join(CONFIG_SUFFIXES)}'
        case "setting":
            return f'_{PROGRAM}_setting "$current"'
    return ":"
