"""What a handler's module defines, found without running it."""

from __future__ import annotations

from pathlib import Path

import pytest

from geopipe_runner.config.file_rules import top_level_names


@pytest.mark.parametrize(
    ("code", "there"),
    [
        ("def run(event, context):\n    inner = 1\n", {"run"}),
        ("async def run(e, c): ...\n", {"run"}),
        ("from steps import run as handle\nimport os.path\n", {"handle", "os"}),
        ("run = make(1)\nother: int = 2\n", {"run", "make", "other", "int"}),
        ("try:\n    from a import run\nexcept ImportError:\n    def run(e, c): ...\n", {"run", "ImportError"}),
        ("if True:\n    class Run:\n        def method(self): ...\n", {"Run"}),
        ("from steps import *\n", None),
        ("def run(:\n", None),
        ("", set()),
    ],
)
def test_names(tmp_path: Path, code: str, there: set[str] | None) -> None:
    module = tmp_path / "handler.py"
    module.write_text(code)
    assert top_level_names(module) == there
