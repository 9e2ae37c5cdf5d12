"""The data of a configuration file, and the way back from every value to its position in the text.

It only keeps data; reading is for `source.py` and `parser.py`, judging is for `check.py` and `rules.py`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import ConfigError, Problem

KeyPath = tuple[str | int, ...]

# With more problems than this, a file is something else than a configuration.
MAX_PROBLEMS = 100


@dataclass(frozen=True)
class Position:
    """Line and column, counted from 1. `name` is the text that they are in, where a document has several."""

    line: int = 1
    column: int = 1
    name: str = ""

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


@dataclass(frozen=True)
class Span:
    """Where a value is in the text, by index; what is written there, and whether without quotes; where its key is."""

    start: int
    end: int
    written: str
    key_start: int
    plain: bool = False

    def shifted(self, by: int) -> Span:
        """Returns the same place in a text that has `by` characters before it."""
        return replace(self, start=self.start + by, end=self.end + by, key_start=self.key_start + by)


@dataclass(frozen=True)
class TextPart:
    """One of the texts of a document. It begins at `start`, and paths in it are relative to `folder`."""

    name: str
    start: int
    folder: Path


@dataclass(frozen=True)
class KeyProblem:
    """A problem with the value at `path`, or with the key itself, before its position is looked up.

    The path is text such as `queue.name`, or its parts where a key is the user's own word. `usable` says that further
    checks may read the value all the same.
    """

    path: str | KeyPath
    what: str
    valid: str
    at_key: bool = False
    usable: bool = False

    @property
    def parts(self) -> KeyPath:
        """Returns the path as keys and indexes."""
        return tuple(self.path.split(".")) if isinstance(self.path, str) else self.path


@dataclass
class Document:
    """One configuration: a file, or several texts one after the other, with `parts` saying which is which.

    Attributes:
        unknown: paths whose value could not be determined, which has been reported already.
        environment: by path, the names and values of environment variables that are part of the value.
    """

    name: str
    text: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    spans: dict[KeyPath, Span] = field(default_factory=dict)
    unknown: set[KeyPath] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    environment: dict[KeyPath, Mapping[str, str]] = field(default_factory=dict)
    parts: list[TextPart] = field(default_factory=list)

    @cached_property
    def _line_starts(self) -> list[int]:
        starts, end = [0], self.text.find("\n")
        while end >= 0:
            starts.append(end + 1)
            end = self.text.find("\n", end + 1)
        return starts

    def position(self, index: int) -> Position:
        """Returns the position of the character at `index`."""
        line = bisect_right(self._line_starts, index)
        column = index - self._line_starts[line - 1] + 1
        if len(self.parts) < 2:
            return Position(line, column)
        part = self._part_at(index)
        return Position(line - bisect_right(self._line_starts, part.start) + 1, column, part.name)

    def _part_at(self, index: int) -> TextPart:
        return next(part for part in reversed(self.parts) if part.start <= index)

    def origin(self, path: KeyPath) -> Position | None:
        """Returns where a value stands, with the name of its text; None for one that no text has."""
        if path not in self.spans:
            return None
        position = self.position(self.spans[path].start)
        return replace(position, name=position.name or self.name)

    def folder_of(self, path: KeyPath) -> Path | None:
        """Returns the folder that a path at `path` is relative to; None where no text has the value."""
        return self._part_at(self.spans[path].start).folder if path in self.spans and self.parts else None

    def value_position(self, path: KeyPath) -> Position:
        """Returns the position of a value; for one that the file leaves out, that of the nearest section above it."""
        return self.position(self.spans[path].start) if path in self.spans else self.key_position(path)

    def key_position(self, path: KeyPath) -> Position:
        """Returns the position of a key; for one that the file leaves out, that of the nearest section above it."""
        while path and path not in self.spans:
            path = path[:-1]
        return self.position(self.spans[path].key_start) if path in self.spans else Position()

    def problem(self, position: Position, what: str, valid: str = "") -> Problem:
        """Returns a problem of this file."""
        return Problem(position.name or self.name, position.line, position.column, what, valid)

    def report(self, position: Position, what: str, valid: str = "") -> None:
        """Adds a problem.

        Raises:
            ConfigError: there are too many.
        """
        self.problems.append(self.problem(position, what, valid))
        if len(self.problems) > MAX_PROBLEMS:
            raise ConfigError(self.problems[:MAX_PROBLEMS], "There are more problems. Fix these first.")

    def report_key(self, problem: KeyProblem) -> None:
        """Adds a problem at the position of its key or value."""
        position = self.key_position(problem.parts) if problem.at_key else self.value_position(problem.parts)
        self.report(position, problem.what, problem.valid)

    def fatal(self, index: int, what: str, valid: str) -> ConfigError:
        """Returns the error to raise where nothing after this position can be understood."""
        position = self.position(index)
        return unreadable(position.name or self.name, what, valid, position)


def unreadable(name: str, what: str, valid: str, position: Position = Position()) -> ConfigError:
    """Returns the error for a problem that leaves nothing else to check."""
    return ConfigError([Problem(name, position.line, position.column, what, valid)])
