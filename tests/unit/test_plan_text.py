"""A plan as people read it, with colour where they want it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from runner_fakes import ROOT, seen, thing

from geopipe_runner.kinds.base import MISSING, Change
from geopipe_runner.reconcile.model import Action, Plan, Step
from geopipe_runner.report import plan_text
from geopipe_runner.report.paint import Paint

PLAIN = Paint(False)


def text(*steps: Step, paint: Paint = PLAIN) -> list[str]:
    return list(plan_text.lines(Plan(steps), paint))


def test_every_action_has_its_line() -> None:
    changes = (Change("size", 1, 2), Change("tags.team", MISSING, "maps"))
    a = thing("a")
    assert text(
        Step(a, Action.CREATE),
        Step(thing("b"), Action.UPDATE, seen(a), changes),
        Step(thing("c"), Action.KEEP),
        Step(thing("d"), Action.DELETE),
        Step(thing("e"), Action.REFUSE, reason="it is theirs"),
        Step(thing("f"), Action.ABSENT),
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
    line = text(Step(thing("a"), Action.UPDATE, seen(thing("a")), (Change("p", value, 0),)))[1]
    assert line == f"             p: {shown} → 0"


def test_colour_is_laid_around_the_line_only() -> None:
    line, summary = text(Step(thing("a"), Action.CREATE), paint=Paint(True))
    assert line == "\033[32m  + create  thing  a\033[0m"
    assert "\033" not in summary
    assert Paint(True)("x", "") == "x"


COLOURS = """
import io, os, sys
from geopipe_runner.report.paint import for_stream
class Terminal(io.StringIO):
    def isatty(self): return True
for name, value in (("TERM", "xterm"), ("NO_COLOR", ""), ("NO_COLOR", "1"), ("TERM", "dumb")):
    os.environ.pop("NO_COLOR", None)
    os.environ["TERM"] = "xterm"
    os.environ[name] = value
    print("\\033" in for_stream(Terminal())("x", "red"), "\\033" in for_stream(io.StringIO())("x", "red"))
"""


def test_no_colour_where_nobody_looks_or_somebody_asks_for_none() -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    done = subprocess.run(
        [sys.executable, "-c", COLOURS], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["True False", "True False", "False False", "False False"]
