"""The console over HTTP: each page, what it hides and escapes, whom it refuses, and what its buttons do."""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import quote, urlencode, urlsplit

import pytest

from geopipe_emulator.console.access import ConsoleAccess
from geopipe_emulator.console.graph import lay_out
from geopipe_emulator.console.masking import MASK, mask, mask_text, printable, show
from geopipe_emulator.http.request import Request
from geopipe_emulator.settings import Settings
from tests.support.console_account import HOSTILE, SECRET, ConsoleAccount, fill_account
from tests.support.emulator_endpoint import StartEmulator
from tests.support.wait import eventually

pytestmark = pytest.mark.slow
REGION = "/_console/us-west-2"


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str

    def message(self) -> str:
        """What the page says in its banner, or the whole text of a plain one."""
        banner = re.search(r'<p class="said[^>]*>(.*?)</p>', self.text, re.DOTALL)
        return banner[1] if banner else self.text


@dataclass
class Browser:
    """Requests as a browser makes them: with Host and Origin, and with the cookie that it was given."""

    url: str
    cookie: str = ""
    form_token: str = ""
    origin: str = field(init=False)

    def __post_init__(self) -> None:
        self.origin = self.url

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> Answer:
        parts = urlsplit(self.url)
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 0, timeout=60)
        sent = {"Cookie": self.cookie} if self.cookie else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, sent)
        response = connection.getresponse()
        answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read().decode())
        connection.close()
        return answer

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def get_with(self, path: str, expected: list[str]) -> Answer | None:
        """The page, once it has all of these."""
        answer = self.get(path)
        return answer if all(words in answer.text for words in expected) else None

    def post(self, path: str, form: Mapping[str, str], **headers: str) -> Answer:
        sent = {"Origin": self.origin, "Content_Type": "application/x-www-form-urlencoded"} | headers
        return self.ask("POST", path, urlencode({"form_token": self.form_token} | dict(form)), **sent)

    def sign_in(self, address: str) -> None:
        answer = self.get(address.removeprefix(self.url))
        assert answer.status == 303, answer.text
        self.cookie = answer.headers["set-cookie"].partition(";")[0]
        found = re.search(r'name="form_token" value="(\w+)"', self.get(f"{REGION}/queues/callbacks-dead").text)
        self.form_token = found[1] if found else ""


@pytest.fixture(scope="module")
def account(start_emulator: StartEmulator) -> ConsoleAccount:
    return fill_account(start_emulator(Settings(account_id="200000000071"), None))


@pytest.fixture(scope="module")
def browser(account: ConsoleAccount) -> Browser:
    """One that may change something."""
    browser = Browser(account.emulator.url)
    browser.sign_in(account.emulator.server.console.access.new_address())
    return browser


@pytest.fixture(scope="module")
def reader(account: ConsoleAccount) -> Browser:
    return Browser(account.emulator.url)


def page_of(arn: str) -> str:
    return f"{REGION}/executions/geocode/{arn.rsplit('/', 1)[1]}"


def test_every_page_shows_what_there_is_and_escapes_it(account: ConsoleAccount, reader: Browser) -> None:
    waiting, failed = account.start(), account.start(13, "unlucky")
    token = account.token(waiting)
    eventually(lambda: account.status(failed) == "Failed")
    key = quote(f"in/{HOSTILE}.json", safe="")
    pages = {
        f"{REGION}/": ["nightly", "unlucky", "callbacks-dead", "1 dead letter", "Geocode"],
        f"{REGION}/pipelines/Geocode": ["nightly", "Definition"],
        page_of(waiting): ["Count", "Geocode", "Publish", token, "Callback token", "Not started", "results"],
        page_of(failed): ["unlucky", "13 rows bring bad luck", "[ERROR] ValueError"],
        f"{REGION}/queues": ["callbacks", "dead letters of callbacks"],
        f"{REGION}/queues/callbacks": ["pipelineExecutionArn", "callbacks-dead"],
        f"{REGION}/queues/callbacks-dead": ["origin", "received 1 time", "Dead letters of"],
        f"{REGION}/functions": ["count-rows", "python3.12"],
        f"{REGION}/functions/count-rows": ["ValueError", "STAGE", "night", "API_KEY", "REPORT RequestId"],
        f"{REGION}/buckets": ["console-data"],
        f"{REGION}/buckets/console-data": ["in/"],
        f"{REGION}/buckets/console-data?prefix=in/": ["points.csv", "30 bytes"],
        f"{REGION}/buckets/console-data?key={key}": ["&lt;img", "Download"],
        f"{REGION}/buckets/console-data?key=in/points.csv": ["2.35,48.85"],
    }
    hostile_seen = 0
    for path, expected in pages.items():
        # A log line arrives a moment after its function has ended.
        answer = eventually(partial(reader.get_with, path, expected), 30, what=f"{path} with {expected}")
        assert answer.status == 200
        assert "<img" not in answer.text, path
        assert SECRET not in answer.text, path
        assert "style=" not in answer.text and "onclick" not in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "access-control-allow-origin" not in answer.headers
        # Without a session there is nothing to press.
        assert "form_token" not in answer.text
        hostile_seen += "&lt;img" in answer.text
    assert hostile_seen >= 6
    # The token is on the page of its execution only, in an element that is closed.
    assert token not in reader.get(f"{REGION}/queues/callbacks").text
    assert not re.search(
        r"<details[^>]* open[^>]*>(?:(?!</details>).)*" + token, reader.get(page_of(waiting)).text, re.DOTALL
    )
    # The failed step has the lines of its own invocation, not those of others at the same time.
    log = reader.get(page_of(failed)).text.split('id="log-Count"')[1].split("</details>")[0]
    assert "reading 13" in log and "reading 12" not in log


def test_what_does_not_exist_is_not_found(reader: Browser) -> None:
    for path in (
        "/queues/none",
        "/functions/none",
        "/pipelines/none",
        "/executions/none/none",
        "/buckets/no-such-bucket",
        "/buckets/console-data?key=none",
        "/buckets/console-data?key=none&download=1",
        "/nothing",
    ):
        answer = reader.get(REGION + path)
        assert (answer.status, "said bad" in answer.text) == (404, True), path
    assert reader.get("/_console/static/../server.py").status == 404
    assert reader.get("/_console/?region=%3Cb%3E").status == 400
    assert reader.get("/_console/nowhere/").status == 404
    assert reader.get("/_console").headers["location"] == f"{REGION}/"
    assert reader.get("/_console/?region=eu-west-1").headers["location"] == "/_console/eu-west-1/"
    assert reader.get("/_console/eu-west-1/queues").status == 200


def test_an_object_is_downloaded_as_it_is(reader: Browser) -> None:
    answer = reader.get(f"{REGION}/buckets/console-data?key=in/points.csv&download=1")
    assert answer.text == "Longitude,Latitude\n2.35,48.85\n"
    assert answer.headers["content-disposition"] == "attachment"
    assert answer.headers["content-type"] == "application/octet-stream"


def test_looking_changes_nothing(account: ConsoleAccount, reader: Browser) -> None:
    sqs = account.emulator.client("sqs")
    url = sqs.create_queue(QueueName="looked-at")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="once")
    for _ in range(3):
        assert "received 0 times" in reader.get(f"{REGION}/queues/looked-at").text
    received = sqs.receive_message(QueueUrl=url, AttributeNames=["All"])["Messages"]
    assert received[0]["Attributes"]["ApproximateReceiveCount"] == "1"
    text = reader.get(f"{REGION}/queues/looked-at").text
    assert "in flight" in text and "visible in" in text
    sqs.delete_queue(QueueUrl=url)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"Host": "evil.example"}, "another Host"),
        ({"Host": "127.0.0.1:1"}, "another Host"),
        ({"Host": "x.localhost"}, "another Host"),
        ({"Origin": "http://evil.example"}, "Origin"),
        ({"Origin": "http://127.0.0.1:1"}, "Origin"),
        ({"Origin": "null"}, "Origin"),
        ({"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "no-cors", "Sec_Fetch_Dest": "image"}, "Another site"),
        ({"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "iframe"}, "Another site"),
    ],
)
def test_another_site_gets_nothing(browser: Browser, headers: dict[str, str], reason: str) -> None:
    for path in (f"{REGION}/", "/_console/live?page=/_console/us-west-2/", "/_console/static/console.js"):
        answer = browser.get(path, **headers)
        assert answer.status == 403 and reason in answer.text


def test_another_site_may_lead_here(reader: Browser) -> None:
    link = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    assert reader.get(f"{REGION}/", **link).status == 200
    assert reader.get(f"{REGION}/", Host=f"localhost:{urlsplit(reader.url).port}").status == 200


def test_the_api_still_refuses_browsers(browser: Browser) -> None:
    assert browser.get("/", Origin=browser.origin).status == 403
    assert browser.get("/_geopipe/calls", Origin=browser.origin).status == 403
    assert browser.get("/_consolex/", Origin=browser.origin).status == 403


def test_a_change_needs_origin_cookie_and_form_token(account: ConsoleAccount, browser: Browser) -> None:
    arn = account.start(name="guarded")
    account.token(arn)
    path, form = page_of(arn), {"do": "stop"}
    assert browser.post(path, form, Origin="").status == 403
    assert browser.post(path, form, Origin="http://evil.example").status == 403
    assert browser.post(path, form, Origin=f"http://localhost:{urlsplit(browser.url).port}").status == 403
    assert browser.post(path, form | {"form_token": ""}).status == 403
    assert browser.post(path, form | {"form_token": "0" * 64}).status == 403
    assert browser.post(path, form, Cookie="geopipe_console=none").status == 403
    assert browser.post(path, form, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status == 403
    assert browser.post(path, form, Content_Type="text/plain").status == 415
    assert browser.post(path, {"do": "none"}).status == 404
    assert browser.ask("DELETE", path, Origin=browser.origin).status == 405
    assert browser.get(f"{path}?{urlencode(form | {'form_token': browser.form_token})}").status == 200
    assert account.status(arn) == "Executing"
    assert browser.post(path, form).status == 303


def test_an_address_works_once(account: ConsoleAccount, reader: Browser) -> None:
    path = account.emulator.server.console.access.new_address().removeprefix(reader.url)
    first, second = reader.get(path), reader.get(path)
    assert first.status == 303 and first.headers["location"] == "/_console/"
    cookie = first.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/_console" in cookie
    assert f"console_{urlsplit(reader.url).port}=" in cookie
    assert second.status == 403 and "set-cookie" not in second.headers
    assert reader.get("/_console/?token=%ff").status == 403


def test_a_required_access_key_also_closes_the_pages() -> None:
    access = ConsoleAccess("http://127.0.0.1:4599", is_readable=False)
    environ = {"REQUEST_METHOD": "GET", "RAW_URI": "/_console/", "HTTP_HOST": "127.0.0.1:4599"}
    assert not access.may_read(Request(environ))
    cookie = access.exchange(access.new_address().partition("token=")[2]).partition(";")[0]
    assert access.may_read(Request(environ | {"HTTP_COOKIE": f"other=1; {cookie}"}))
    assert access.may_read(Request(environ | {"HTTP_COOKIE": f'json={{"a": [1, "b"]}}; @=;{cookie};'}))
    assert not access.may_read(Request(environ | {"HTTP_COOKIE": cookie.upper()}))


def test_a_callback_is_answered_with_its_outputs(account: ConsoleAccount, browser: Browser) -> None:
    arn = account.start(name="answered")
    account.token(arn)
    page = browser.get(page_of(arn)).text
    assert 'name="output.results"' in page
    form = {"do": "succeed", "step": "Geocode", "attempt": "1", "output.results": f"s3://bucket/{HOSTILE}"}
    answer = browser.post(page_of(arn), form)
    assert answer.status == 303 and answer.headers["location"].endswith("#step-Geocode")
    assert (
        browser.get(answer.headers["location"].partition("#")[0])
        .message()
        .endswith("The callback is answered with success.")
    )
    eventually(lambda: account.status(arn) == "Succeeded")
    page = browser.get(page_of(arn)).text
    assert "s3://bucket/&lt;img" in page and "<img" not in page
    assert 'href="/_console/us-west-2/buckets/bucket?prefix=%3Cimg' in page
    # Twice is once: the second form is out of date.
    answer = browser.post(page_of(arn), form)
    assert answer.status == 409 and "no longer waits" in answer.message()


def test_a_callback_fails_and_the_execution_is_retried_and_stopped(account: ConsoleAccount, browser: Browser) -> None:
    arn = account.start(name="retried")
    first = account.token(arn)
    form = {"do": "fail", "step": "Geocode", "attempt": "1", "reason": f"no luck {HOSTILE}"}
    assert browser.post(page_of(arn), form).status == 303
    eventually(lambda: account.status(arn) == "Failed")
    assert "no luck &lt;img" in browser.get(page_of(arn)).text
    assert browser.post(page_of(arn), {"do": "retry"}).status == 303
    eventually(lambda: account.status(arn) == "Executing" and account.token(arn) != first)
    # A form of the first attempt does not answer the second one.
    assert "no longer waits" in browser.post(page_of(arn), form).message()
    assert browser.post(page_of(arn), {"do": "stop"}).status == 303
    eventually(lambda: account.status(arn) == "Stopping")
    form |= {"attempt": "2"}
    assert browser.post(page_of(arn), form).status == 303
    eventually(lambda: account.status(arn) == "Stopped")
    again = browser.post(page_of(arn), {"do": "stop"})
    assert again.status == 409 and "ConflictException" in again.message()


def test_a_dead_letter_goes_back(account: ConsoleAccount, browser: Browser) -> None:
    sqs = account.emulator.client("sqs")
    dead = sqs.create_queue(QueueName="letters-dead.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": "1"})
    url = sqs.create_queue(QueueName="letters.fifo", Attributes={"FifoQueue": "true", "RedrivePolicy": policy})[
        "QueueUrl"
    ]
    for number in range(3):
        sqs.send_message(
            QueueUrl=dead,
            MessageBody=f"letter {number}",
            MessageGroupId="group",
            MessageDeduplicationId=f"letter-{number}",
            MessageAttributes={"kind": {"DataType": "Binary", "BinaryValue": b"\x00\xff"}},
        )
    path = f"{REGION}/queues/letters-dead.fifo"
    ids = re.findall(r'name="message" value="([\w-]+)"', browser.get(path).text)
    assert len(ids) == 3
    assert browser.post(path, {"do": "redrive", "target": "letters.fifo", "message": ids[1]}).status == 303
    assert (
        "Nothing was sent back"
        in browser.post(path, {"do": "redrive", "target": "letters.fifo", "message": ids[1]}).message()
    )
    assert "is not the dead-letter queue" in browser.post(path, {"do": "redrive", "target": "callbacks"}).message()
    back = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
    assert [message["Body"] for message in back] == ["letter 1"]
    assert back[0]["MessageAttributes"]["kind"]["BinaryValue"] == b"\x00\xff"
    sqs.delete_message(QueueUrl=url, ReceiptHandle=back[0]["ReceiptHandle"])
    assert browser.post(path, {"do": "redrive", "target": "letters.fifo"}).status == 303
    assert "The queue is empty" in browser.get(path).text
    back = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    assert [message["Body"] for message in back] == ["letter 0", "letter 2"]
    for queue in (url, dead):
        sqs.delete_queue(QueueUrl=queue)


@pytest.fixture
def events(account: ConsoleAccount, reader: Browser) -> Iterator[http.client.HTTPResponse]:
    parts = urlsplit(reader.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 0, timeout=60)
    connection.request("GET", "/_console/live?page=" + quote(f"{REGION}/queues/live"))
    response = connection.getresponse()
    assert response.headers["content-type"] == "text/event-stream"
    yield response
    connection.close()


def next_event(response: http.client.HTTPResponse) -> tuple[str, dict[str, str]]:
    """Returns the kind of the next event and its data."""
    kind = line = ""
    while not line.startswith("data: "):
        line = response.readline().decode().rstrip("\n")
        kind = line.removeprefix("event: ") if line.startswith("event: ") else kind
    return kind, json.loads(line.removeprefix("data: "))


def test_an_open_page_follows(account: ConsoleAccount, events: http.client.HTTPResponse) -> None:
    kind, content = next_event(events)
    assert kind == "problem" and "no queue live" in content["title"]
    sqs = account.emulator.client("sqs")
    url = sqs.create_queue(QueueName="live")["QueueUrl"]
    assert "The queue is empty" in next_event(events)[1]["main"]
    sqs.send_message(QueueUrl=url, MessageBody=f"news {HOSTILE}")
    kind, content = next_event(events)
    assert kind == "main" and "news &lt;img" in content["main"] and "<html" not in content["main"]
    sqs.delete_queue(QueueUrl=url)


def test_a_closed_page_leaves_no_thread(account: ConsoleAccount, reader: Browser) -> None:
    before = set(threading.enumerate())
    parts = urlsplit(reader.url)
    responses = []
    for _ in range(5):
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 0, timeout=60)
        connection.request("GET", f"/_console/live?page={REGION}/queues")
        responses.append(connection.getresponse())
        assert next_event(responses[-1])[0] == "main"
    threads = [thread for thread in set(threading.enumerate()) - before if thread.name == "connection"]
    assert len(threads) >= 5
    for response in responses:
        response.close()
    eventually(lambda: not any(thread.is_alive() for thread in threads), what="the end of the threads")


def test_a_reset_empties_an_open_page(start_emulator: StartEmulator) -> None:
    server = start_emulator(Settings(account_id="200000000074"), None).server
    browser = Browser(server.url)
    browser.sign_in(server.console.access.new_address())
    sqs = server.environment.client("sqs")
    sqs.create_queue(QueueName="before")
    assert "before" in browser.get(f"{REGION}/queues").text
    # While it is being reset, its services are not there.
    services, server._services = server._services, []
    answer = browser.get(f"{REGION}/")
    assert answer.status == 503 and "being reset" in answer.message()
    server._services = services
    server.reset()
    assert "No queue in us-west-2" in browser.get(f"{REGION}/queues").text
    # The session outlives the reset.
    assert "This browser may stop" in browser.get(f"{REGION}/queues").text


def test_the_graph_puts_each_step_below_what_it_waits_for() -> None:
    layout = lay_out({"d": ["b", "c", "a"], "a": [], "b": ["a"], "c": ["a"], "alone": []})
    y = {box.name: box.y for box in layout.boxes}
    assert y["a"] == y["alone"] < y["b"] == y["c"] < y["d"]
    # The line from a to d says nothing new.
    assert len(layout.lines) == 4
    rows: dict[int, list[int]] = {}
    for box in layout.boxes:
        rows.setdefault(box.y, []).append(box.x)
        assert box.x >= 0 and box.x + 196 <= layout.width and box.y + 44 <= layout.height
    assert all(
        right - left >= 196 for row in rows.values() for left, right in zip(sorted(row), sorted(row)[1:], strict=False)
    )
    assert lay_out({}).boxes == ()


def test_secrets_and_deceiving_characters_are_not_shown() -> None:
    assert mask({"a": [{"dbPassword": "x"}, {"token": 5}], "n": None}) == {
        "a": [{"dbPassword": MASK}, {"token": 5}],
        "n": None,
    }
    for text in (
        "password=hunter22",
        'api_key: "hunter22"',
        "AKIA" + "HUNTER22HUNTER22",
        "Authorization: Bearer hunter22hunter22",
        "https://me:hunter22@example.com/x",
        "x-amz-security-token=hunter22",
        "eyJhdWQiOiJodW50ZXIy.eyJhdWQiOiJodW50ZXIy.hunter22",
        "-----BEGIN RSA PRIVATE KEY-----\nhunter22\n-----END RSA PRIVATE KEY-----",
    ):
        assert "hunter22" not in mask_text(text).replace("HUNTER22", "hunter22"), text
    assert mask_text("the token is checked, 3 rows") == "the token is checked, 3 rows"
    assert show('{"a":1}') == '{\n  "a": 1\n}'
    assert show("{not json") == "{not json"
    assert show("[" * 100_000) == "[" * 100_000
    assert printable("a\x1b[31m\u202eb\n\tü€") == "a�[31m�b\n\tü€"
