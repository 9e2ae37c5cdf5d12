"""Fails on words that this project avoids, in code, tests, messages and documents.

    python -m tools.words [FILE ...]

Prints `file:line: word: what to write instead` for each, and exits with 1 if there is one. Names in code count too:
`slow_truth` and `SlowTruth` read as "slow truth". docs/vocabulary.md lists the words that we use.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

_TEXT_SUFFIXES = {".py", ".md", ".toml", ".yaml", ".yml", ".j2", ".js", ".css", ".json", ""}
# Not our words: the license, pinned requirements, generated data, and this list.
_NOT_OURS = (
    "LICENSE",
    "requirements/*",
    "*/world.json",
    "tools/words.py",
    "tests/meta/test_lint.py",
)


@dataclass(frozen=True)
class AvoidedWord:
    """A word as a regular expression, what to write instead, and the files in which it is avoided."""

    pattern: re.Pattern[str]
    instead: str
    files: str = "*"


@dataclass(frozen=True)
class AllowedUse:
    """A place where an avoided word is right: the files, the text around it, and the reason."""

    files: str
    text: str
    reason: str


def _avoid(pattern: str, instead: str, files: str = "*") -> AvoidedWord:
    return AvoidedWord(re.compile(rf"\b(?:{pattern})\b", re.IGNORECASE), instead, files)


AVOIDED = (
    _avoid("anew", "again"),
    _avoid("tells?|telling|told", "print, emit, report or say"),
    _avoid("mend(?:s|ed|ing)?", "repair or fix"),
    _avoid("whoever", "the person, role or process that is meant"),
    _avoid("whatever", "everything, anything or any, with the noun"),
    # In documents for users, "somebody else" is plain English.
    _avoid("nobody|somebody", "no one, or the person or process that is meant", files="*.py"),
    _avoid("beside", "next to"),
    _avoid("at once", "immediately, or at the same time"),
    _avoid("go on|goes on|going on|went on|gone on", "continue"),
    _avoid("comes? about|coming about|came about", "happen"),
    _avoid("takes? up|taking up|taken up|took up", "resume or start"),
    _avoid("lets? go of|letting go of", "release"),
    _avoid("brings? home|brought home", "fetch"),
    _avoid("slow truths?", "eventual consistency"),
    _avoid("rubble", "leftovers"),
    _avoid("fold(?:s|ed|ing)?", "combine, or lower case"),
    _avoid("doomed", "to be deleted"),
    _avoid("hotels?", "a word for what is meant"),
    # Only as a name: "look up" and "look at" are plain English.
    AvoidedWord(re.compile(r"\bdef look\b|\.look\(|\bclass Look\b|\bSight\b"), "refresh or observe"),
    _avoid(
        "(?:author|capital|categor|character|custom|emphas|final|general|initial|minim|maxim|normal|optim|organ"
        "|priorit|real|recogn|serial|deserial|summar|synchron|token|util|visual)is(?:e|es|ed|ing|er|ers|ation|ations)",
        "American spelling: -ize",
    ),
    _avoid("(?:behavi|col|fav|hon|lab|neighb)our(?:s|ed|ing|able|ite|ites|less)?", "American spelling: -or"),
    _avoid("centres?|centred|licences?|greyed|grey|whilst|catalogues?|analyse[sd]?", "American spelling"),
)

ALLOWED: tuple[AllowedUse, ...] = (
    AllowedUse("geopipe_runner/results/save.py", "def tell(", "pyarrow calls this method of a file"),
    AllowedUse("geopipe_runner/aws/upload.py", "def tell(", "botocore calls this method of a file"),
    AllowedUse("tests/runner/*", ".tell()", "a method of files"),
)


def avoided_words(text: str, file: str) -> Iterator[tuple[int, str, str]]:
    """Yields line number, word and replacement of each avoided word in the text of a file."""
    avoided_here = [avoided for avoided in AVOIDED if fnmatchcase(file, avoided.files)]
    allowed = [use.text for use in ALLOWED if fnmatchcase(file, use.files)]
    for number, line in enumerate(text.splitlines(), 1):
        for use in allowed:
            line = line.replace(use, "")
        words = _as_words(line)
        for avoided in avoided_here:
            for match in avoided.pattern.finditer(words):
                yield number, match[0], avoided.instead


def _as_words(line: str) -> str:
    """Splits names into words, so that `_tell_all` and `TellAll` contain "tell"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", line.replace("_", " "))


def our_files() -> list[str]:
    """Returns the text files in the repository, apart from those that are not our words."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(
        name
        for name in listed.stdout.split("\0")
        if name
        and Path(name).suffix in _TEXT_SUFFIXES
        and (ROOT / name).is_file()
        and not any(fnmatchcase(name, pattern) for pattern in _NOT_OURS)
    )


def main(arguments: Sequence[str]) -> int:
    """Print the avoided words in the named files, or in all of ours."""
    count = 0
    for file in arguments or our_files():
        for number, word, instead in avoided_words((ROOT / file).read_text(encoding="utf-8"), file):
            print(f"{file}:{number}: {word}: write {instead}")
            count += 1
    if count:
        print(f"{count} avoided words; tools/words.py lists them and takes exceptions with a reason")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
