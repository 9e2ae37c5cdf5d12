"""A plan as people read it, with color where they want it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from geopipe_runner.kinds.base import MISSING, Change
from geopipe_runner.reconcile.model import Action, Plan, PlannedChange
from geopipe_runner.report.text.plan import plan_lines
from geopipe_runner.report.text.style import Colored, Style
from tests.support.paths import ROOT
from tests.support.runner_fakes import seen, thing


def text(*changes: PlannedChange) -> list[str]:
    """Returns the plan's lines without color."""
    lines = plan_lines(Plan(changes))
    return [line if isinstance(line, str) else "".join(getattr(part, "text", part) for part in line) for line in lines]


def test_every_action_has_its_line() -> None:
    changes = (Change("size", 1, 2), Change("tags.team", MISSING, "maps"))
    a = thing("a")
    assert text(
        PlannedChange(a, Action.CREATE),
        PlannedChange(thing("b"), Action.UPDATE, seen(a), changes),
        PlannedChange(thing("c"), Action.KEEP),
        PlannedChange(thing("d"), Action.DELETE),
        PlannedChange(thing("e"), Action.REFUSE, reason="it is theirs"),
        PlannedChange(thing("f"), Action.ABSENT),
    ) == [
        "  + create  thing  a",
        "  ~ update  thing  b",
        "             size: 1 → 2",
        '             tags.team: (none) → "maps"',
        "    keep    thing  c",
        "  - delete  thing  d",
        "  ! refuse  thing  e  (it is theirs)",
        "Plan: 1 to create, 1 to update, 1 to delete, 1 unchanged, 1 refused.",
    ]


def test_an_empty_plan() -> None:
    assert text() == ["Plan: 0 to create, 0 to update, 0 to delete, 0 unchanged."]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "(none)"),
        (MISSING, "(none)"),
        (True, "true"),
        ("", '""'),
        ("é", '"é"'),
        (["a", 1], '["a", 1]'),
        ({"k": None}, '{"k": null}'),
        ("x" * 500, '"' + "x" * 118 + "…"),
        (["y" * 500], '["' + "y" * 117 + "…"),
    ],
)
def test_values(value: Any, shown: str) -> None:
    line = text(PlannedChange(thing("a"), Action.UPDATE, seen(thing("a")), (Change("p", value, 0),)))[1]
    assert line == f"             p: {shown} → 0"


def test_only_the_line_of_a_resource_is_colored() -> None:
    line, summary = plan_lines(Plan((PlannedChange(thing("a"), Action.CREATE, reason="why"),)))
    assert line == (Colored("  + create  thing  a", "green"), "  (why)")
    assert isinstance(summary, str)
    assert Style(True).apply("x", "green") == "\033[32mx\033[0m"
    assert Style(True).apply("x", "") == Style(False).apply("x", "green") == "x"


COLORS = """
import io, os, sys
from geopipe_runner.report.text.style import style_for
class Terminal(io.StringIO):
    def isatty(self): return True
for name, value in (("TERM", "xterm"), ("NO_COLOR", ""), ("NO_COLOR", "1"), ("TERM", "dumb")):
    os.environ.pop("NO_COLOR", None)
    os.environ["TERM"] = "xterm"
    os.environ[name] = value
    print(style_for(Terminal()).enabled, style_for(io.StringIO()).enabled)
"""


@pytest.mark.process
def test_color_is_for_terminals_only_and_can_be_switched_off() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    done = subprocess.run(
        [sys.executable, "-c", COLORS], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["True False", "True False", "False False", "False False"]
