"""How messages quote what the user wrote, name values, and guess what was meant."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from .document import KeyPath

_LONGEST = 70
_LONGEST_PATH = 300


def quote(value: Any) -> str:
    """Returns the value in double quotes, on one line, safe to print and not too long."""
    text = str(value)
    if isinstance(value, Path):
        # The end of a path says more than its beginning.
        text = text if len(text) <= _LONGEST_PATH else "..." + text[3 - _LONGEST_PATH :]
    elif len(text) > _LONGEST:
        text = text[: _LONGEST - 3] + "..."
    return json.dumps(text, ensure_ascii=not text.isprintable())


def shortened(names: Sequence[str]) -> str:
    """Returns names as text: the first ten of them, and how many more there are."""
    return ", ".join(names[:10]) + (f" and {len(names) - 10:,} more" if len(names) > 10 else "")


def dotted(path: KeyPath) -> str:
    """Returns the path in words, such as `queue.name` or `cleanup item 2`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f" item {part + 1}"
        else:
            text += ("." if text else "") + (part if part.isprintable() else quote(part))
    return text


def describe(value: Any, written: str = "") -> str:
    """Returns a value as the end of "x is ..."; `written` is how the file has it, where YAML reads something else."""
    if value is None:
        return "empty"
    if isinstance(value, bool):
        word = "true" if value else "false"
        return word if written.casefold() in ("", word) else f"{written}, which YAML takes for {word}"
    if isinstance(value, int | float):
        return f"the number {quote(written or value)[1:-1]}"
    if isinstance(value, date):
        return f"the date {quote(written or value)[1:-1]}"
    if isinstance(value, dict):
        return "a section"
    if isinstance(value, list):
        return "a list"
    return quote(value)


def one_of(written: Any, known: Iterable[Any], otherwise: str = "") -> str:
    """Returns `did you mean "x"?` where a known word is near, else `otherwise`, else the words themselves."""
    words = list(known)
    near = nearest(written, words) if isinstance(written, str) else None
    if near is not None:
        return f"did you mean {quote(near)}?"
    return otherwise or choice(words)


def choice(words: Sequence[Any]) -> str:
    """Returns `one of a, b, c`. Punctuation is quoted."""

    def shown(word: Any) -> str:
        if word is None:
            return "null"
        is_punctuation = isinstance(word, str) and not any(character.isalnum() for character in word)
        return repr(word) if is_punctuation else str(word)

    listed = ", ".join(map(shown, words))
    return f"one of {listed}" if len(words) > 1 else listed


def nearest(written: str, known: Iterable[Any]) -> str | None:
    """Returns the known word that a user who wrote `written` probably meant."""
    by_lowercase = {word.casefold(): word for word in known if isinstance(word, str)}
    matches = difflib.get_close_matches(written[:200].casefold(), by_lowercase, n=1, cutoff=0.6)
    return by_lowercase[matches[0]] if matches else None
