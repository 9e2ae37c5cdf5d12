"""The view of a configuration that rules and the builder have: every default filled in, faulty values out of reach.

A rule simply reads what it needs; reading something that has already been reported ends the rule without a word.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .document import Document, KeyPath
from .schema import Schema, with_defaults

# What a default path is relative to: the folder of the configurations that come with geopipe.
OWN_CONFIG_FOLDER = Path(__file__).resolve().parents[2] / "config"


class Unavailable(Exception):  # noqa: N818 - a signal, not an error
    """The value, or part of it, is faulty or not to be known."""


@dataclass(frozen=True)
class Finding:
    """What a rule has found, at a path such as `queue.name` (or its parts, where a key is the user's own word)."""

    path: str | KeyPath
    what: str
    valid: str
    at_key: bool = False


class Values:
    """Reads by dotted path."""

    def __init__(self, document: Document, schema: Schema, folder: Path, own_folder: Path = OWN_CONFIG_FOLDER) -> None:
        self._document = document
        self._data = with_defaults(schema, document.data)
        self._folder = folder
        self._own_folder = own_folder

    def __getitem__(self, dotted: str) -> Any:
        path: KeyPath = tuple(dotted.split("."))
        if any(_related(path, unknown) for unknown in self._document.unknown):
            raise Unavailable(dotted)
        return self._at(path)

    def entries(self, dotted: str) -> dict[str, Any]:
        """What is sound in a section whose keys are the user's own words."""
        path: KeyPath = tuple(dotted.split("."))
        unknown = self._document.unknown
        if any(path[:length] in unknown for length in range(1, len(path) + 1)):
            raise Unavailable(dotted)
        faulty = {place[len(path)] for place in unknown if place[: len(path)] == path}
        return {key: value for key, value in self._at(path).items() if key not in faulty}

    def _at(self, path: KeyPath) -> Any:
        value = self._data
        for part in path:
            value = value[part]
        return value

    def path(self, dotted: str) -> Path:
        """A file or folder: what the user wrote is relative to the user's file, a default to our own."""
        written = tuple(dotted.split(".")) in self._document.spans
        base = self._folder if written else self._own_folder
        return absolute(base, self[dotted])

    def written(self, dotted: str) -> bool:
        """Whether the file says it, and not a default."""
        return tuple(dotted.split(".")) in self._document.spans


def absolute(base: Path, written: str) -> Path:
    """The path without `..`, whether or not it exists."""
    path = Path(written)
    if path.parts[:1] == ("~",):
        path = Path.home().joinpath(*path.parts[1:])
    return Path(os.path.normpath(base / path))


def _related(path: KeyPath, unknown: KeyPath) -> bool:
    shorter = min(len(path), len(unknown))
    return path[:shorter] == unknown[:shorter]
