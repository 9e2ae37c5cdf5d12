"""Functions as a client sees them: what is refused, what comes back, and that the zip really runs.

Also the home of `Functions`, with which the tests of workers and mappings make their functions.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from geopipe_emulator.protocol.errors import ServiceError
from geopipe_emulator.service import Environment, RequestContext
from geopipe_emulator.services.lambda_ import FunctionsService
from geopipe_emulator.settings import Settings
from tests.support.emulator_endpoint import Emulator
from tests.support.functions import (
    ACCOUNT_ID,
    ECHO,
    REGION,
    TRUST,
    Functions,
    arn_of,
    make_role,
    refused,
    zipped,
)
from tests.support.wait import eventually

BAD_ZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."
UNASSUMABLE = "The role defined for the function cannot be assumed by Lambda."


@pytest.fixture(scope="session")
def role(emulator: Emulator) -> str:
    return make_role(emulator, TRUST)


@pytest.fixture
def account(emulator: Emulator, role: str) -> Iterator[Functions]:
    account = Functions(emulator, role)
    yield account
    account.clear()


# Creating


def test_a_new_function_is_pending_in_the_answer_and_active_when_asked_again(account: Functions) -> None:
    zip_file = zipped(app=ECHO)
    created = account.lambda_.create_function(
        FunctionName="brand-new",
        Runtime="python3.13",
        Role=account.role,
        Handler="app.handler",
        Code={"ZipFile": zip_file},
        Timeout=30,
        Environment={"Variables": {"AA": "1"}},
        Tags={"team": "maps"},
    )
    account.functions.append("brand-new")
    assert (created["State"], created["StateReasonCode"]) == ("Pending", "Creating")
    assert created["FunctionArn"] == arn_of("brand-new")
    assert created["CodeSha256"] == base64.b64encode(hashlib.sha256(zip_file).digest()).decode()
    assert created["CodeSize"] == len(zip_file)
    assert created["ResponseMetadata"]["HTTPStatusCode"] == 201

    now = account.lambda_.get_function(FunctionName="brand-new")
    shown = now["Configuration"]
    assert (shown["State"], shown["LastUpdateStatus"]) == ("Active", "Successful")
    assert (shown["Timeout"], shown["MemorySize"], shown["Runtime"]) == (30, 128, "python3.13")
    assert shown["Environment"] == {"Variables": {"AA": "1"}}
    assert shown["LoggingConfig"]["LogGroup"] == "/aws/lambda/brand-new"
    assert now["Tags"] == {"team": "maps"}
    account.lambda_.get_waiter("function_active_v2").wait(FunctionName="brand-new")


def test_a_second_function_of_the_name_is_refused(account: Functions) -> None:
    name = account.function()
    assert refused(account.function, FunctionName=name) == (
        409,
        "ResourceConflictException",
        f"Function already exist: {name}",
    )


@pytest.mark.parametrize(
    ("zip_file", "message"),
    [
        (b"not a zip", BAD_ZIP),
        (zipped(app=ECHO)[:-30], BAD_ZIP),
        (zipped(app=ECHO).replace(b"return", b"retour", 1), BAD_ZIP),
        (zipped(), "Uploaded file must be a non-empty zip"),
    ],
    ids=["junk", "cut off", "damaged", "empty"],
)
def test_a_bad_zip_is_refused(account: Functions, zip_file: bytes, message: str) -> None:
    status, code, error = refused(account.function, Code={"ZipFile": zip_file})
    assert (status, code, error) == (400, "InvalidParameterValueException", message)
    assert account.functions == []


def test_an_unzipped_size_over_the_limit_is_refused(account: Functions) -> None:
    declared = 262_144_001
    entry = zipped(app=ECHO)
    size_field = entry.index(b"PK\x01\x02") + 24
    zip_file = entry[:size_field] + declared.to_bytes(4, "little") + entry[size_field + 4 :]
    _, code, error = refused(account.function, Code={"ZipFile": zip_file})
    assert (code, error) == ("InvalidParameterValueException", "Unzipped size must be smaller than 262144000 bytes")


def test_code_may_come_from_a_bucket(account: Functions) -> None:
    s3 = account.client("s3")
    s3.create_bucket(Bucket="code-of-functions", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="code-of-functions", Key="code.zip", Body=zipped(app=ECHO))
    name = account.function(Code={"S3Bucket": "code-of-functions", "S3Key": "code.zip"})
    assert account.call(name, [1]) == [1]
    _, code, error = refused(account.function, Code={"S3Bucket": "code-of-functions", "S3Key": "gone.zip"})
    assert code == "InvalidParameterValueException"
    assert "Error occurred while GetObject. S3 Error Code: NoSuchKey" in error


@pytest.mark.parametrize(
    "trust",
    [
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT_ID}, "Action": "sts:AssumeRole"}],
        },
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ],
        },
        {"Version": "2012-10-17", "Statement": [*TRUST["Statement"], {**TRUST["Statement"][0], "Effect": "Deny"}]},  # type: ignore[dict-item,list-item]
    ],
    ids=["an account", "another service", "denied"],
)
def test_a_role_lambda_cannot_assume_is_refused(account: Functions, trust: dict[str, Any]) -> None:
    untrusting = make_role(account.emulator, trust)
    expected = (400, "InvalidParameterValueException", UNASSUMABLE)
    assert refused(account.function, Role=untrusting) == expected
    name = account.function()
    assert refused(account.lambda_.update_function_configuration, FunctionName=name, Role=untrusting) == expected


def test_a_missing_role_and_one_named_without_its_path_are_refused(account: Functions) -> None:
    with_path = make_role(account.emulator, TRUST, path="/geopipe/dev/")
    assert account.function(Role=with_path)
    for role in (f"arn:aws:iam::{ACCOUNT_ID}:role/no-such", with_path.replace("geopipe/dev/", "")):
        assert refused(account.function, Role=role) == (400, "InvalidParameterValueException", UNASSUMABLE)
    assert refused(account.function, Role="arn:aws:iam::999999999999:role/x")[1] == "AccessDeniedException"


@pytest.mark.parametrize(
    ("settings", "code", "part"),
    [
        ({"Timeout": 901}, "ValidationException", "less than or equal to 900"),
        ({"MemorySize": 10_241}, "ValidationException", "less than or equal to 10240"),
        (
            {"Runtime": "java21"},
            "InvalidParameterValueException",
            "python3.x, nodejs20.x and later, provided.al2023 only",
        ),
        ({"Runtime": "python3.7"}, "InvalidParameterValueException", "no longer supported"),
        (
            {"Environment": {"Variables": {"AWS_REGION": "x"}}},
            "InvalidParameterValueException",
            "Reserved keys used in this request: AWS_REGION",
        ),
        ({"Environment": {"Variables": {"LONG": "x" * 4096}}}, "InvalidParameterValueException", "4KB limit"),
        ({"Layers": [f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:layer:x:1"]}, "InvalidParameterValueException", "exist"),
        ({"Tags": {"aws:mine": "1"}}, "InvalidParameterValueException", "aws:"),
    ],
)
def test_settings_are_checked(account: Functions, settings: dict[str, Any], code: str, part: str) -> None:
    _, actual_code, message = refused(account.function, **settings)
    assert actual_code == code
    assert part in message


# Reading


@pytest.mark.parametrize("operation", ["get_function", "get_function_configuration", "delete_function", "invoke"])
def test_a_missing_function_is_named_by_its_arn(account: Functions, operation: str) -> None:
    call = getattr(account.lambda_, operation)
    assert refused(call, FunctionName="missing") == (
        404,
        "ResourceNotFoundException",
        f"Function not found: {arn_of('missing')}",
    )
    assert refused(account.lambda_.get_function, FunctionName="missing", Qualifier="7")[2].endswith(":missing:7")


def test_a_function_is_found_by_every_spelling_of_its_name(account: Functions) -> None:
    name = account.function()
    spellings = [name, f"{name}:$LATEST", f"function:{name}", f"{ACCOUNT_ID}:function:{name}", arn_of(name)]
    for spelling in spellings:
        assert account.lambda_.get_function_configuration(FunctionName=spelling)["FunctionName"] == name
    elsewhere = arn_of(name).replace(REGION, "eu-west-1")
    assert "not reachable" in refused(account.lambda_.get_function, FunctionName=elsewhere)[2]


def test_functions_of_another_region_are_other_functions(account: Functions) -> None:
    name = account.function()
    elsewhere = account.emulator.client("lambda", "eu-west-1")
    assert refused(elsewhere.get_function, FunctionName=name)[0] == 404


def test_functions_are_listed_in_pages(account: Functions) -> None:
    names = {account.function() for _ in range(3)}
    pages = account.lambda_.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2})
    listed = [function["FunctionName"] for shown in pages for function in shown["Functions"]]
    assert names <= set(listed)
    assert len(listed) == len(set(listed))


def test_a_list_leaves_out_what_only_one_function_s_description_has(account: Functions) -> None:
    name = account.function()
    described = account.lambda_.get_function_configuration(FunctionName=name)
    assert re.fullmatch(
        rf"arn:aws:lambda:{REGION}::runtime:[0-9a-f]{{64}}", described["RuntimeVersionConfig"]["RuntimeVersionArn"]
    )
    pages = account.lambda_.get_paginator("list_functions").paginate()
    (listed,) = (entry for shown in pages for entry in shown["Functions"] if entry["FunctionName"] == name)
    left_out = {"State", "LastUpdateStatus", "RuntimeVersionConfig", "ResponseMetadata"}
    assert {key: value for key, value in described.items() if key not in left_out} == listed


def test_what_no_function_has_is_answered_as_on_aws(account: Functions) -> None:
    lambda_, name = account.lambda_, account.function(Environment={"Variables": {}}, Publish=True)
    assert lambda_.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == "Terminate"
    assert lambda_.put_function_recursion_config(FunctionName=name, RecursiveLoop="Terminate")
    refusal = refused(lambda_.put_function_recursion_config, FunctionName=name, RecursiveLoop="Allow")
    assert refusal[:2] == (400, "InvalidParameterValueException")
    managed = lambda_.put_runtime_management_config(FunctionName=name, UpdateRuntimeOn="Auto")
    assert managed["FunctionArn"] == arn_of(name)
    refusal = refused(lambda_.put_runtime_management_config, FunctionName=name, UpdateRuntimeOn="FunctionUpdate")
    assert refusal[:2] == (400, "InvalidParameterValueException")
    refusal = refused(lambda_.get_provisioned_concurrency_config, FunctionName=name, Qualifier="1")
    assert refusal[:2] == (404, "ProvisionedConcurrencyConfigNotFoundException")
    assert lambda_.list_provisioned_concurrency_configs(FunctionName=name)["ProvisionedConcurrencyConfigs"] == []
    assert lambda_.list_code_signing_configs()["CodeSigningConfigs"] == []
    assert lambda_.delete_function_code_signing_config(FunctionName=name)
    usage = lambda_.get_account_settings()["AccountUsage"]
    assert usage["FunctionCount"] >= 1 and usage["TotalCodeSize"] >= 2 * len(zipped(app=ECHO))
    for read in (lambda_.get_function_recursion_config, lambda_.list_provisioned_concurrency_configs):
        assert refused(read, FunctionName="no-such-function")[:2] == (404, "ResourceNotFoundException")


def test_the_code_can_be_fetched_from_its_location(account: Functions) -> None:
    source = f"{ECHO}# {uuid.uuid4()}\n"
    name = account.function(source)
    location = account.lambda_.get_function(FunctionName=name)["Code"]["Location"]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(location) as answer:
        assert answer.read() == zipped(app=source)
    account.lambda_.delete_function(FunctionName=name)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        opener.open(location)


def test_tags_are_added_and_taken_away(account: Functions) -> None:
    name = account.function(Tags={"a": "1"})
    account.lambda_.tag_resource(Resource=arn_of(name), Tags={"b": "2", "a": "3"})
    account.lambda_.untag_resource(Resource=arn_of(name), TagKeys=["b", "c"])
    assert account.lambda_.list_tags(Resource=arn_of(name))["Tags"] == {"a": "3"}
    assert refused(account.lambda_.list_tags, Resource=arn_of("missing"))[0] == 404


# Updating


def test_new_code_is_what_runs_next(account: Functions) -> None:
    name = account.function()
    assert account.call(name, 1) == 1
    new = zipped(app="def handler(event, context):\n    return 'new'\n")
    dry = account.lambda_.update_function_code(FunctionName=name, ZipFile=new, DryRun=True)
    assert account.call(name, 1) == 1
    updated = account.lambda_.update_function_code(FunctionName=name, ZipFile=new)
    assert updated["LastUpdateStatus"] == "InProgress"
    assert updated["CodeSha256"] == dry["CodeSha256"] == base64.b64encode(hashlib.sha256(new).digest()).decode()
    account.lambda_.get_waiter("function_updated_v2").wait(FunctionName=name)
    assert account.call(name, 1) == "new"


def test_a_new_environment_replaces_the_old_one(account: Functions) -> None:
    source = "import os\ndef handler(event, context):\n    return [os.environ.get('AA'), os.environ.get('BB')]\n"
    name = account.function(source, Environment={"Variables": {"AA": "1"}}, Description="kept")
    assert account.call(name) == ["1", None]
    account.lambda_.update_function_configuration(FunctionName=name, Environment={"Variables": {"BB": "2"}})
    assert account.call(name) == [None, "2"]
    assert account.lambda_.get_function_configuration(FunctionName=name)["Description"] == "kept"


def test_an_update_under_an_old_revision_is_refused(account: Functions) -> None:
    name = account.function()
    revision = account.lambda_.get_function_configuration(FunctionName=name)["RevisionId"]
    account.lambda_.update_function_configuration(FunctionName=name, Timeout=7, RevisionId=revision)
    for operation in (account.lambda_.update_function_configuration, account.lambda_.update_function_code):
        more = {"ZipFile": zipped(app=ECHO)} if operation == account.lambda_.update_function_code else {"Timeout": 8}
        assert refused(operation, FunctionName=name, RevisionId=revision, **more)[:2] == (
            412,
            "PreconditionFailedException",
        )
    assert account.lambda_.get_function_configuration(FunctionName=name)["Timeout"] == 7


class SteppedClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def start_service(emulator: Emulator) -> Iterator[Callable[..., FunctionsService]]:
    """Starts services next to the emulator's own; they share its queues, logs and roles but not its functions."""
    started: list[FunctionsService] = []

    def start(settings: Settings, clock: Callable[[], float] = time.monotonic) -> FunctionsService:
        service = FunctionsService(Environment(settings, emulator.url, emulator.client), clock)
        started.append(service)
        service.start()
        return service

    yield start
    for service in started:
        service.stop()


def test_a_function_settles_only_with_time(start_service: Callable[..., FunctionsService], account: Functions) -> None:
    clock = SteppedClock()
    service = start_service(Settings(function_pending_seconds=60), clock)
    context = RequestContext(ACCOUNT_ID, REGION)

    def ask(operation: str, **request: Any) -> dict[str, Any]:
        return dict(service.operations[operation]({"FunctionName": "slow", **request}, context))

    def conflict(operation: str, **request: Any) -> str:
        with pytest.raises(ServiceError) as caught:
            ask(operation, **request)
        assert (caught.value.code, caught.value.status) == ("ResourceConflictException", 409)
        return caught.value.message

    code = {"ZipFile": zipped(app=ECHO)}
    made = ask("CreateFunction", Runtime="python3.12", Role=account.role, Handler="app.handler", Code=code)
    assert "following state: Pending" in conflict("Invoke")
    assert "following state: Pending" in conflict("UpdateFunctionConfiguration", Timeout=5)
    clock.now += 61
    assert ask("GetFunctionConfiguration")["State"] == "Active"
    assert ask("GetFunctionConfiguration")["RevisionId"] != made["RevisionId"]

    ask("UpdateFunctionConfiguration", Timeout=5)
    assert conflict("UpdateFunctionCode", **code) == (
        f"The operation cannot be performed at this time. An update is in progress for resource: {arn_of('slow')}"
    )
    assert json.loads(ask("Invoke", Payload=b"[5]")["Payload"]) == [5]
    clock.now += 61
    assert ask("GetFunctionConfiguration")["LastUpdateStatus"] == "Successful"


# Invoking


def test_what_cannot_be_json_is_refused_before_any_worker(account: Functions) -> None:
    name = account.function()
    assert refused(account.lambda_.invoke, FunctionName=name, Payload=b"{not json")[:2] == (
        400,
        "InvalidRequestContentException",
    )
    assert refused(account.lambda_.invoke, FunctionName=name, Payload=b'"' + b"x" * 6_291_456 + b'"')[:2] == (
        413,
        "RequestTooLargeException",
    )


def test_no_payload_is_an_empty_event_and_no_result_is_null(account: Functions) -> None:
    name = account.function("def handler(event, context):\n    return None if event == {} else 'not empty'\n")
    answer = account.lambda_.invoke(FunctionName=name)
    assert answer["Payload"].read() == b"null"
    assert answer["ExecutedVersion"] == "$LATEST"


def test_a_dry_run_invokes_nothing(account: Functions) -> None:
    name = account.function()
    assert account.lambda_.invoke(FunctionName=name, InvocationType="DryRun")["StatusCode"] == 204
    account.call(name)
    eventually(lambda: account.log_lines(name))
    assert sum(line.startswith("START") for line in account.log_lines(name)) == 1


def test_an_event_invocation_is_tried_three_times_under_one_request_id(
    start_service: Callable[..., FunctionsService], account: Functions
) -> None:
    name = f"f-{uuid.uuid4().hex[:8]}"
    operations = start_service(Settings(time_scale=0.001)).operations
    context = RequestContext(ACCOUNT_ID, REGION)
    code = {"ZipFile": zipped(app="def handler(event, context):\n    raise ValueError(event)\n")}
    request = {"FunctionName": name, "Runtime": "python3.12", "Role": account.role, "Handler": "app.handler"}
    operations["CreateFunction"]({**request, "Code": code}, context)
    answer = operations["Invoke"]({"FunctionName": name, "InvocationType": "Event", "Payload": b'"later"'}, context)
    assert answer["StatusCode"] == 202

    def starts() -> list[str]:
        return [line for line in account.log_lines(name) if line.startswith("START")]

    eventually(lambda: len(starts()) == 3)
    assert len(set(starts())) == 1


def test_a_reserved_concurrency_of_none_switches_the_function_off(account: Functions) -> None:
    name = account.function()
    account.lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    assert refused(account.lambda_.invoke, FunctionName=name)[:2] == (429, "TooManyRequestsException")
    assert account.lambda_.get_function(FunctionName=name)["Concurrency"] == {"ReservedConcurrentExecutions": 0}
    account.lambda_.delete_function_concurrency(FunctionName=name)
    assert account.call(name, 1) == 1


# Deleting


def test_a_deleted_function_leaves_nothing_behind(account: Functions) -> None:
    source = "import time\ndef handler(event, context):\n    time.sleep(event)\n    print('late')\n"
    name = account.function(source)
    account.call(name, 0)
    account.lambda_.invoke(FunctionName=name, InvocationType="Event", Payload=b"0.2")
    account.lambda_.delete_function(FunctionName=name)
    account.client("logs").delete_log_group(logGroupName=f"/aws/lambda/{name}")
    deadline = time.monotonic() + 0.6
    while time.monotonic() < deadline:
        assert account.log_lines(name) == []
        time.sleep(0.05)
    groups = account.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")
    assert groups["logGroups"] == []
    assert refused(account.lambda_.invoke, FunctionName=name)[0] == 404


def test_a_name_can_be_used_again_immediately(account: Functions) -> None:
    name = account.function()
    account.call(name)
    account.lambda_.delete_function(FunctionName=name)
    account.function("def handler(event, context):\n    return 'second'\n", FunctionName=name)
    assert account.call(name) == "second"
