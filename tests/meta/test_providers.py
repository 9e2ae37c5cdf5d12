"""The page on providers shows what `gazetteer` is in the runner, and all that it is there."""

from __future__ import annotations

import re
from typing import get_args

from geopipe_runner.config.model import Provider
from tests.support.paths import ROOT

PAGE = (ROOT / "docs/how-to/choose-a-provider.md").read_text(encoding="utf-8")
MODULE = "geopipe_runner/jobs/gazetteer.py"


def test_the_page_shows_the_module_as_it_is() -> None:
    shown = re.search(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert shown is not None
    assert shown[1] == (ROOT / MODULE).read_text(encoding="utf-8")


def test_the_lines_of_its_diff_are_those_of_the_files() -> None:
    diff = re.search(r"^```diff\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert diff is not None
    added = [line[1:] for line in diff[1].splitlines() if line.startswith("+")]
    files = [(ROOT / "geopipe_runner" / name).read_text("utf-8") for name in ("jobs/registry.py", "config/model.py")]
    lines = {line for text in files for line in text.splitlines()}
    assert [line for line in added if line not in lines] == []


def test_nothing_else_in_the_runner_knows_the_provider() -> None:
    knowing = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "geopipe_runner").rglob("*.py")
        # `places.gazetteer` and the module of the package are the places themselves.
        if re.search(r"\"gazetteer\"|from \.gazetteer\b|\.jobs\.gazetteer\b", path.read_text(encoding="utf-8"))
    }
    assert knowing == {MODULE, "geopipe_runner/jobs/registry.py", "geopipe_runner/config/model.py"}


def test_the_table_has_every_provider() -> None:
    heading = next(line for line in PAGE.splitlines() if line.startswith("| | "))
    assert set(re.findall(r"`(\w+)`", heading)) == set(get_args(Provider))
