"""The emulator's console in a real browser: how it looks, what it asks for, and what a person does with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from geopipe_emulator.emulator import EmulatorServer
from geopipe_emulator.settings import Settings
from tests.support.console_account import HOSTILE, SECRET, ConsoleAccount, fill_account
from tests.support.emulator_endpoint import Emulator
from tests.support.wait import eventually

REGION = "/_console/us-west-2"
HOSTILE_KEY = quote(f"in/{HOSTILE}.json", safe="")
# The contrast of every text with what is behind it, as the WCAG count it; the lowest five.
CONTRASTS = """
const channel = (value) => (value /= 255) <= .04045 ? value / 12.92 : ((value + .055) / 1.055) ** 2.4;
const luminance = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
const color = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
const behind = (element) => {
  for (let e = element; e; e = e.parentElement) {
    const [r, g, b, a = 1] = color(getComputedStyle(e).backgroundColor);
    if (a > 0) return [r, g, b];
  }
};
const found = [];
for (const element of document.querySelectorAll("body *:not(svg *):not(script)")) {
  if (![...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || !element.checkVisibility()) continue;
  const pair = [luminance(color(getComputedStyle(element).color)), luminance(behind(element))].sort((a, b) => b - a);
  found.push([(pair[0] + .05) / (pair[1] + .05), element.textContent.trim().slice(0, 40)]);
}
return found.sort((a, b) => a[0] - b[0]).slice(0, 5);
"""


@pytest.fixture(scope="module")
def account() -> Iterator[ConsoleAccount]:
    with EmulatorServer(Settings(account_id="200000000072")) as server:
        yield fill_account(Emulator(server, server.url))


@pytest.fixture(scope="module")
def browser(account: ConsoleAccount, loopback_chromium: Any) -> Any:
    """One that has opened the printed address."""
    loopback_chromium.get(account.emulator.server.console.access.new_address())
    assert loopback_chromium.current_url == f"{account.emulator.url}{REGION}/"
    return loopback_chromium


@pytest.fixture(scope="module")
def waiting(account: ConsoleAccount) -> str:
    """The ARN of an execution that waits for a callback and is never answered."""
    arn = account.start(name="waits")
    account.token(arn)
    return arn


@pytest.fixture(scope="module")
def failed(account: ConsoleAccount) -> str:
    arn = account.start(13, name="unlucky")
    eventually(lambda: account.status(arn) == "Failed")
    return arn


def open_page(browser: Any, account: ConsoleAccount, path: str, **how: Any) -> Any:
    from tests.support.chromium_page import ChromiumPage

    page = ChromiumPage(browser, f"{account.emulator.url}{path}", **how)
    page.until(lambda: page.one("#live").text == "Live")
    return page


def path_of(arn: str) -> str:
    return f"{REGION}/executions/geocode/{arn.rsplit('/', 1)[1]}"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_fits_and_can_be_read(
    browser: Any, account: ConsoleAccount, waiting: str, failed: str, width: int, theme: str, screenshots: Path
) -> None:
    pages = {
        "executions": f"{REGION}/",
        "waiting": path_of(waiting),
        "failed": path_of(failed),
        "pipeline": f"{REGION}/pipelines/Geocode",
        "queues": f"{REGION}/queues",
        "queue": f"{REGION}/queues/callbacks",
        "dead-letters": f"{REGION}/queues/callbacks-dead",
        "functions": f"{REGION}/functions",
        "function": f"{REGION}/functions/count-rows",
        "buckets": f"{REGION}/buckets",
        "bucket": f"{REGION}/buckets/console-data?prefix=in/",
        "object": f"{REGION}/buckets/console-data?key={HOSTILE_KEY}",
    }
    for name, path in pages.items():
        page = open_page(browser, account, path, width=width, theme=theme)
        page.run("document.querySelectorAll('main details:not([id^=token])').forEach((e) => e.open = true)")
        assert page.run("return document.documentElement.scrollWidth") <= width, name
        assert page.run(CONTRASTS)[0][0] >= 4.5, (name, page.run(CONTRASTS))
        assert SECRET not in page.driver.page_source
        assert page.driver.title != "lost"
        page.picture(screenshots / f"console-{name}-{width}-{theme}.png")
        background = page.one("body").value_of_css_property("background-color")
        assert background == ("rgba(245, 247, 249, 1)" if theme == "light" else "rgba(16, 22, 28, 1)")
        assert page.complaints() == []
        assert all(address.startswith(f"{account.emulator.url}/_console/") for address in page.requests())


def test_a_step_changes_without_a_reload(browser: Any, account: ConsoleAccount) -> None:
    arn = account.start(name="followed")
    token = account.token(arn)
    page = open_page(browser, account, path_of(arn))
    page.run("window.isTheSamePage = true")
    page.until(lambda: "busy" in page.one("#box-Geocode").get_attribute("class"))
    # Log lines arrive after the step has ended.
    page.until(lambda: page.all("#log-Count"))
    # The token is there, but only a click shows it.
    assert token not in page.one("main").text
    page.one("#token-Geocode > summary").click()
    assert page.one("#token-Geocode .token").text == token
    page.until(lambda: page.all("#log-Count > summary"))  # the lines of a function come a moment after its response
    page.one("#log-Count > summary").click()
    page.one("#arguments-Publish > summary").click()

    account.emulator.client("sagemaker").send_pipeline_execution_step_success(
        CallbackToken=token, OutputParameters=[{"Name": "results", "Value": HOSTILE}]
    )
    page.until(lambda: "Succeeded" in page.one("#title-Publish + .badge").text)
    page.until(lambda: page.driver.title.startswith("✓ Succeeded"))
    assert "good" in page.one("#box-Geocode").get_attribute("class")
    assert page.all("#token-Geocode") == []
    assert HOSTILE in page.one("#step-Geocode").text
    # What was open stays open.
    assert page.one("#log-Count").get_attribute("open") and "START RequestId" in page.one("#log-Count").text
    assert page.one("#arguments-Publish").get_attribute("open")
    assert page.run("return window.isTheSamePage") and page.complaints() == []


def test_a_callback_is_answered_with_the_keyboard_alone(browser: Any, account: ConsoleAccount) -> None:
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    arn = account.start(name="by-keyboard")
    account.token(arn)
    page = open_page(browser, account, path_of(arn))

    def press(*keys: str) -> None:
        ActionChains(page.driver).send_keys(*keys).perform()

    def tab_to(selector: str) -> None:
        for _ in range(60):
            press(Keys.TAB)
            if page.run("return document.activeElement.matches(arguments[0])", selector):
                outline = page.run(
                    "const s = getComputedStyle(document.activeElement); return [s.outlineStyle, s.outlineWidth]"
                )
                assert outline == ["solid", "2px"], selector
                return
        raise AssertionError(f"the key Tab does not reach {selector}")

    tab_to(".skip")
    press(Keys.ENTER)
    tab_to("#answer-Geocode > summary")
    press(Keys.ENTER)
    tab_to("#answer-Geocode input[name='output.results']")
    press("s3://bucket/results")
    # An open page changes once a second. It must leave alone what is being written.
    before = page.one("#box-Geocode .kind").text
    page.until(lambda: page.one("#box-Geocode .kind").text != before)
    assert page.run("return document.activeElement.value") == "s3://bucket/results"
    press(Keys.ENTER)
    page.until(lambda: page.all(".said"))
    assert "answered with success" in page.one(".said").text
    assert page.driver.current_url.endswith("?done=succeed#step-Geocode")
    page.until(lambda: page.driver.title.startswith("✓ Succeeded"))
    assert account.status(arn) == "Succeeded"
    assert "s3://bucket/results" in page.one("#step-Geocode").text


def test_an_execution_is_stopped_and_a_dead_letter_goes_back(browser: Any, account: ConsoleAccount) -> None:
    arn = account.start(name="stopped")
    account.token(arn)
    page = open_page(browser, account, path_of(arn), width=390)
    page.one("#act-stop > summary").click()
    page.one("#act-stop button").click()
    page.until(lambda: "being stopped" in page.one(".said").text)
    eventually(lambda: account.status(arn) == "Stopping")

    page = open_page(browser, account, f"{REGION}/queues/callbacks-dead", width=390)
    page.one("button[value=redrive]").click()
    page.until(lambda: "back in their queue" in page.one(".said").text)
    assert "The queue is empty" in page.one("main").text


def test_messages_come_and_go_in_an_open_page(browser: Any, account: ConsoleAccount) -> None:
    sqs = account.emulator.client("sqs")
    url = sqs.create_queue(QueueName="open-page")["QueueUrl"]
    page = open_page(browser, account, f"{REGION}/queues/open-page")
    for number in range(3):
        sqs.send_message(QueueUrl=url, MessageBody=f"body {number}")
    page.until(lambda: len(page.all(".message")) == 3)
    page.all(".message summary")[2].click()
    received = sqs.receive_message(QueueUrl=url)["Messages"][0]
    page.until(lambda: "in flight" in page.all(".message .badge")[0].text)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=received["ReceiptHandle"])
    page.until(lambda: len(page.all(".message")) == 2)
    # The open one is still the same message.
    assert [bool(e.get_attribute("open")) for e in page.all(".message details")] == [False, True]
    assert "body 2" in page.all(".message")[1].text and page.complaints() == []


def test_a_page_says_when_the_emulator_is_gone(loopback_chromium: Any) -> None:
    with EmulatorServer(Settings(account_id="200000000073")) as server:
        page = open_page(loopback_chromium, ConsoleAccount(Emulator(server, server.url), "", ""), f"{REGION}/")
        assert page.all("button[value]") == [] and "Read only" in page.one("footer").text
    page.until(lambda: page.one("#live").text == "The emulator does not respond")
