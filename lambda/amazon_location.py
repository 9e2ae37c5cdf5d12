"""Provider `amazon_location`: street addresses from Amazon Location's ReverseGeocode, one request for each point.

Requests are signed here, because boto3 in older runtimes does not know the service (geo-places). All workers together
stay below the quota without talking to each other: each waits `Workers / RequestsPerSecond` seconds before every
request, also before the first of an invocation. Results are kept in S3, which Amazon Location allows with
IntendedUse=Storage only.
"""

import http.client
import json
import os
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from address_columns import ADDRESS_COLUMNS, address_text, invalid_text
from aws import own_region
from part_rows import Point
from providers import ProviderRefusedError, WorkContext

READS: Literal["points", "tables"] = "points"
SERVICE = "geo-places"
_PATH = "/v2/reverse-geocode"
_NO_ADDRESS = "No Address Found"
# The worker sees after so many rows whether it has time left.
ROWS_AT_A_TIME = 5
# How long one worker takes for a part: as long as possible, because equal points of a part are asked for once. But all
# workers get something to do, if it takes them at least the shortest time.
_LONGEST_PART_SECONDS = 300
_SHORTEST_PART_SECONDS = 10
_RATE = 70.0
_WORKERS = 10
_TIMEOUT_SECONDS = 10
_ATTEMPTS = 8
_TOO_MANY_REQUESTS = 429
_DENIED = 403
_SERVER_FAULT = 500
_OK = 200
# After a 429 a worker halves its rate, and each address wins back a part of it. So if a tenth of all requests is
# throttled, it keeps about a third of its rate.
_SLOWEST_SHARE = 1 / 16
_RECOVERED_SHARE = 1 / 32

_client: "PlacesClient | None" = None
_paces: tuple[Any, Any] = (None, None)


def columns(settings: Mapping[str, Any]) -> Sequence[str]:
    return ADDRESS_COLUMNS


def largest_part(settings: Mapping[str, Any], rows: int) -> int:
    seconds = rows / float(settings.get("RequestsPerSecond", _RATE))
    seconds = min(max(seconds, _SHORTEST_PART_SECONDS), _LONGEST_PART_SECONDS)
    return max(1, round(seconds / _seconds_between(settings)))


def invalid(reason: str, settings: Mapping[str, Any]) -> str:
    return invalid_text(reason)


def _seconds_between(settings: Mapping[str, Any]) -> float:
    """Returns the seconds between two requests of one worker."""
    return float(settings.get("Workers", _WORKERS)) / float(settings.get("RequestsPerSecond", _RATE))


def process(rows: Sequence[Point], work: WorkContext) -> Sequence[str]:
    """Returns the address of each point. Points that occur again are not asked for again.

    Raises:
        ProviderRefusedError: Amazon Location refuses this function or its requests.
    """
    global _client
    if _client is None:
        _client = PlacesClient(own_region())
    pace = _pace_of(work)
    for point in rows:
        if _key(point) not in work.known:
            work.known[_key(point)] = _address(point, _client, pace)
    return [work.known[_key(point)] for point in rows]


def _key(point: Point) -> str:
    return f"{point[0]!r},{point[1]!r}"


def _pace_of(work: WorkContext) -> "Pace":
    """Returns the pace of this invocation. Another invocation waits before its first request, so it gets its own."""
    global _paces
    if _paces[0] is not work:
        _paces = (work, Pace(_seconds_between(work.settings), work.now, work.sleep))
    pace: Pace = _paces[1]
    return pace


class Pace:
    """Keeps the time between two requests of one worker.

    `seconds` is the time now kept; it grows when Amazon Location says that requests come too often.
    """

    def __init__(self, seconds: float, now: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self._shortest = seconds
        self._share = 1.0
        self._now, self._sleep = now, sleep
        self._last_request = now()

    @property
    def seconds(self) -> float:
        return self._shortest / self._share

    def wait(self) -> None:
        """Wait until the next request may begin, with some chance on top, which spreads the workers."""
        due = self._last_request + self.seconds * (1 + random.random() / 10)
        while (left := due - self._now()) > 0:
            self._sleep(left)
        self._last_request = self._now()

    def slow_down(self) -> None:
        self._share = max(_SLOWEST_SHARE, self._share / 2)

    def speed_up(self) -> None:
        self._share = min(1.0, self._share + _RECOVERED_SHARE)


def _address(point: Point, places: "PlacesClient", pace: Pace) -> str:
    """Returns the result columns of a point. A denial is repeated too: a new role's rights need some seconds."""
    problem, status = "", 0
    for _ in range(_ATTEMPTS):
        pace.wait()
        try:
            status, body = places.reverse_geocode(*point)
        except (OSError, http.client.HTTPException) as error:
            problem = str(error) or type(error).__name__
            continue
        if status == _OK:
            pace.speed_up()
            return _columns_of(body.get("ResultItems") or [])
        problem = f"HTTP status {status}: {body.get('message') or body.get('Message') or body.get('__type') or ''}"
        if status in (_TOO_MANY_REQUESTS, _DENIED):
            pace.slow_down()
        elif status < _SERVER_FAULT:
            raise ProviderRefusedError(f"Amazon Location refuses ReverseGeocode with {problem}")
    if status == _DENIED:
        raise ProviderRefusedError(f"Amazon Location refuses ReverseGeocode with {problem}")
    raise RuntimeError(f"Amazon Location did not return an address in {_ATTEMPTS} attempts: {problem}")


def _columns_of(items: Sequence[Mapping[str, Any]]) -> str:
    if not items:
        return address_text({}, _NO_ADDRESS)
    address = items[0].get("Address") or {}
    return address_text(
        {
            "address_number": address.get("AddressNumber"),
            "country": (address.get("Country") or {}).get("Code3"),
            "label": address.get("Label") or items[0].get("Title"),
            "municipality": address.get("Locality"),
            "neighborhood": address.get("District") or address.get("SubDistrict"),
            "postal_code": address.get("PostalCode"),
            "region": (address.get("Region") or {}).get("Name"),
        }
    )


class PlacesClient:
    """ReverseGeocode over one kept connection, without botocore's model of the service."""

    def __init__(self, region: str, session: Any = None) -> None:
        self._region = region
        self._session = session or boto3.session.Session()
        suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        self._url = os.environ.get("AWS_ENDPOINT_URL", "").rstrip("/") or f"https://{SERVICE}.{region}.{suffix}"
        self._connection: http.client.HTTPConnection | None = None

    def reverse_geocode(self, latitude: float, longitude: float) -> tuple[int, dict[str, Any]]:
        """Returns the HTTP status and the response. Raises OSError or HTTPException if there is none."""
        body = json.dumps({"QueryPosition": [longitude, latitude], "IntendedUse": "Storage"})
        request = AWSRequest("POST", self._url + _PATH, {"Content-Type": "application/json"}, body)
        credentials = self._session.get_credentials()
        if credentials is None:
            raise ProviderRefusedError("the function has no credentials")
        SigV4Auth(credentials.get_frozen_credentials(), SERVICE, self._region).add_auth(request)
        try:
            connection = self._connected()
            connection.request("POST", _PATH, body, dict(request.headers.items()))
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException):
            self._close()
            raise
        try:
            fields = json.loads(text)
        except ValueError:
            fields = {}
        return response.status, fields if isinstance(fields, dict) else {}

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None:
            parts = urlsplit(self._url)
            secure = parts.scheme == "https"
            kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
            self._connection = kind(parts.netloc, timeout=_TIMEOUT_SECONDS)
        return self._connection

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
