"""Browsers for our pages. These tests run only where their folder is named: they need Chromium.

On Debian and Ubuntu: `apt install chromium chromium-driver`, and the extra `browser` for what drives it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

WANTED = {
    "chromium": lambda: shutil.which("chromium"),
    "chromedriver": lambda: shutil.which("chromedriver"),
    "selenium": lambda: find_spec("selenium"),
    "bokeh": lambda: find_spec("bokeh"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshots", type=Path, help="a folder for pictures of the pages")


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Left out unless asked for by name."""
    return None if any("browser" in argument for argument in config.args) else True


@pytest.fixture(scope="session")
def screenshots(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = request.config.getoption("--screenshots") or tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """One browser for all tests, without network; nothing of it stays."""
    yield from _start(tmp_path_factory.mktemp("profile"), network=False)


@pytest.fixture(scope="session")
def loopback_chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    """One browser for all tests that reaches this machine only."""
    yield from _start(tmp_path_factory.mktemp("profile"), network=True)


def _start(profile: Path, network: bool) -> Iterator[object]:
    missing = [name for name, find in WANTED.items() if not find()]
    if missing:
        pytest.skip(f"the browser tests need {', '.join(missing)}; see {Path(__file__).name}")
    from tests.support.chromium_page import start

    driver = start(profile, network)
    yield driver
    driver.quit()
