"""Addresses from Amazon Location: the request, the pace, and refusals. The service is a small HTTP server."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import botocore.loaders
import pytest

import amazon_location
from amazon_location import Pace, process
from providers import ProviderRefusedError
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

SETTINGS = {"RequestsPerSecond": 50, "Workers": 10}
ADDRESS = {
    "Label": "Markt 1, Berlin",
    "AddressNumber": "1",
    "Country": {"Code2": "DE", "Code3": "DEU"},
    "Region": {"Name": "Berlin"},
    "Locality": "Berlin",
    "District": "Mitte",
    "PostalCode": "10178",
}
FOUND = (200, {"PricingBucket": "Stored", "ResultItems": [{"Title": "t", "Address": ADDRESS}]})
COLUMNS = '1,DEU,"Markt 1, Berlin",Berlin,Mitte,10178,Berlin,Valid Data'
THROTTLED = (429, {"message": "Rate exceeded"})


class Places:
    """The service: it records requests, and answers with what is next, at last with an address."""

    def __init__(self) -> None:
        self.requests: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.bodies: list[bytes] = []
        self.written: list[dict[str, str]] = []
        self.responses: list[tuple[int, dict[str, Any]]] = []
        places = self

        class PlacesHandler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                places.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                places.requests.append(({**self.headers, "path": self.path}, json.loads(places.bodies[-1])))
                status, answer = places.responses.pop(0) if places.responses else FOUND
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def do_PUT(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                places.written.append(dict(self.headers))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), PlacesHandler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


class Work:
    """A worker's time, which passes only in `sleep`."""

    def __init__(self) -> None:
        self.settings = SETTINGS
        self.known: dict[str, str] = {}
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> Iterator[Places]:
    places = Places()
    monkeypatch.setenv("AWS_ENDPOINT_URL", places.url)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setattr(amazon_location, "_client", None)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "test")
    yield places
    places.server.shutdown()
    places.server.server_close()


def addresses(points: list[tuple[float, float]], work: Work | None = None) -> list[str]:
    return list(process(points, work or Work()))


def test_a_request_has_what_the_service_needs(places: Places) -> None:
    assert addresses([(52.5, 13.4)]) == [COLUMNS]
    ((headers, body),) = places.requests
    assert headers["path"] == "/v2/reverse-geocode"
    assert body == {"QueryPosition": [13.4, 52.5], "IntendedUse": "Storage"}
    assert "/eu-central-1/geo-places/aws4_request" in headers["Authorization"]
    assert headers["X-Amz-Security-Token"] == "test"


def signature_of(headers: dict[str, str], body: bytes) -> str:
    """Returns what Signature Version 4 makes of a request with the secret `test`, written from AWS's description."""
    scope = headers["Authorization"].partition("Credential=test/")[2].partition(",")[0]
    names = headers["Authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    values = {name.lower(): value.strip() for name, value in headers.items()}
    signed = "".join(f"{name}:{values[name]}\n" for name in names)
    request = "\n".join(("POST", values["path"], "", signed, ";".join(names), hashlib.sha256(body).hexdigest()))
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = b"AWS4test"
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    text = "\n".join(("AWS4-HMAC-SHA256", values["x-amz-date"], scope, digest))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def require_signed(places: Places) -> None:
    (headers, body), (sent,) = places.requests[-1], places.bodies[-1:]
    assert headers["path"] == "/v2/reverse-geocode" and body["IntendedUse"] == "Storage"
    assert "/eu-central-1/geo-places/aws4_request" in headers["Authorization"]
    assert {"host", "x-amz-date", "x-amz-security-token"} <= set(
        headers["Authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    )
    assert headers["Authorization"].endswith(f"Signature={signature_of(headers, sent)}")


def test_requests_are_signed_by_a_botocore_that_does_not_know_the_service(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = botocore.loaders.Loader.load_service_model

    def without_places(loader: Any, service: str, *arguments: Any, **more: Any) -> Any:
        if service == "geo-places":
            raise botocore.exceptions.UnknownServiceError(service_name=service, known_service_names="s3")
        return real(loader, service, *arguments, **more)

    monkeypatch.setattr(botocore.loaders.Loader, "load_service_model", without_places)
    with pytest.raises(botocore.exceptions.UnknownServiceError):
        boto3.session.Session().client("geo-places", "eu-central-1")
    assert addresses([(52.5, 13.4)]) == [COLUMNS]
    require_signed(places)


OLD = ("botocore==1.34.*", "boto3==1.34.*", "s3transfer==0.10.*")
WITH_OLD = """
import boto3, botocore, sys
sys.path.insert(0, sys.argv[1])
import part_worker
from amazon_location import process
from part_store import PartStore

class Work:
    settings, known = {"RequestsPerSecond": 50, "Workers": 2}, {}
    from time import sleep, time as now
    now, sleep = staticmethod(now), staticmethod(sleep)

class Invocation:
    @staticmethod
    def client(service):
        return part_worker.CLIENTS(service)

print(botocore.__version__, *process([(52.5, 13.4)], Work()))
PartStore("s3://bucket/run/parts/manifest.json", Invocation()).write_once("results/1", b"x")
"""


@pytest.mark.process
@pytest.mark.slow
def test_requests_are_signed_by_botocore_1_34(places: Places, tmp_path: Path) -> None:
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path), *OLD]
    installed = subprocess.run(install, capture_output=True, text=True)
    if installed.returncode:
        reason = installed.stderr.strip().splitlines()[-1]
        pytest.skip(f"pip reaches no botocore 1.34 ({reason}); `pip download` it, and set PIP_FIND_LINKS to its folder")
    assert not list((tmp_path / "botocore/data").glob("geo-places*"))
    # Without the folder of the test's own botocore, but with what both need, such as urllib3.
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", WITH_OLD, str(ROOT / "lambda")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    version, _, columns = done.stdout.strip().partition(" ")
    assert version.startswith("1.34.") and columns == COLUMNS
    require_signed(places)
    # The same botocore has no parameter for a write that must not replace anything.
    assert places.written[0]["If-None-Match"] == "*" and "if-none-match" in places.written[0]["Authorization"]


def test_equal_points_are_asked_for_once_also_after_a_resumption(places: Places) -> None:
    work = Work()
    assert addresses([(1.0, 2.0), (3.0, 4.0), (1.0, 2.0)], work) == [COLUMNS] * 3
    assert addresses([(3.0, 4.0), (1.0, 2.0)], work) == [COLUMNS] * 2
    assert len(places.requests) == 2
    resumed = Work()
    resumed.known = work.known
    assert addresses([(3.0, 4.0)], resumed) == [COLUMNS]
    assert len(places.requests) == 2


@pytest.mark.parametrize(
    ("items", "columns"),
    [
        ([], ",,,,,,,No Address Found"),
        ([{"Title": "Sea", "Address": {}}], ",,Sea,,,,,Valid Data"),
        ([{"Title": "Sea"}], ",,Sea,,,,,Valid Data"),
        ([{"Title": "t", "Address": {"SubDistrict": "Alt", "Country": {}}}], ",,t,,Alt,,,Valid Data"),
    ],
)
def test_any_field_can_be_missing(places: Places, items: list[Any], columns: str) -> None:
    places.responses = [(200, {"ResultItems": items})]
    assert addresses([(0.0, 0.0)]) == [columns]


def test_faults_that_pass_are_tried_again(places: Places) -> None:
    places.responses = [THROTTLED, (500, {}), (503, {"Message": "busy"}), (403, {"message": "not yet"})]
    assert addresses([(0.0, 0.0)]) == [COLUMNS]
    assert len(places.requests) == 5


@pytest.mark.parametrize(
    ("answer", "requests"),
    [
        ((403, {"message": "not authorized"}), amazon_location._ATTEMPTS),
        ((400, {"message": "bad position"}), 1),
        ((404, {"message": "no such API"}), 1),
    ],
)
def test_a_refusal_ends_the_job(places: Places, answer: tuple[int, dict[str, Any]], requests: int) -> None:
    places.responses = [answer] * 100
    with pytest.raises(ProviderRefusedError, match=answer[1]["message"]):
        addresses([(0.0, 0.0), (1.0, 1.0)])
    assert len(places.requests) == requests


def test_a_service_that_cannot_be_reached_fails_the_attempt(monkeypatch: pytest.MonkeyPatch, places: Places) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(RuntimeError, match="did not return an address in 8 attempts"):
        addresses([(0.0, 0.0)])


def test_a_worker_waits_before_each_request_also_the_first(places: Places) -> None:
    work = Work()
    for n in range(10):
        addresses([(float(n), 0.0)], work)
    assert 2.0 <= work.time - 1000.0 <= 2.2
    again = Work()
    addresses([(0.0, 0.0)], again)
    assert again.time >= 1000.2


def test_all_workers_together_stay_below_the_quota() -> None:
    """Each worker's requests are at least Workers / RequestsPerSecond apart: R + C in any second at most."""
    starts = []
    for _ in range(10):
        work = Work()
        pace = Pace(10 / 70, work.now, work.sleep)
        for _ in range(200):
            pace.wait()
            starts.append(work.time)
    starts.sort()
    most = max(sum(begin <= start < begin + 1 for start in starts) for begin in starts[::20])
    assert most <= 70 + 10


def test_throttling_halves_the_rate_which_recovers() -> None:
    work = Work()
    pace = Pace(1.0, work.now, work.sleep)
    pace.slow_down()
    assert pace.seconds == 2.0
    for _ in range(10):
        pace.slow_down()
    assert pace.seconds == 16.0
    for _ in range(30):
        pace.speed_up()
    assert pace.seconds == 1.0
    pace.speed_up()
    assert pace.seconds == 1.0


def test_a_tenth_of_throttled_requests_leaves_about_a_third_of_the_rate() -> None:
    work = Work()
    pace = Pace(1.0, work.now, work.sleep)
    source, began = random.Random(1), work.now()
    for _ in range(5000):
        pace.wait()
        pace.slow_down() if source.random() < 0.1 else pace.speed_up()
    assert 0.3 < 5000 / (work.now() - began) < 0.45


@pytest.mark.parametrize(
    ("rows", "part"), [(1, 70), (200, 70), (700, 70), (7_000, 700), (21_000, 2_100), (1_000_000, 2_100)]
)
def test_parts_keep_all_workers_busy_and_are_no_longer_than_a_worker_can_take(rows: int, part: int) -> None:
    assert amazon_location.largest_part({"RequestsPerSecond": 70, "Workers": 10}, rows) == part
    assert amazon_location.largest_part({"RequestsPerSecond": 0.01, "Workers": 10}, rows) == 1
