"""Amazon Location Places as a client sees it: ReverseGeocode from the gazetteer, refusals, quota and permissions."""

from __future__ import annotations

import json
import math
import random
import urllib.request
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session

from geopipe_emulator.services.geo_places import PlacesService
from geopipe_emulator.services.geo_places.countries import COUNTRIES
from geopipe_emulator.services.geo_places.nearby import places_near
from geopipe_emulator.services.geo_places.rate_limit import RateLimit
from geopipe_emulator.services.sagemaker_geospatial.addresses import address_of
from geopipe_emulator.settings import Settings
from geopipe_gazetteer.gazetteer import default_places
from tests.support.emulator_endpoint import Emulator, StartEmulator

ACCOUNT = "200000000071"
ANCHORAGE = [-149.8935557, 61.21759217]
OCEAN = [-140.0, -40.0]
PROVIDER = "arn:aws:geo-places:us-west-2::provider/default"
# Lets the client send what it would refuse itself.
LENIENT = Config(proxies={}, retries={"total_max_attempts": 1}, parameter_validation=False)


@pytest.fixture(scope="module")
def account(start_emulator: StartEmulator) -> Emulator:
    """An account whose quota no test of this module reaches by accident."""
    settings = Settings(account_id=ACCOUNT, iam="enforce", places_requests_per_second=100_000)
    return start_emulator(settings, [PlacesService])


@pytest.fixture(scope="module")
def places(account: Emulator) -> Any:
    return account.client("geo-places")


def error_of(call: Callable[..., Any], **parameters: Any) -> dict[str, Any]:
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    response: dict[str, Any] = caught.value.response
    return response


def test_the_nearest_place_has_all_of_aws_members(places: Any) -> None:
    response = places.reverse_geocode(QueryPosition=ANCHORAGE)
    assert response["PricingBucket"] == "Core"
    (item,) = response["ResultItems"]
    place = default_places().gazetteer.place(default_places().nearest(ANCHORAGE[1], ANCHORAGE[0]))
    assert item["PlaceType"] == "Locality"
    assert item["Address"] == {
        "Label": "Anchorage, Alaska, USA",
        "Country": {"Code2": "US", "Code3": "USA", "Name": "United States"},
        "Region": {"Name": "Alaska"},
        "Locality": "Anchorage",
    }
    assert item["Title"] == "Anchorage, Alaska, USA"
    assert item["Position"] == [place.longitude, place.latitude]
    assert 0 < item["Distance"] < 2_000
    assert item["PlaceId"]


def test_the_address_is_that_of_the_geospatial_job(places: Any) -> None:
    chance = random.Random(7)
    for _ in range(50):
        longitude, latitude = chance.uniform(-180, 180), chance.uniform(-90, 90)
        index = default_places().nearest(latitude, longitude)
        _, country, label, municipality, _, _, region, _ = address_of(default_places().gazetteer.place(index))
        address = places.reverse_geocode(QueryPosition=[longitude, latitude])["ResultItems"][0]["Address"]
        assert (address["Country"]["Code3"], address["Label"]) == (country, label)
        assert (address["Locality"], address.get("Region", {}).get("Name", "")) == (municipality, region)


def test_stored_results_are_in_the_bucket_of_stored_results(places: Any) -> None:
    response = places.reverse_geocode(QueryPosition=ANCHORAGE, IntendedUse="Storage")
    assert response["PricingBucket"] == "Stored"


@pytest.mark.parametrize("position", [ANCHORAGE, [179.99, -17.0], [0.0, 90.0], [-180.0, -90.0]])
def test_more_results_are_the_nearest_in_order(places: Any, position: list[float]) -> None:
    items = places.reverse_geocode(QueryPosition=position, MaxResults=100)["ResultItems"]
    assert len({item["PlaceId"] for item in items}) == 100
    distances = [item["Distance"] for item in items]
    assert distances == sorted(distances)
    assert distances[:20] == [round(meters) for meters in haversine_distances(position)[:20]]
    assert items[0] == places.reverse_geocode(QueryPosition=position)["ResultItems"][0]


def haversine_distances(position: list[float]) -> list[float]:
    """The distances of all places by another formula than that of the service."""
    gazetteer = default_places().gazetteer
    theta, phi = map(math.radians, position)
    distances = []
    for north, east in zip(gazetteer.latitudes, gazetteer.longitudes, strict=True):
        latitude, longitude = math.radians(north / 100_000), math.radians(east / 100_000)
        half = math.sin((latitude - phi) / 2) ** 2
        half += math.cos(phi) * math.cos(latitude) * math.sin((longitude - theta) / 2) ** 2
        distances.append(2 * 6_371_008.8 * math.asin(min(1.0, math.sqrt(half))))
    return sorted(distances)


def test_nothing_near_is_an_empty_list(places: Any) -> None:
    response = places.reverse_geocode(QueryPosition=OCEAN, QueryRadius=100_000, MaxResults=5)
    assert response["ResultItems"] == []
    (nearest,) = places.reverse_geocode(QueryPosition=OCEAN)["ResultItems"]
    assert nearest["Distance"] > 100_000
    near = places.reverse_geocode(QueryPosition=OCEAN, QueryRadius=nearest["Distance"] + 1)["ResultItems"]
    assert near == [nearest]


def test_the_radius_cuts_between_results() -> None:
    near = places_near(default_places(), ANCHORAGE[1], ANCHORAGE[0], 10)
    radius = (near[3][1] + near[4][1]) / 2
    assert places_near(default_places(), ANCHORAGE[1], ANCHORAGE[0], 10, radius) == near[:4]


def test_the_gazetteer_has_localities_only(places: Any) -> None:
    def count(types: list[str]) -> int:
        response = places.reverse_geocode(QueryPosition=ANCHORAGE, Filter={"IncludePlaceTypes": types})
        return len(response["ResultItems"])

    assert count(["PointAddress", "Street"]) == 0
    assert count(["PointAddress", "Locality"]) == 1


def test_parameters_that_change_nothing_here_are_accepted(places: Any) -> None:
    plain = places.reverse_geocode(QueryPosition=ANCHORAGE)
    other = places.reverse_geocode(
        QueryPosition=ANCHORAGE, Language="de", Heading=90.0, AddressNamesMode="Administrative", IntendedUse="SingleUse"
    )
    assert other["ResultItems"] == plain["ResultItems"]


@pytest.mark.parametrize(
    ("name", "value"), [("AdditionalFeatures", ["TimeZone"]), ("PoliticalView", "USA"), ("Key", "v1.public.key")]
)
def test_parameters_that_are_not_emulated_are_refused_by_name(places: Any, name: str, value: Any) -> None:
    response = error_of(places.reverse_geocode, QueryPosition=ANCHORAGE, **{name: value})
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert f"{name} in ReverseGeocode of geo-places" in response["Error"]["Message"]


@pytest.mark.parametrize(
    ("parameters", "reason", "fields"),
    [
        ({"QueryPosition": [180.5, 0.0]}, "FieldValidationFailed", ["QueryPosition"]),
        ({"QueryPosition": [0.0, -90.5]}, "FieldValidationFailed", ["QueryPosition"]),
        ({"QueryPosition": [1.0]}, "FieldValidationFailed", ["QueryPosition"]),
        ({"QueryPosition": [1.0, 1.0], "MaxResults": 101}, "FieldValidationFailed", ["MaxResults"]),
        ({"QueryPosition": [1.0, 1.0], "QueryRadius": 21_000_001}, "FieldValidationFailed", ["QueryRadius"]),
        ({"QueryPosition": [1.0, 1.0], "IntendedUse": "Stored"}, "FieldValidationFailed", ["IntendedUse"]),
        ({"QueryPosition": [1.0, 1.0], "Language": "x", "MaxResults": 0}, "FieldValidationFailed", None),
        ({}, "Missing", ["QueryPosition"]),
    ],
)
def test_invalid_requests_name_reason_and_fields(
    account: Emulator, parameters: dict[str, Any], reason: str, fields: list[str] | None
) -> None:
    client = account.session.client(
        "geo-places",
        region_name="us-west-2",
        endpoint_url=account.url,
        aws_access_key_id="AKIATEST",
        aws_secret_access_key="secret",
        config=LENIENT,
    )
    response = error_of(client.reverse_geocode, **parameters)
    assert response["Error"]["Code"] == "ValidationException"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert response["Reason"] == reason
    assert [field["Name"] for field in response["FieldList"]] == (fields or ["MaxResults", "Language"])
    assert all(field["Message"] for field in response["FieldList"])


OPERATIONS = Session().get_service_model("geo-places").operation_names


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name != "ReverseGeocode"])
def test_every_other_operation_is_refused_by_name(places: Any, operation: str) -> None:
    parameters = {
        "Autocomplete": {"QueryText": "Anch"},
        "Geocode": {"QueryText": "Anchorage"},
        "GetPlace": {"PlaceId": "x"},
        "SearchNearby": {"QueryPosition": ANCHORAGE},
        "SearchText": {"QueryText": "Anchorage", "BiasPosition": ANCHORAGE},
        "Suggest": {"QueryText": "Anch"},
    }
    method = {"GetPlace": "get_place", "SearchNearby": "search_nearby", "SearchText": "search_text"}
    response = error_of(getattr(places, method.get(operation, operation.lower())), **parameters[operation])
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 501
    assert f"{operation} of geo-places" in response["Error"]["Message"]


def test_a_role_needs_the_action_on_the_provider(account: Emulator) -> None:
    iam, sts = account.client("iam"), account.client("sts")
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com", "AWS": "*"},
        "Action": "sts:AssumeRole",
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = iam.create_role(RoleName="geocoder", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    session = sts.assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]
    client = account.session.client(
        "geo-places",
        region_name="us-west-2",
        endpoint_url=account.url,
        aws_access_key_id=session["AccessKeyId"],
        aws_secret_access_key=session["SecretAccessKey"],
        aws_session_token=session["SessionToken"],
        config=LENIENT,
    )

    def allow(resource: str) -> None:
        statement = {"Effect": "Allow", "Action": "geo-places:ReverseGeocode", "Resource": resource}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_role_policy(RoleName="geocoder", PolicyName="may", PolicyDocument=policy)

    allow(PROVIDER.replace("us-west-2", "eu-west-1"))
    response = error_of(client.reverse_geocode, QueryPosition=ANCHORAGE)
    assert response["Error"]["Code"] == "AccessDeniedException"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert f"geo-places:ReverseGeocode on resource: {PROVIDER}" in response["Error"]["Message"]
    allow(PROVIDER)
    assert client.reverse_geocode(QueryPosition=ANCHORAGE)["ResultItems"]


def test_requests_above_the_quota_are_throttled(start_emulator: StartEmulator) -> None:
    # So slow that no time between the calls refills the bucket.
    settings = Settings(account_id="200000000072", places_requests_per_second=0.001)
    emulator = start_emulator(settings, [PlacesService])
    client = emulator.client("geo-places")
    assert client.reverse_geocode(QueryPosition=ANCHORAGE)["ResultItems"]
    response = error_of(client.reverse_geocode, QueryPosition=ANCHORAGE)
    assert response["Error"]["Code"] == "ThrottlingException"
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 429
    other_region = emulator.client("geo-places", "eu-central-1")
    assert other_region.reverse_geocode(QueryPosition=ANCHORAGE)["ResultItems"]


def test_the_bucket_allows_a_burst_and_then_the_quota() -> None:
    now = 0.0
    limit = RateLimit(100.0, lambda: now)
    assert sum(limit.take() for _ in range(200)) == 80
    served = []
    for step in range(3_000):
        now = step / 1_000
        served.append(limit.take())
    assert sum(served) == pytest.approx(300, abs=1)
    now = 1_000.0
    assert sum(limit.take() for _ in range(200)) == 80


def test_the_times_of_calls_can_be_read(start_emulator: StartEmulator) -> None:
    settings = Settings(account_id="200000000073", places_requests_per_second=0.001)
    emulator = start_emulator(settings, [PlacesService])

    def times() -> list[float]:
        url = f"{emulator.url}/_geopipe/calls/geo-places/ReverseGeocode"
        with urllib.request.urlopen(url, timeout=90) as response:
            recorded: list[float] = json.load(response)["times"]
        return recorded

    assert times() == []
    client = emulator.client("geo-places")
    client.reverse_geocode(QueryPosition=ANCHORAGE)
    for _ in range(3):
        error_of(client.reverse_geocode, QueryPosition=ANCHORAGE)
    emulator.server.gateway.faults.change(1.0, 1, ["throttle"])
    assert error_of(client.reverse_geocode, QueryPosition=ANCHORAGE)["Error"]["Code"] == "ThrottlingException"
    assert len(times()) == 5
    assert all(earlier <= later for earlier, later in pairwise(times()))
    urllib.request.urlopen(
        urllib.request.Request(f"{emulator.url}/_geopipe/calls", method="DELETE"), timeout=10
    ).close()
    assert times() == []


def test_every_country_of_the_gazetteer_has_codes_and_a_name() -> None:
    gazetteer = default_places().gazetteer
    codes = {gazetteer.place(index).country for index in range(len(gazetteer))}
    assert len(codes) > 200
    assert codes <= COUNTRIES.keys()
    assert len({country.code2 for country in COUNTRIES.values()}) == len(COUNTRIES)
    assert all(len(country.code2) == 2 and country.name for country in COUNTRIES.values())
