"""What a plan says about the code of functions, before anything is created."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from geopipe_runner.config import load
from geopipe_runner.stages.connection import runtime_notes
from tests.support.config_files import MINIMAL_CONFIG

HOST = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.mark.parametrize(
    ("runtime", "more", "expected"),
    [
        ("python3.99", "", (f"Functions with the runtime python3.99 run on this machine's Python {HOST}.",)),
        (f"python{HOST}", "", ()),
        # Nothing is known about the machine of another emulator. It says the same on its standard error.
        ("python3.99", "endpoint: http://127.0.0.1:4566\n", ()),
    ],
)
def test_a_plan_says_on_which_python_functions_run_offline(
    tmp_path: Path, runtime: str, more: str, expected: tuple[str, ...]
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"{MINIMAL_CONFIG}{more}function: {{runtime: {runtime}}}\n", encoding="utf-8")
    config = load(path)
    notes = [note for function in config.every_function.values() for note in runtime_notes(config, function)]
    assert tuple(notes) == expected
