"""A changed zip in a plan: how many files differ, and on request which."""

from __future__ import annotations

import pytest

from geopipe_runner.report.code_changes import code_changes

HASH = ("code.sha256", True, True)


@pytest.mark.parametrize(
    ("changed", "added", "removed", "text"),
    [
        (3, 212, 0, "3 files changed, 212 added"),
        (1, 0, 2, "1 file changed, 2 removed"),
        (0, 1234, 1, "1,234 files added, 1 removed"),
        (0, 0, 1, "1 file removed"),
        (0, 0, 0, "changed"),
    ],
)
def test_the_summary(changed: int, added: int, removed: int, text: str) -> None:
    sides = [HASH]
    for word, count, old, new in (("c", changed, True, True), ("a", added, False, True), ("r", removed, True, False)):
        sides += [(f"code.files.{word}/{number}.py", old, new) for number in range(count)]
    code = code_changes(sides)
    assert str(code) == text
    assert code is not None
    assert len(list(code.lines())) == changed + added + removed


def test_files_are_listed_by_name() -> None:
    sides = [("code.files.b.py", True, True), ("code.files.a.b.py", False, True), ("code.files.c", True, False)]
    code = code_changes([*sides, HASH])
    assert code is not None
    assert list(code.lines()) == ["+ a.b.py", "~ b.py", "- c"]


@pytest.mark.parametrize("path", ["timeout", "environment.code.files.x", "code.image", "code"])
def test_other_attributes_are_not_code(path: str) -> None:
    assert code_changes([(path, True, True)]) is None
