"""The values of a configuration as rules and the builder read them: with every default, and without faulty values.

A rule reads what it needs. Reading a value whose problem has been reported already ends the rule silently.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..packaged import own_folder
from ..path_checks import expand_home
from .document import Document, KeyPath
from .local_files import LocalFiles
from .schema import Schema, with_defaults

# What a default path is relative to: the folder of the configurations that come with geopipe.
OWN_CONFIG_FOLDER = own_folder() / "config"


class Unavailable(Exception):  # noqa: N818 - a signal, not an error
    """The value, or a part of it, is faulty or unknown."""


class Values:
    """Reads by dotted path."""

    def __init__(
        self,
        document: Document,
        schema: Schema,
        folder: Path,
        own_folder: Path = OWN_CONFIG_FOLDER,
        files: LocalFiles | None = None,
    ) -> None:
        """`files` has what other configurations that are loaded now have read of the same files."""
        self.files = files or LocalFiles()
        self._document = document
        self._data = with_defaults(schema, document.data)
        self._folder = folder
        self._own_folder = own_folder

    def __getitem__(self, dotted: str) -> Any:
        path: KeyPath = tuple(dotted.split("."))
        if self._document.unknown and any(_related(path, unknown) for unknown in self._document.unknown):
            raise Unavailable(dotted)
        return self._at(path)

    def get(self, dotted: str) -> Any:
        """Returns a value, even if something in it is faulty. Raises Unavailable if it is faulty itself."""
        path: KeyPath = tuple(dotted.split("."))
        if any(path[:length] in self._document.unknown for length in range(1, len(path) + 1)):
            raise Unavailable(dotted)
        return self._at(path)

    def entries(self, dotted: str) -> dict[str, Any]:
        """Returns the sound entries of a section whose keys are the user's own words."""
        path: KeyPath = tuple(dotted.split("."))
        entries = self.get(dotted)
        faulty = {place[len(path)] for place in self._document.unknown if place[: len(path)] == path}
        return {key: value for key, value in entries.items() if key not in faulty}

    def _at(self, path: KeyPath) -> Any:
        value = self._data
        for part in path:
            value = value[part]
        return value

    def path(self, dotted: str) -> Path:
        """Returns a file or folder: what the user wrote is relative to the user's file, a default to our own."""
        value = self[dotted]
        if value is None:
            return absolute(self._own_folder, _CHOSEN_DEFAULTS[dotted](self))
        return absolute(self._folder_of(tuple(dotted.split("."))) if self.written(dotted) else self._own_folder, value)

    def paths(self, dotted: str) -> dict[KeyPath, Path]:
        """Returns the files or folders of a key that takes one or a list of them, with the path of its value."""
        key: KeyPath = tuple(dotted.split("."))
        value = self[dotted]
        if isinstance(value, list):
            paths = {(*key, index): absolute(self._folder_of((*key, index)), item) for index, item in enumerate(value)}
        else:
            paths = {key: self.path(dotted)}
        own = _ADDED_PATHS.get(dotted, _nothing)(self)
        return {(*key, own): absolute(self._own_folder, own), **paths} if own else paths

    def relative(self, path: KeyPath, written: str) -> Path:
        """Returns a path that the user wrote at `path`, relative to the file that has it."""
        return absolute(self._folder_of(path), written)

    def _folder_of(self, path: KeyPath) -> Path:
        return self._document.folder_of(path) or self._folder

    def written(self, dotted: str) -> bool:
        """Whether the value is in the file, and not a default."""
        return tuple(dotted.split(".")) in self._document.spans

    def written_keys(self, dotted: str) -> list[str]:
        """Returns the keys of a section that are in the file."""
        path: KeyPath = tuple(dotted.split("."))
        return [str(key) for key in self.get(dotted) if (*path, key) in self._document.spans]

    def plain_text(self, path: KeyPath) -> str | None:
        """Returns a value as it is written without quotes; None for one in quotes, and for a default."""
        span = self._document.spans.get(path)
        return span.written if span is not None and span.plain else None


def _own_template(values: Values) -> str:
    kind, provider = values["job.kind"], values["job.provider"]
    in_parts = kind == "map_rows" or (kind == "reverse_geocoding" and provider != "sagemaker_geospatial")
    return f"../pipeline_templates/{'reverse_geocoding_parts' if in_parts else 'reverse_geocoding'}.json.j2"


# Defaults that depend on other values; in the schema they are null.
_CHOSEN_DEFAULTS: Mapping[str, Callable[[Values], str]] = {
    "pipeline.template": _own_template,
    "input.source": lambda values: "../resources/latlongtest.csv",
}


def _nothing(_values: Values) -> str:
    return ""


def _own_function(values: Values) -> str:
    """Returns the folder of geopipe's own function where the user's modules do not stand alone."""
    return "../lambda" if values["job.kind"] == "map_rows" and values.written("function.source") else ""


# Files that come before those that the user names.
_ADDED_PATHS: Mapping[str, Callable[[Values], str]] = {"function.source": _own_function}


def absolute(base: Path, written: str) -> Path:
    """Returns the path without `..`, whether or not it exists."""
    path = Path(written)
    if path.parts[:1] == ("~",):
        path = expand_home(path)
    return Path(os.path.normpath(base / path))


def _related(path: KeyPath, unknown: KeyPath) -> bool:
    shorter = min(len(path), len(unknown))
    return path[:shorter] == unknown[:shorter]
