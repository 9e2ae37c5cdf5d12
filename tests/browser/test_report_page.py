"""The report as people open it: from a file, without a network, in a real browser."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from geopipe_runner.report import html
from tests.support.report_runs import Document, Row, dry, failed, save_results, succeeded

HOSTILE = "</script><img src=x onerror=\"document.title='lost'\">"
TOWNS = [
    Row((2.3522, 48.8566), "Paris, Île-de-France, FRA"),
    Row((-95.5555, 33.6609), "Paris, Texas, USA"),
    Row((139.6917, 35.6895), "Tokyo, JPN"),
    Row((151.2093, -33.8688), "Sydney, New South Wales, AUS"),
    Row((-70.6693, -33.4489), HOSTILE, "Invalid Coordinates"),
    Row(None, "", HOSTILE),
]
MANY = 100_000


def open_page(driver: Any, folder: Path, document: Document, **how: Any) -> Any:
    from tests.support.chromium_page import ChromiumPage

    return ChromiumPage(driver, html.write(document, folder), **how)


def scattered(number: int) -> list[Row]:
    """Points all over the world, one in thirty of them not geocoded."""
    chance = random.Random(7)
    rows = []
    for n in range(number):
        at = (round(chance.uniform(-180, 180), 4), round(chance.uniform(-60, 75), 4))
        rows.append(Row(at, f"Street {n}, Town of {n % 977}", "Valid Data" if n % 30 else "Invalid Coordinates"))
    return rows


def with_rows(number: int) -> Document:
    document = succeeded()
    document["results"] |= {"rows": number, "valid": number - 2}
    return document


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("few")
    save_results(folder, [*TOWNS, *scattered(194)])
    return folder


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many")
    save_results(folder, scattered(MANY))
    return folder


def test_it_asks_for_nothing_and_complains_of_nothing(chromium: Any, few: Path) -> None:
    page = open_page(chromium, few, with_rows(200))
    page.one("[data-zoom=in]").click()
    page.one("#rows-find").send_keys("paris")
    assert page.complaints() == []
    assert page.requests() == {(few / "report.html").as_uri()}
    assert page.driver.title.startswith("Succeeded")


def test_the_log_of_requests_would_show_one(chromium: Any, few: Path) -> None:
    """The page's own policy and the missing network keep it from leaving, but not from being seen."""
    page = open_page(chromium, few, with_rows(200))
    page.run("const i = new Image(); i.src = 'http://127.0.0.1:9/x.png'; document.body.append(i);")
    complaints = page.until(page.complaints)
    assert any("Content Security Policy" in complaint for complaint in complaints)


def test_map_and_timeline_are_drawn(chromium: Any, few: Path) -> None:
    page = open_page(chromium, few, with_rows(200))
    assert page.drawn() == 199  # one row has no coordinates
    shares = sorted(page.colors(page.one("#map")), reverse=True)
    assert shares[1] > 0.1 and len(shares) > 50  # sea, land, and marks with their edges
    bars = page.all(".timeline rect")
    assert len(bars) == 4 and all(bar.size["width"] > 0 for bar in bars)
    assert [box.is_displayed() for box in page.all(".graph.across .box")] == [True] * 4


def find_point(page: Any, words: str) -> tuple[int, int]:
    """Returns where on the map a tool-tip has these words, in pixels from its corner; it tries all places."""
    place = page.run(
        """
        const [map, tip] = ["map", "map-tip"].map((id) => document.getElementById(id));
        const frame = map.getBoundingClientRect();
        const says = (x, y) => {
          map.dispatchEvent(new PointerEvent("pointermove", {clientX: frame.left + x, clientY: frame.top + y}));
          return !tip.hidden && tip.textContent.includes(arguments[0]);
        };
        const around = (x, y) => {
          const hits = [];
          for (let up = -12; up <= 12; up += 2) for (let left = -12; left <= 12; left += 2) {
            if (says(x + left, y + up)) hits.push([Math.round(x + left), Math.round(y + up)]);
          }
          return hits[Math.floor(hits.length / 2)];
        };
        for (let y = 20; y < frame.height - 20; y += 7) for (let x = 20; x < frame.width - 60; x += 7) {
          if (says(x, y)) return around(x, y);
        }
        return null;""",
        words,
    )
    assert place is not None, f"no tool-tip says {words}"
    return place[0], place[1]


def hover(page: Any, place: tuple[int, int]) -> str:
    """Points at a place of the map with the mouse, and returns the text of the tool-tip."""
    from selenium.webdriver.common.action_chains import ActionChains

    box = page.one("#map")
    middle = box.size["width"] // 2, box.size["height"] // 2
    move = ActionChains(page.driver).move_to_element(box)
    move.move_by_offset(place[0] - middle[0], place[1] - middle[1]).perform()
    page.until(page.one("#map-tip").is_displayed)
    text: str = page.one("#map-tip").text
    return text


def test_a_tool_tip_shows_the_address(chromium: Any, tmp_path: Path) -> None:
    save_results(tmp_path, TOWNS)
    page = open_page(chromium, tmp_path, with_rows(6))
    page.run("document.getElementById('map').scrollIntoView({block: 'center'})")
    text = hover(page, find_point(page, "Tokyo, JPN"))
    assert text == "Tokyo, JPN\nValid Data · 35.6895, 139.6917"
    assert hover(page, find_point(page, "Invalid Coordinates")).startswith(HOSTILE)
    assert page.driver.title.startswith("Succeeded") and page.complaints() == []


def test_zooming_by_wheel_button_and_key(chromium: Any, few: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    page = open_page(chromium, few, with_rows(200))
    page.run("document.getElementById('map').scrollIntoView({block: 'center'})")
    all_of_them = page.drawn()
    for act in (
        lambda: (
            ActionChains(page.driver).scroll_from_origin(ScrollOrigin.from_element(page.one("#map")), 0, -800).perform()
        ),
        page.one("[data-zoom=in]").click,
        lambda: page.one("#map").send_keys("+"),
    ):
        act()
        page.until(lambda: page.drawn() < all_of_them)
        page.one("[data-zoom=fit]").click()
        page.until(lambda: page.drawn() == all_of_them)
    assert page.complaints() == []


def test_a_status_can_be_left_out(chromium: Any, few: Path) -> None:
    page = open_page(chromium, few, with_rows(200))
    before = page.drawn()
    button = next(button for button in page.all("#map-legend button") if "Invalid" in button.text)
    button.click()
    page.until(lambda: page.drawn() < before)
    assert button.get_attribute("aria-pressed") == "false"


def test_a_hundred_thousand_points_are_groups_until_one_is_near(chromium: Any, many: Path) -> None:
    page = open_page(chromium, many, with_rows(MANY))
    assert 500 < page.drawn() < 10_000
    assert page.one("#map-drawn").text == f"100,000 in view, drawn as {page.drawn():,} groups; zoom in to see each."
    page.run("document.getElementById('map').scrollIntoView({block: 'center'})")
    assert "points" in hover(page, find_point(page, " points"))
    for _ in range(4):
        page.one("[data-zoom=in]").click()
    page.until(lambda: page.one("#map-drawn").text == "")
    assert 0 < page.drawn() <= 4_000
    assert "Street" in hover(page, find_point(page, "Street"))
    assert page.complaints() == []


def test_the_table_filters(chromium: Any, few: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    page = open_page(chromium, few, with_rows(200))

    def shown() -> list[str]:
        return [row.text for row in page.all("#rows tbody tr") if row.is_displayed()]

    assert page.one("#rows-shown").text == "200 rows"
    page.one("#rows-find").send_keys("PARIS fra")
    page.until(lambda: page.one("#rows-shown").text == "1 of 200 rows")
    [row] = shown()
    assert "Île-de-France" in row
    page.one("#rows-find").send_keys(" nothing like it")
    assert shown() == [] and page.one("#rows-none").is_displayed()
    page.one("#rows-find").send_keys(Keys.CONTROL, "a", Keys.DELETE)
    page.until(lambda: page.one("#rows-shown").text == "200 rows")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["succeeded", "failed", "planned", "many"])
def test_it_fits(
    chromium: Any, few: Path, many: Path, tmp_path: Path, screenshots: Path, name: str, width: int, theme: str
) -> None:
    """Nothing is wider than the window, in no theme; the pictures are for eyes."""
    pages = {
        "succeeded": (few, with_rows(200)),
        "failed": (tmp_path, failed()),
        "planned": (tmp_path, dry()),
        "many": (many, with_rows(MANY)),
    }
    page = open_page(chromium, *pages[name], width=width, theme=theme)
    assert page.run("return document.documentElement.scrollWidth") == width
    page.picture(screenshots / f"{name}-{width}-{theme}.png")
    background = page.one("body").value_of_css_property("background-color")
    assert background == ("rgba(245, 247, 249, 1)" if theme == "light" else "rgba(16, 22, 28, 1)")
    assert page.complaints() == []
