"""Injected faults: the plan by itself, then what clients see of it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from geopipe_emulator.gateway.call import Call
from geopipe_emulator.gateway.handlers.faults import LONGEST_DELAY, FaultHandler, FaultPlan
from geopipe_emulator.http.request import Request, Response
from geopipe_emulator.service import RequestContext
from geopipe_emulator.settings import FAULT_KINDS, Settings
from tests.support.emulator_endpoint import Emulator, StartEmulator

CALLS = [f"sqs Operation{n % 7}" for n in range(2000)]


def test_without_a_rate_there_are_no_faults() -> None:
    plan = FaultPlan()
    assert [plan.next_for(call) for call in CALLS] == [None] * len(CALLS)


def test_faults_come_at_the_rate_and_in_every_kind() -> None:
    plan = FaultPlan(0.2, seed=1)
    faults = [fault for call in CALLS if (fault := plan.next_for(call))]
    assert 300 < len(faults) < 500
    assert set(Counter(fault.kind for fault in faults)) == set(FAULT_KINDS)
    assert 0.4 < sum(fault.is_carried_out for fault in faults) / len(faults) < 0.6
    assert all(0 < fault.seconds <= LONGEST_DELAY for fault in faults)
    assert sum(plan.describe()["injected"].values()) == len(faults)


def test_the_order_of_different_calls_does_not_matter() -> None:
    """The third call of an operation meets its third fault, however threads interleave."""
    one, other = FaultPlan(0.3, seed=5), FaultPlan(0.3, seed=5)
    straight: dict[str, list[Any]] = {}
    turned: dict[str, list[Any]] = {}
    for call in CALLS:
        straight.setdefault(call, []).append(one.next_for(call))
    for call in sorted(CALLS):
        turned.setdefault(call, []).append(other.next_for(call))
    assert straight == turned
    assert [FaultPlan(0.3, seed=6).next_for(call) for call in CALLS[:100]] != [
        FaultPlan(0.3, seed=5).next_for(call) for call in CALLS[:100]
    ]


@pytest.mark.parametrize(
    ("rate", "seed", "kinds"),
    [
        (1.1, 0, FAULT_KINDS),
        (-1, 0, FAULT_KINDS),
        ("1", 0, FAULT_KINDS),
        (1, 0.5, FAULT_KINDS),
        (1, 0, ()),
        (1, 0, ["x"]),
    ],
)
def test_values_out_of_range_are_refused(rate: Any, seed: Any, kinds: Any) -> None:
    plan = FaultPlan(0.5, seed=3)
    with pytest.raises(ValueError, match="must be"):
        plan.change(rate, seed, kinds)
    assert plan.describe()["rate"] == 0.5


@pytest.fixture(scope="module")
def endpoint(start_emulator: StartEmulator) -> Emulator:
    return start_emulator(Settings(account_id="200000000081"))


@pytest.fixture(autouse=True)
def no_faults_afterwards(endpoint: Emulator) -> Iterator[None]:
    yield
    endpoint.server.gateway.faults.change(0, 0, FAULT_KINDS)


def set_faults(endpoint: Emulator, **plan: Any) -> dict[str, Any]:
    request = urllib.request.Request(f"{endpoint.url}/_geopipe/faults", json.dumps(plan).encode(), method="PUT")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=90) as answer:
        content: dict[str, Any] = json.load(answer)
    return content


THROTTLED = {
    "sqs": ("RequestThrottled", 403, lambda client: client.list_queues()),
    "s3": ("SlowDown", 503, lambda client: client.list_buckets()),
    "iam": ("Throttling", 400, lambda client: client.list_roles()),
    "sts": ("Throttling", 400, lambda client: client.get_caller_identity()),
    "logs": ("ThrottlingException", 400, lambda client: client.describe_log_groups()),
    "lambda": ("TooManyRequestsException", 429, lambda client: client.list_functions()),
    "sagemaker": ("ThrottlingException", 400, lambda client: client.list_pipelines()),
    "sagemaker-geospatial": ("ThrottlingException", 429, lambda client: client.list_vector_enrichment_jobs()),
}


@pytest.mark.parametrize("service", THROTTLED)
def test_throttling_uses_each_service_s_code(endpoint: Emulator, service: str) -> None:
    code, status, call = THROTTLED[service]
    set_faults(endpoint, rate=1, kinds=["throttle"])
    with pytest.raises(ClientError) as caught:
        call(endpoint.client(service))
    assert caught.value.response["Error"]["Code"] == code
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


@pytest.mark.parametrize(("kind", "status"), [("500", 500), ("503", 503)])
@pytest.mark.parametrize("service", ["sqs", "s3", "iam", "sagemaker"])
def test_server_errors(endpoint: Emulator, service: str, kind: str, status: int) -> None:
    set_faults(endpoint, rate=1, kinds=[kind])
    with pytest.raises(ClientError) as caught:
        THROTTLED[service][2](endpoint.client(service))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == status


def groups(endpoint: Emulator) -> int:
    return len(endpoint.server.environment.client("logs").describe_log_groups()["logGroups"])


@pytest.mark.parametrize(("kind", "lost"), [("reset", ConnectionClosedError), ("500", ClientError)])
def test_half_of_the_lost_calls_have_been_carried_out(endpoint: Emulator, kind: str, lost: type[Exception]) -> None:
    before = groups(endpoint)
    set_faults(endpoint, rate=1, kinds=[kind], seed=4)
    for number in range(16):
        with pytest.raises(lost):
            endpoint.client("logs").create_log_group(logGroupName=f"/{kind}/{number}")
    assert 3 <= groups(endpoint) - before <= 13


@pytest.mark.parametrize("kind", ["throttle", "503"])
def test_the_other_faults_do_not_carry_the_call_out(endpoint: Emulator, kind: str) -> None:
    before = groups(endpoint)
    set_faults(endpoint, rate=1, kinds=[kind])
    for number in range(8):
        with pytest.raises(ClientError):
            endpoint.client("logs").create_log_group(logGroupName=f"/{kind}/{number}")
    assert groups(endpoint) == before


def test_a_slow_response_is_late_and_right() -> None:
    slept: list[float] = []
    response = Response(204)
    context = RequestContext("123456789012", "us-west-2", access_key_id="A")
    call = Call(Request({"REQUEST_METHOD": "POST", "RAW_URI": "/"}), context, "sqs", "SendMessage")
    handler = FaultHandler(FaultPlan(1, 0, ["slow"]), slept.append)
    assert handler.handle(call, lambda call: response) is response
    assert 0 < slept[0] <= LONGEST_DELAY


def test_retries_get_a_client_through_injected_faults(endpoint: Emulator) -> None:
    client = boto3.client(
        "logs",
        endpoint_url=endpoint.url,
        region_name="us-west-2",
        aws_access_key_id="AKIATEST",
        aws_secret_access_key="secret",
        config=Config(proxies={}, retries={"mode": "standard", "total_max_attempts": 4}),
    )
    assert set_faults(endpoint, rate=0.1, seed=2, kinds=["throttle", "reset", "500", "503"])["rate"] == 0.1
    for _ in range(40):
        client.describe_log_groups()
    assert sum(endpoint.server.gateway.faults.describe()["injected"].values()) > 0


def test_our_own_services_and_the_controls_are_spared(endpoint: Emulator) -> None:
    set_faults(endpoint, rate=1)
    assert endpoint.server.environment.client("sts").get_caller_identity()["Account"] == "200000000081"
    assert set_faults(endpoint, rate=1)["injected"] == {}


def test_a_wrong_plan_is_refused_and_changes_nothing(endpoint: Emulator) -> None:
    set_faults(endpoint, rate=0.5)
    for plan in ({"rate": 2}, {}, {"rate": 1, "kinds": ["fire"]}, {"rate": 1, "kinds": "slow"}):
        with pytest.raises(urllib.error.HTTPError) as caught:
            set_faults(endpoint, **plan)
        assert caught.value.code == 400
        caught.value.close()
    assert endpoint.server.gateway.faults.describe()["rate"] == 0.5
