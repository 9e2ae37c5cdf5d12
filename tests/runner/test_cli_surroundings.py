"""Where the command is started from, and what installs it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

pytestmark = pytest.mark.process

LOCAL = str(ROOT / "config" / "local.yaml")
TAKEN = ("queue", "json", "selectors", "socket", "yaml", "moto", "boto3", "flask", "geopipe_runner", "sitecustomize")


def test_the_users_own_modules_are_not_taken_for_ours(tmp_path: Path) -> None:
    for name in TAKEN:
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('the {name} of the folder was imported')\n")
    done = subprocess.run(
        [sys.executable, str(ROOT / "run.py"), "plan", LOCAL],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "to create" in done.stdout


OLD = """#!/bin/sh
[ "$1" = -c ] && exit 1
mkdir -p "$3" "$4"
"""
WITHOUT_ENSUREPIP = """#!/bin/sh
[ "$1" = -c ] && exit 0
mkdir -p "$3/bin" && touch "$3/bin/python" && chmod +x "$3/bin/python"
echo "The virtual environment was not created successfully because ensurepip is not available." >&2
exit 1
"""


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
@pytest.mark.parametrize(
    ("python", "message"),
    [
        (OLD, "is not Python 3.11 or later. Name one that is: make PYTHON=python3.12"),
        (WITHOUT_ENSUREPIP, "cannot make a virtual environment. On Debian and Ubuntu: apt install python3-venv"),
        (None, "is not Python 3.11 or later. Name one that is: make PYTHON=python3.12"),
    ],
    ids=["too old", "no python3-venv", "none at all"],
)
def test_a_python_that_will_not_do_leaves_nothing_behind(python: str | None, message: str, tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for file in ("pyproject.toml", "requirements/run.txt"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    interpreter = tmp_path / "python"
    if python is not None:
        interpreter.write_text(python)
        interpreter.chmod(0o755)
    for _ in range(2):  # the second time says the same, and does not continue with half an environment
        done = subprocess.run(
            ["make", "run", f"PYTHON={interpreter}"],
            cwd=tmp_path,
            env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
            capture_output=True,
            text=True,
            timeout=90,
        )
        assert done.returncode == 2
        assert f"{interpreter} {message}" in done.stderr
        assert not (tmp_path / ".venv").exists()
