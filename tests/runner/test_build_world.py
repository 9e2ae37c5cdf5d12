"""From an atlas to the report's map: what is kept, what is cut, and what is drawn on both sides."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.process

SCALE = 0.5
"""Degrees for one of the atlas's steps."""


def build(folder: Path, geometries: list[dict[str, Any]], arcs: list[list[tuple[int, int]]]) -> Any:
    """Returns what the command writes for an atlas of these arcs, each a list of differences."""
    atlas = {
        "transform": {"scale": [SCALE, SCALE], "translate": [0, 0]},
        "arcs": arcs,
        "objects": {"countries": {"geometries": geometries}},
    }
    (folder / "countries-50m.json").write_text(json.dumps(atlas))
    (folder / "LICENSE").write_text("Copyright\na person\n")
    command = [sys.executable, "-m", "geopipe_runner.report.html.build_world", str(folder)]
    subprocess.run([*command, "--output", str(folder / "world.json")], check=True)
    return json.loads((folder / "world.json").read_text("utf-8"))


def test_a_country_of_two_arcs_loses_invisible_details(tmp_path: Path) -> None:
    """Points on a straight line, and an island without area; the notice goes along."""
    east = [(0, 0), (2, 0), (2, 0), (0, 4)]
    west = [(0, 0), (0, 4), (4, 0)]  # from the same corner the other way round
    line = [(100, 100), (2, 0), (-2, 0)]
    country = {"type": "MultiPolygon", "arcs": [[[0, -2]], [[2]]]}
    world = build(tmp_path, [country, {"type": None}], [east, west, line])
    assert world["polygons"] == [[[0, 0, 200, 0, 0, 200, -200, 0]]]
    assert world["notice"] == "Copyright a person" and "public domain" in world["about"]


def test_a_country_across_the_date_line_is_drawn_on_both_sides(tmp_path: Path) -> None:
    ring = [(358, 0), (-716, 0), (0, 4), (716, 0), (0, -4)]  # from 179 degrees east to 179 degrees west
    world = build(tmp_path, [{"type": "Polygon", "arcs": [[0]]}], [ring])
    assert world["polygons"] == [
        [[17900, 0, 200, 0, 0, 200, -200, 0]],
        [[-18100, 0, 200, 0, 0, 200, -200, 0]],
    ]
