"""A page of ours in headless Chromium: opening it, looking at it, and what it asked for and complained of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --hide-scrollbars --window-size=1280,900"
)
ONLY_LOOPBACK = "MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"
PATIENCE = 60
"""Seconds until what should appear has to be there, on a machine that has other things to do."""

COLORS = """
const [picture, done] = arguments;
const image = new Image();
image.onload = () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const counts = {};
  const pixels = new Uint32Array(context.getImageData(0, 0, image.width, image.height).data.buffer);
  for (const pixel of pixels) counts[pixel] = (counts[pixel] || 0) + 1;
  done(Object.values(counts).map((count) => count / pixels.length));
};
image.src = "data:image/png;base64," + picture;
"""


def start(profile: Path, network: bool = False) -> webdriver.Chrome:
    """A browser that logs every request and every line of its console, and has no network; with `network` loopback."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for flag in (*QUIET.split(), f"--user-data-dir={profile}", f"--host-resolver-rules={ONLY_LOOPBACK}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
    driver.execute_cdp_cmd("Network.enable", {})
    if network:
        return driver
    nothing = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    driver.execute_cdp_cmd("Network.emulateNetworkConditions", nothing)
    return driver


class ChromiumPage:
    """One page, a file or an address, opened at a width in pixels and in a theme, `light` or `dark`."""

    def __init__(self, driver: webdriver.Chrome, path: Path | str, width: int = 1280, theme: str = "light") -> None:
        self.driver = driver
        driver.get("about:blank")
        driver.get_log("browser")
        driver.get_log("performance")
        self._resize(width, 900)
        features = [{"name": "prefers-color-scheme", "value": theme}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        driver.get(path if isinstance(path, str) else path.as_uri())
        if self.all("#map"):
            self.until(lambda: self.one("#map").get_attribute("data-ready"))

    def _resize(self, width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def one(self, selector: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def until(self, holds: Any) -> Any:
        return WebDriverWait(self.driver, PATIENCE, 0.05).until(lambda _: holds())

    def complaints(self) -> list[str]:
        """What the console has of warnings and errors since the page was opened."""
        log = self.driver.get_log("browser")
        return [entry["message"] for entry in log if entry["level"] not in ("INFO", "DEBUG")]

    def requests(self) -> set[str]:
        """Every address asked for since the page was opened; pictures inside the page are none."""
        messages = (json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance"))
        sent = (m["params"] for m in messages if m["method"] == "Network.requestWillBeSent")
        addresses = {request["request"]["url"] for request in sent}
        return {address for address in addresses if not address.startswith(("data:", "about:"))}

    def drawn(self) -> int:
        """How many marks the map has drawn."""
        return int(self.one("#map").get_attribute("data-drawn") or 0)

    def colors(self, element: WebElement) -> list[float]:
        """Returns the share that each color has of the picture of an element."""
        shares: list[float] = self.driver.execute_async_script(COLORS, element.screenshot_as_base64)
        return shares

    def picture(self, path: Path) -> None:
        """The whole page as a PNG."""
        size: Mapping[str, int] = self.run(
            "const e = document.documentElement; return {width: e.clientWidth, height: e.scrollHeight};"
        )
        self._resize(size["width"], size["height"])
        self.until(lambda: self.run("return innerHeight") == size["height"])
        self.run("return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        path.write_bytes(self.driver.get_screenshot_as_png())
