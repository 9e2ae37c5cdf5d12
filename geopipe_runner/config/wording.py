"""How messages quote what the user wrote, name values, and guess what was meant."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from .document import KeyPath

_LONGEST = 70


def quote(value: Any) -> str:
    """The value in double quotes, on one line, safe to print and not too long."""
    text = str(value)
    if len(text) > _LONGEST:
        text = text[: _LONGEST - 3] + "..."
    return json.dumps(text, ensure_ascii=not text.isprintable())


def dotted(path: KeyPath) -> str:
    """`queue.name`, `cleanup item 2`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f" item {part + 1}"
        else:
            text += ("." if text else "") + (part if part.isprintable() else quote(part))
    return text


def describe(value: Any, written: str = "") -> str:
    """A value as the end of "x is ...", given how it is written where that is another thing to YAML."""
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
    """`did you mean "x"?` where one of the known words is near, else `otherwise`, else the words themselves."""
    words = list(known)
    near = nearest(written, words) if isinstance(written, str) else None
    if near is not None:
        return f"did you mean {quote(near)}?"
    return otherwise or choice(words)


def choice(words: Sequence[Any]) -> str:
    """`one of a, b, c`."""
    listed = ", ".join(str(word) for word in words)
    return f"one of {listed}" if len(words) > 1 else listed


def nearest(written: str, known: Iterable[Any]) -> str | None:
    """The known word that someone who wrote `written` probably meant."""
    by_folded = {word.casefold(): word for word in known if isinstance(word, str)}
    matches = difflib.get_close_matches(written[:200].casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else None
