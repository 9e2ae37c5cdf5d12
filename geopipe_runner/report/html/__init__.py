"""`report.html`: one page that shows a run, made from `run.json` and the results beside it, that needs no network.

The map is drawn by Bokeh, whose wheel carries its JavaScript; it is an optional extra of the package and loaded here
only. Everything the page needs is inside it, and its content security policy forbids it to ask for more.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

NAME = "report.html"

HOW_TO_GET = "report.html is not written: it needs the extra `report` (pip install 'geopipe[report]')."
"""What to tell where `available()` is false."""


def available() -> bool:
    """Whether the extra is installed and works."""
    try:
        import_module("bokeh")
    except ImportError:
        return False
    return True


def write(document: Mapping[str, Any], folder: Path) -> Path:
    """Write `report.html` into `folder`, from `document` and the results.geojson and results.csv there, if any.

    The file takes its name when it is whole. Raises OSError where it cannot be written, ImportError without the extra.
    """
    from .page import render

    path = folder / NAME
    part = path.with_name(f".{NAME}.part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.write_text(render(document, folder), "utf-8", errors="replace")
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    return path
