"""Tests without the marker `process` cannot start one: `make fast` depends on it."""

from __future__ import annotations

import os
import subprocess

import pytest


def test_an_unmarked_test_cannot_start_a_process() -> None:
    for start in (lambda: subprocess.run(["true"], check=True), lambda: os.system("true")):
        with pytest.raises(RuntimeError, match=r"starts a process: mark it with pytest\.mark\.process"):
            start()


@pytest.mark.process
def test_a_marked_test_can() -> None:
    subprocess.run(["true"], check=True)
