"""`report.html`: one page that shows a run, made from `run.json` and the results next to it. It needs no network.

Bokeh draws the map; its wheel carries its JavaScript. It is an optional extra of the package and imported only here.
Everything the page needs is inside it, and its content security policy forbids it to load more.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from ...whole_files import write_whole

NAME = "report.html"

# What to say where `available()` is false.
HOW_TO_GET = "report.html is not written: it needs the extra `report` (pip install 'geopipe-runner[report]')."


def available() -> bool:
    """Returns whether the extra is installed and works."""
    try:
        import_module("bokeh")
    except ImportError:
        return False
    return True


def write(document: Mapping[str, Any], folder: Path) -> Path:
    """Write `report.html` into `folder`, from `document` and the results.geojson and results.csv there, if any.

    Raises:
        OSError: The file cannot be written; then the page of before is still there.
        ImportError: The extra is missing.
    """
    from .page import render

    path = folder / NAME
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(path, render(document, folder))
    return path
