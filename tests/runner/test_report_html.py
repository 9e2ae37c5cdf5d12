"""The page: what it shows, that it loads nothing from elsewhere, and that no data becomes markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pytest

from geopipe_runner.report import html
from geopipe_runner.report.html import points, rows
from geopipe_runner.report.html.graph import drawings
from geopipe_runner.report.html.page import render
from geopipe_runner.report.html.timeline import build_timeline
from geopipe_runner.report.text.messages import clock, percent, span
from tests.support.report_runs import Document, Row, dry, failed, refused, save_results, succeeded

pytestmark = pytest.mark.slow

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'><!--"
LIBRARY = "'a </script> and a <!-- in a text'"


class Page(HTMLParser):
    """A page as a browser takes it: elements with their attributes, and the text of each kind of element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.source = text
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = [""]
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "input", "img"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        self.texts.append((self._open[-1], data))

    @property
    def words(self) -> str:
        """What is to be read, its blanks made one."""
        return " ".join(" ".join(text for tag, text in self.texts if tag not in ("script", "style")).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def scripts(self) -> list[str]:
        return [text for tag, text in self.texts if tag == "script"]


def page(document: Document, folder: Path) -> Page:
    return Page(render(document, folder, lambda: [LIBRARY]))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    save_results(
        tmp_path,
        [Row((-74.0445, 40.6892), "Battery Park City, USA"), Row((2.2945, 48.8584), HOSTILE, HOSTILE), Row(None, "?")],
    )
    return tmp_path


def test_a_run_that_succeeded(results: Path) -> None:
    shown = page(succeeded(), results)
    for words in ("local", "Succeeded", "200 of 200 rows", "4 of 4", "Plan applied", "Everything is cleaned up."):
        assert words in shown.words
    for step in succeeded()["steps"]:
        assert step["name"] in shown.words
    assert "What went wrong" not in shown.words


def test_a_job_that_does_not_mark_valid_rows(results: Path) -> None:
    document = succeeded()
    assert any(str(cell.get("class")).startswith("status") for cell in page(document, results).all("td"))
    document["results"]["valid"] = None
    shown = page(document, results)
    assert "200 of 200 rows" not in shown.words and "0 %" not in shown.words
    assert not any(str(cell.get("class")).startswith("status") for cell in shown.all("td"))


def test_a_branch_that_was_not_taken_is_not_a_missing_step(tmp_path: Path) -> None:
    document = succeeded()
    document["definition"].append({**document["definition"][0], "name": "else", "type": "Fail"})
    words = page(document, tmp_path).words
    assert "4 of 4" in words and "Not started" in words


def test_a_run_that_failed_says_why_before_all_else(tmp_path: Path) -> None:
    document = failed()
    words = page(document, tmp_path).words
    for text in (*document["failure"]["log_lines"], document["failure"]["job_error"], document["failure"]["advice"]):
        assert text in words
    assert words.index("What went wrong") < words.index("input-column-missing") < words.index("Summary")
    assert "Not started" in words and "Still there:" in words


@pytest.mark.parametrize("document", [succeeded(), failed(), dry(), refused()], ids=["done", "failed", "dry", "early"])
def test_every_end_of_a_command_has_a_page(document: Document, tmp_path: Path) -> None:
    path = html.write(document, tmp_path / "new")
    assert [entry.name for entry in path.parent.iterdir()] == ["report.html"]
    assert path.read_text("utf-8").startswith("<!doctype html>")


def test_a_plan_that_was_not_applied_says_so(tmp_path: Path) -> None:
    words = page(dry(), tmp_path).words
    assert "Not run" in words and "Nothing was applied." in words and "to create" in words


def test_without_saved_results_the_page_says_so(tmp_path: Path) -> None:
    words = page(succeeded(), tmp_path).words
    assert "The points were not saved" in words and "The rows were not saved" in words


def test_the_page_loads_nothing_from_elsewhere(results: Path) -> None:
    """It has no elements that load something, and links only to places in itself."""
    shown = page(succeeded(), results)
    assert {tag for tag, _ in shown.elements}.isdisjoint({"link", "img", "iframe", "object", "embed", "base", "form"})
    assert not any({"src", "srcset", "action", "xlink:href"} & set(attributes) for _, attributes in shown.elements)
    assert {(attributes["href"] or "")[0] for attributes in shown.all("a")} == {"#"}
    style = "".join(text for tag, text in shown.texts if tag == "style")
    assert "url(" not in style and "@import" not in style
    ours = (Path(html.__file__).parent / name for name in ("map.js", "table.js"))
    assert not any(re.search(r"https?:|fetch\(|XMLHttpRequest|import\(", script.read_text("utf-8")) for script in ours)


def test_the_page_forbids_what_it_does_not_need(results: Path) -> None:
    """Its policy names each script by its hash, so that a script from the data would not run either."""
    shown = page(succeeded(), results)
    policy = next(meta["content"] or "" for meta in shown.all("meta") if meta.get("http-equiv"))
    runs = [text for text in shown.scripts if not text.startswith("{")]
    hashes = {base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in runs}
    assert policy.startswith("default-src 'none';") and "http" not in policy and "unsafe-eval" not in policy
    assert set(re.findall(r"'sha256-([^']+)'", policy)) == hashes and len(hashes) == 3


def with_text(value: Any, by: str) -> Any:
    """The same document with more text wherever text may be anything."""
    if isinstance(value, dict):
        return {key: item if key in KEPT else with_text(item, by) for key, item in value.items()}
    if isinstance(value, list):
        return [with_text(item, by) for item in value]
    return value + by if isinstance(value, str) else value


KEPT = ("action", "kind", "key", "summary", "began", "ended", "started", "depends_on")


@pytest.mark.parametrize("document", [succeeded(), failed(), refused()], ids=["done", "failed", "early"])
def test_no_text_becomes_markup(document: Document, results: Path) -> None:
    plain, hostile = (page(with_text(document, by), results) for by in ("x" * len(HOSTILE), HOSTILE))
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in plain.elements]
    assert not any(name.startswith("on") for _, attributes in hostile.elements for name in attributes)
    assert HOSTILE in hostile.words


def test_cells_and_labels_stay_text(results: Path) -> None:
    shown = page(succeeded(), results)
    assert shown.words.count(HOSTILE) == 2  # the label's cell and the status's
    [data] = [json.loads(text) for text in shown.scripts if text.startswith("{")]
    assert data["label"][1] == HOSTILE and data["statuses"] == ["Valid Data", HOSTILE]
    assert len(shown.all("script")) == 4  # the library, the map, its data, the table


def test_half_a_surrogate_pair_is_shown_as_an_escape(tmp_path: Path) -> None:
    save_results(tmp_path, [Row((1, 2), "x")])
    line = (tmp_path / "results.geojson").read_text("utf-8").replace('"x"', '"\\ud800"')
    (tmp_path / "results.geojson").write_text(line, "utf-8")
    on_map = points.read(tmp_path / "results.geojson")
    assert on_map and on_map.label == ["\ud800"]
    document = succeeded() | {"notes": ["\ud800 lone"]}
    text = render(document, tmp_path, lambda: [LIBRARY])
    assert "\\ud800 lone" in text and '"label":["\\\\ud800"]' in text.replace(", ", ",").replace(": ", ":")
    assert text.encode("utf-8")


def test_place_names_of_the_emulator_come_from_geonames(results: Path) -> None:
    document = succeeded()
    assert document["endpoint"]
    assert "GeoNames (www.geonames.org), CC BY 4.0" in page(document, results).words
    assert "GeoNames" not in page(document | {"endpoint": None}, results).words
    document["results"]["header"] = ["Longitude", "Latitude", "depth"]
    assert "GeoNames" not in page(document, results).words


def test_the_real_library_draws_the_map(results: Path) -> None:
    shown = Page(html.write(succeeded(), results).read_text("utf-8"))
    assert html.available()
    assert any("Bokeh" in script and len(script) > 500_000 for script in shown.scripts)


def test_an_unwritable_folder_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OSError):
        html.write(dry(), tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]


# The points


def test_points_and_what_has_none(results: Path) -> None:
    on_map = points.read(results / "results.geojson")
    assert on_map is not None
    assert (on_map.longitude, on_map.latitude) == ([-74.0445, 2.2945], [40.6892, 48.8584])
    assert (on_map.rows, on_map.every, on_map.nowhere, on_map.counts) == (3, 1, 1, [1, 1])
    assert "2 points; 1 row has no coordinates." in page(succeeded(), results).words


@pytest.mark.parametrize(
    ("row_count", "every", "first"),
    [
        (0, 1, []),
        (10, 1, [0, 1, 2]),
        (11, 2, [0, 2, 4]),
        (20, 2, [0, 2, 4]),
        (21, 4, [0, 4, 8]),
        (100, 16, [0, 16, 32]),
    ],
)
def test_of_too_many_points_every_nth(row_count: int, every: int, first: list[int], tmp_path: Path) -> None:
    save_results(tmp_path, [Row((n, 0), str(n)) for n in range(row_count)])
    on_map = points.read(tmp_path / "results.geojson", most=10)
    assert on_map is not None and (on_map.rows, on_map.every) == (row_count, every)
    assert [int(label) for label in on_map.label] == list(range(0, row_count, every))
    assert [int(label) for label in on_map.label[:3]] == first


def test_the_page_says_that_points_are_left_out(tmp_path: Path) -> None:
    save_results(tmp_path, [Row((n % 180, 0), "") for n in range(points.MOST + 1)])
    assert "50,001 points: one row in 2 of 100,001 is drawn." in page(succeeded(), tmp_path).words


def test_the_good_status_comes_first(tmp_path: Path) -> None:
    save_results(tmp_path, [Row((0, 0), "", "Bad"), Row((0, 0), ""), Row((0, 0), "", "Bad")])
    on_map = points.read(tmp_path / "results.geojson")
    assert on_map and on_map.statuses == ["Valid Data", "Bad"] and on_map.counts == [1, 2]


def test_many_statuses_are_gathered_in_one(tmp_path: Path) -> None:
    save_results(tmp_path, [Row((0, 0), "", f"{n} " + "x" * 100) for n in range(50)] + [Row((0, 0), "")])
    on_map = points.read(tmp_path / "results.geojson")
    assert on_map and on_map.statuses[0] == "Valid Data" and on_map.statuses[-1] == points.OTHER
    assert len(on_map.statuses) == points.MOST_STATUSES + 1 and sum(on_map.counts) == 51
    assert on_map.counts[-1] == 51 - points.MOST_STATUSES and max(map(len, on_map.statuses)) == 80


def test_properties_of_the_user(tmp_path: Path) -> None:
    line = (
        '{"type":"Feature","geometry":{"type":"Point","coordinates":[1,2]},"properties":{"a":"","depth":"3","b":"x"}}'
    )
    (tmp_path / "results.geojson").write_text(f'{{"type":"FeatureCollection","features":[\n{line}\n]}}\n')
    on_map = points.read(tmp_path / "results.geojson")
    assert on_map and on_map.label == ["depth: 3, b: x"] and on_map.statuses == [""]


def test_broken_lines_have_no_point(tmp_path: Path) -> None:
    (tmp_path / "results.geojson").write_text('{"type":"Feature",broken\n')
    on_map = points.read(tmp_path / "results.geojson")
    assert on_map and (on_map.rows, on_map.nowhere, on_map.longitude) == (1, 1, [])


def test_the_world_lies_on_the_globe() -> None:
    world = json.loads(Path(html.__file__).with_name("world.json").read_text("utf-8"))
    assert len(world["polygons"]) > 1_000 and "public domain" in world["about"]
    for ring in (ring for polygon in world["polygons"] for ring in polygon):
        longitudes, latitudes = accumulate(ring[::2]), accumulate(ring[1::2])
        assert len(ring) >= 6 and all(-9_000 <= latitude <= 9_000 for latitude in latitudes)
        assert all(-54_000 <= longitude <= 54_000 for longitude in longitudes)  # shown on both sides of the date line


# The rows


def test_rows_as_they_stand(tmp_path: Path) -> None:
    text = '\ufeffLongitude,a.label,a.status,x\r\n-1.5,"two\r\nlines",Valid Data,\r\n2\r\n3,b,c,,more\r\n'
    (tmp_path / "results.csv").write_bytes(text.encode())
    table = rows.read(tmp_path / "results.csv")
    assert table is not None
    assert [(column.prefix, column.name) for column in table.columns] == [
        ("", "Longitude"),
        ("a.", "label"),
        ("a.", "status"),
    ]
    assert table.rows == (("-1.5", "two\r\nlines", "Valid Data"), ("2", "", ""), ("3", "b", "c"))
    assert table.empty == ("x",)
    assert [column.is_number for column in table.columns] == [True, False, False]


def test_only_the_first_rows(tmp_path: Path) -> None:
    save_results(tmp_path, [Row((0, 0), str(n)) for n in range(rows.MOST + 5)])
    document = succeeded()
    document["results"]["rows"] = rows.MOST + 5
    shown = page(document, tmp_path)
    assert "The first 1,000 rows of 1,005" in shown.words and len(shown.all("tr")) > 1_000
    assert "1003" not in shown.words


@pytest.mark.parametrize(
    ("text", "count"),
    [(b"", 0), (b"\x00,\xff\r\n1,2\r\n", 1), (b"Longitude\r\n", 0), (b"Longitude\n\n1\n\n", 1)],
    ids=["empty", "bytes", "header", "blank lines"],
)
def test_odd_files_are_no_failure(text: bytes, count: int, tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_bytes(text)
    table = rows.read(tmp_path / "results.csv")
    assert table is not None and len(table.rows) == count
    assert f"The first {count} row{'' if count == 1 else 's'} of 200" in page(succeeded(), tmp_path).words


# The timeline and the graph


def test_the_steps_are_on_one_scale() -> None:
    timeline = build_timeline(succeeded())
    assert [row.status for row in timeline.rows] == ["Succeeded"] * 4
    bars = [row.bar for row in timeline.rows if row.bar]
    assert bars[0].left == 0 and bars[-1].left + bars[-1].width == pytest.approx(100, abs=0.01)
    assert all(bar.left + bar.width == pytest.approx(after.left, abs=0.01) for bar, after in pairwise(bars))
    assert [tick.label for tick in timeline.ticks] == ["0 s", "0.5 s", "1 s", "1.5 s"]


def test_a_step_still_going_lasts_until_the_end() -> None:
    document = succeeded()
    document["steps"][-1] |= {"status": "Executing", "ended": None}
    assert build_timeline(document).rows[-1].bar is not None


def test_steps_the_definition_does_not_name_are_shown_too() -> None:
    document = succeeded() | {"definition": []}
    assert [row.name for row in build_timeline(document).rows] == [step["name"] for step in document["steps"]]


@pytest.mark.parametrize(
    ("seconds", "last"),
    [(0.36, "0.3 s"), (72, "60 s"), (240, "4 min"), (10_800, "3 h"), (360_000, "96 h"), (9_000_000, "2016 h")],
)
def test_ticks_are_few_and_round(seconds: float, last: str) -> None:
    document = succeeded()
    began = datetime(2026, 1, 1, tzinfo=UTC)
    times = {"started": began.isoformat(), "ended": (began + timedelta(seconds=seconds)).isoformat()}
    document["steps"] = [document["steps"][0] | times]
    ticks = build_timeline(document).ticks
    assert 2 <= len(ticks) <= 6 and all(0 <= tick.at <= 100 for tick in ticks)
    assert ticks[-1].label == last


def graph(**parents: list[str]) -> Document:
    steps = [{"name": name, "type": "Lambda", "depends_on": names} for name, names in parents.items()]
    return succeeded() | {"definition": steps, "steps": []}


def test_the_graph_s_layers_and_arrows() -> None:
    document = graph(a=[], b=["a"], c=["a"], d=["b", "c", "a"], e=["nowhere"])
    across, down = drawings(document["definition"], build_timeline(document).rows)
    at = {box.step.name: (box.x, box.y) for box in across.boxes}
    assert at["a"][0] < at["b"][0] == at["c"][0] < at["d"][0] and at["a"][0] == at["e"][0]
    assert len({*at.values()}) == 5
    assert len(across.paths) == 4  # b and c already imply that a comes before d
    assert all(box.x + across.box_width <= across.width and box.y >= 0 for box in across.boxes)
    assert down.height > across.height and down.width < across.width


def test_a_circle_does_not_hang() -> None:
    document = graph(a=["b"], b=["a"])
    assert len(drawings(document["definition"], build_timeline(document).rows)[0].boxes) == 2


def test_no_steps_no_graph() -> None:
    assert drawings([], build_timeline(dry()).rows) == ()


# Words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.00 s"),
        (9.994, "9.99 s"),
        (12.34, "12.3 s"),
        (59.96, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.6, "1 h 00 min"),
        (360_000, "100 h 00 min"),
    ],
)
def test_spans(seconds: float, text: str) -> None:
    assert span(seconds) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 0, "0 %"), (3, 3, "100 %"), (1, 1_000_000, "0.01 %"), (999_999, 1_000_000, "99.99 %"), (1, 2, "50 %")],
)
def test_percents(part: int, whole: int, text: str) -> None:
    assert percent(part, whole) == text


@pytest.mark.parametrize(
    ("iso", "text"), [(None, ""), ("no time", ""), ("2026-01-31T23:59:59.9+02:00", "2026-01-31 21:59:59 UTC")]
)
def test_clocks(iso: str | None, text: str) -> None:
    assert clock(iso) == text
