"""What has changed in a function's code, in a few words: a plan that lists hundreds of files is no help."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_FILES = "code.files."
_HASH = "code.sha256"


def is_of_code(path: str) -> bool:
    """Whether a changed attribute is one of a zip: its hash, or one of its files."""
    return path == _HASH or path.startswith(_FILES)


@dataclass(frozen=True)
class CodeChanges:
    """The files of a zip that differ."""

    changed: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]

    def __str__(self) -> str:
        """Returns `3 files changed, 212 added`; just `changed` where AWS did not show the code that it has."""
        counts = {"changed": self.changed, "added": self.added, "removed": self.removed}
        parts = [f"{len(names):,} {word}" for word, names in counts.items() if names]
        if not parts:
            return "changed"
        number, word = parts[0].split(" ")
        return ", ".join([f"{number} file{'' if number == '1' else 's'} {word}", *parts[1:]])

    def lines(self) -> Iterable[str]:
        """Yield one line per file, by name."""
        signs = [("~", self.changed), ("+", self.added), ("-", self.removed)]
        entries = sorted((name, sign) for sign, names in signs for name in names)
        return (f"{sign} {name}" for name, sign in entries)


def code_changes(sides: Iterable[tuple[str, bool, bool]]) -> CodeChanges | None:
    """Returns what a function's changed attributes say of its zip; None if it is the same.

    Each attribute is its path, whether it exists in AWS, and whether it should exist.
    """
    of_code = [(path.removeprefix(_FILES), old, new) for path, old, new in sides if is_of_code(path)]
    if not of_code:
        return None
    files = [entry for entry in of_code if entry[0] != _HASH]
    return CodeChanges(
        tuple(name for name, old, new in files if old and new),
        tuple(name for name, old, _ in files if not old),
        tuple(name for name, _, new in files if not new),
    )
