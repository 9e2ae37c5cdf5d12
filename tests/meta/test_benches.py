"""Every bench and harness can say what it does: a program that is rarely run is broken without notice otherwise."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.paths import ROOT

PROGRAMS = [
    *(f"tests.bench.{path.stem}" for path in (ROOT / "tests/bench").glob("*.py")),
    *(f"tests.robustness.{path.parent.name}.harness" for path in (ROOT / "tests/robustness").glob("*/harness.py")),
]


@pytest.mark.parametrize("program", sorted(PROGRAMS))
def test_it_explains_itself(program: str) -> None:
    done = subprocess.run([sys.executable, "-m", program, "--help"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("usage: ")
