"""Words that are only misspelled, as opposed to words that AWS may have added since this was written.

SageMaker's own lists grow, and a word that we do not know may be right. One with a typing error cannot be.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..config.messages import nearest, quote
from .json_text import JsonPath, dotted
from .structure_checks import DefinitionProblem

# Two words are one with a typing error from this likeness on (of difflib's 0 to 1).
_ALIKE = 0.85


def misspelled(word: str, known: Iterable[str]) -> str | None:
    """Returns the known word that `word` was meant to be; None if it is known, or may be new.

    Words with digits, such as instance types, differ by little where both are right: only case and punctuation count.
    """
    words = list(known)
    if word in words:
        return None
    by_letters = {_letters(other): other for other in words}
    if _letters(word) in by_letters:
        return by_letters[_letters(word)]
    if any(map(str.isdigit, word)):
        return None
    near = difflib.get_close_matches(word[:200], words, n=1, cutoff=_ALIKE)
    return near[0] if near else None


def key_problems(value: Mapping[str, Any], known: Iterable[str], path: JsonPath) -> Iterator[DefinitionProblem]:
    """Yields the unknown keys of an object that are near a known key which it does not have."""
    absent = [key for key in known if key not in value]
    for key in value:
        near = nearest(key, absent) if key not in known else None
        if near:
            where = f"{dotted(path)} has" if path else "there is"
            yield DefinitionProblem((*path, key), f"{where} the unknown key {key!r}; did you mean {quote(near)}?")


def _letters(word: str) -> str:
    return "".join(filter(str.isalnum, word)).casefold()
