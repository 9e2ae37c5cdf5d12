"""The data of a configuration file, and the way back from every value to its place in the text.

It only keeps; reading is `source.py` and `parser.py`, judging is `check.py` and `rules.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..errors import ConfigError, Problem

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Place:
    """Line and column, counted from 1."""

    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


@dataclass(frozen=True)
class Span:
    """Where a value stands in the text, by index; what was written there; and where its key is."""

    start: int
    end: int
    written: str
    key_start: int


@dataclass
class Document:
    """One file. `unknown` holds paths whose value could not be determined, which has been reported already."""

    name: str
    text: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    spans: dict[KeyPath, Span] = field(default_factory=dict)
    unknown: set[KeyPath] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def place(self, index: int) -> Place:
        line_start = self.text.rfind("\n", 0, index) + 1
        return Place(self.text.count("\n", 0, index) + 1, index - line_start + 1)

    def value_place(self, path: KeyPath) -> Place:
        """Where the value of `path` stands; of what the file leaves out, where the nearest section above it does."""
        return self.place(self.spans[path].start) if path in self.spans else self.key_place(path)

    def key_place(self, path: KeyPath) -> Place:
        while path and path not in self.spans:
            path = path[:-1]
        return self.place(self.spans[path].key_start) if path in self.spans else Place()

    def problem(self, place: Place, what: str, valid: str = "") -> Problem:
        return Problem(self.name, place.line, place.column, what, valid)

    def report(self, place: Place, what: str, valid: str = "") -> None:
        self.problems.append(self.problem(place, what, valid))

    def fatal(self, index: int, what: str, valid: str) -> ConfigError:
        """The error to raise where nothing after this place can be understood."""
        return unreadable(self.name, what, valid, self.place(index))


def unreadable(name: str, what: str, valid: str, place: Place = Place()) -> ConfigError:
    """One problem that leaves nothing else to check."""
    return ConfigError([Problem(name, place.line, place.column, what, valid)])
