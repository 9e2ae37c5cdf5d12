"""The example notebook runs from top to bottom in a kernel of its own, and is committed without its outputs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import ROOT

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed: pip install -r requirements/dev.txt")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: pip install -r requirements/dev.txt")

NOTEBOOK = ROOT / "docs/examples/notebook.ipynb"


def outputs_of(cell: Any) -> str:
    """Returns all that a cell shows, as text or HTML."""
    data = [output.get("data", {"text/plain": output.get("text", "")}) for output in cell.outputs]
    return "\n".join(text for found in data for text in found.values())


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(NOTEBOOK.parent)}}
    # A cell that fails raises CellExecutionError with its traceback.
    nbclient.NotebookClient(notebook, timeout=300, startup_timeout=300, resources=resources).execute()

    shown = {cell.id: outputs_of(cell) for cell in notebook.cells if cell.cell_type == "code"}
    everything = "\n".join(shown.values())
    assert "Paris" in everything or "FRA" in everything
    assert "('Succeeded', 200, 200)" in everything
    assert "did you mean" in everything.lower()  # the error at the end
    (drawn,) = [text for text in shown.values() if "<svg" in text]
    assert len(re.findall("<circle ", drawn)) == 200
    assert drawn.count("M") > 200  # the outlines of countries


def test_the_notebook_is_committed_without_outputs() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.id for cell in code if cell.outputs or cell.execution_count is not None] == []
