"""The linters of this project in `tools/` find what they are there for; the tests keep to their layout."""

from __future__ import annotations

import ast
from fnmatch import fnmatchcase

import pytest

from tests.support.paths import ROOT
from tests.support.source_files import sources
from tools.class_names import repeated_names
from tools.words import ALLOWED, AVOIDED, avoided_words, our_files


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("The run mends the policy.", "mends"),
        ("def _tell_all() -> None:", "tell"),
        ("class SlowTruth:", "Slow Truth"),
        ("Go ahead at once", "at once"),
        ("It is beside the map", "beside"),
        ("WHOEVER reads this", "WHOEVER"),
        ("the job goes on", "goes on"),
        ("serialise(colour)", "serialise"),
        ("a colourless line", "colourless"),
        ("def look(self) -> None:", "def look"),
        ('Error("told")', "told"),
    ],
)
def test_an_avoided_word_is_found(text: str, word: str) -> None:
    assert [(line, match) for line, match, _ in avoided_words(f"first line\n{text}\n", "file.py")][:1] == [(2, word)]


@pytest.mark.parametrize(
    "text",
    [
        "besides, an amendment recommends a folder",
        "casefold() of an intelligent bookteller",
        "look at the log, look up the name",
        "color, serialize, comprise, exercise, advertised, analysis, four hours",
        "once at a time",
    ],
)
def test_other_words_are_not(text: str) -> None:
    assert list(avoided_words(text, "file.py")) == []


def test_every_exception_is_used_and_has_a_reason() -> None:
    unused = []
    for use in ALLOWED:
        texts = [(ROOT / file).read_text(encoding="utf-8") for file in our_files() if fnmatchcase(file, use.files)]
        if not use.reason or not any(use.text in text for text in texts):
            unused.append(use)
    assert unused == []


def test_every_avoided_word_has_a_replacement() -> None:
    assert all(avoided.instead for avoided in AVOIDED)
    assert len(AVOIDED) > 15


def test_the_linter_reads_the_product_the_documents_and_the_tests() -> None:
    files = set(our_files())
    assert files >= {"README.md", "Makefile", "lambda/handler.py", "docs/architecture.md", "tests/conftest.py"}
    assert not [file for file in files if file.startswith((".venv", "requirements/")) or file == "LICENSE"]


def test_a_class_name_in_two_files_is_found() -> None:
    nested = ast.parse("def make():\n    class Plan:\n        pass\n")
    trees = [
        ("a.py", ast.parse("class Plan:\n    pass\n")),
        ("b.py", nested),
        ("c.py", ast.parse("class Planner: ...")),
    ]
    assert repeated_names(trees) == {"Plan": ["a.py:1", "b.py:2"]}


def test_no_test_imports_another_test() -> None:
    """Shared code is in `tests/support/`; a harness is a program of its own, which nothing imports."""
    wrong = []
    for source in sources("tests"):
        if source.place.parts[1] == "support":
            continue
        for name in source.imports:
            if name.split(".")[0] == "tests" and name.split(".")[1] != "support":
                wrong.append(f"{source.place}: {name}")
    assert wrong == []


def test_no_test_edits_the_import_path() -> None:
    """Pytest's `pythonpath` says where imports come from. A hook of a child process is not a test."""
    wrong = []
    for source in sources("tests"):
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.path":
                wrong.append(f"{source.place}:{node.lineno}")
    assert wrong == []
