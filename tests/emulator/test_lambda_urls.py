"""Function URLs: their settings, who may call them, and requests and responses in payload format 2.0."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from geopipe_emulator.emulator import default_services
from geopipe_emulator.settings import Settings
from tests.support.emulator_endpoint import Emulator, StartEmulator
from tests.support.functions import TRUST, Functions, make_role, refused

ACCOUNT = "200000000134"
ANYONE = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}],
}
RESPONDS = """
import base64
def handler(event, context):
    what = event["rawPath"].strip("/")
    if what == "fail":
        raise ValueError("no")
    if what == "whole":
        return {"statusCode": 201, "headers": {"content-type": "text/plain", "x-one": "1\\r\\nx-two: 2"},
                "cookies": ["a=1", "b=2"], "body": base64.b64encode(b"\\xff\\x00").decode(), "isBase64Encoded": True}
    if what == "broken":
        return {"statusCode": "many"}
    return event
"""


@pytest.fixture(scope="module")
def standing(start_emulator: StartEmulator) -> Emulator:
    return start_emulator(Settings(account_id=ACCOUNT, iam="enforce"), default_services())


@pytest.fixture(scope="module")
def account(standing: Emulator) -> Iterator[Functions]:
    account = Functions(standing, make_role(standing, TRUST))
    yield account
    account.clear()


@pytest.fixture(scope="module")
def function(account: Functions) -> str:
    return account.function(RESPONDS)


def permit(account: Functions, function: str, principal: str, auth: str, **more: str) -> None:
    """Both permissions that AWS asks for since October 2025."""
    add = account.lambda_.add_permission
    common = {"FunctionName": function, "Principal": principal, **more}
    add(**common, StatementId="url", Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType=auth)
    add(**common, StatementId="run", Action="lambda:InvokeFunction", InvokedViaFunctionUrl=True)


Reply = tuple[int, http.client.HTTPMessage, bytes]


def request(url: str, path: str = "", method: str = "GET", body: bytes = b"", **headers: str) -> Reply:
    parts = urlsplit(url + path)
    connection = http.client.HTTPConnection(parts.netloc, timeout=90)
    try:
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.request(method, target, body or None, {k.replace("_", "-"): v for k, v in headers.items()})
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


def signed(url: str, keys: Credentials) -> Reply:
    call = AWSRequest("GET", url)
    SigV4Auth(keys, "lambda", "us-west-2").add_auth(call)
    return request(url, **{name.replace("-", "_"): str(value) for name, value in call.headers.items()})


def test_a_public_url_calls_the_function(account: Functions, function: str) -> None:
    url = account.lambda_.create_function_url_config(FunctionName=function, AuthType="NONE")["FunctionUrl"]
    assert url.startswith(f"{account.emulator.url}/_lambda-url/")
    status, headers, body = request(url)
    assert (status, headers["x-amzn-ErrorType"]) == (403, "AccessDeniedException")
    permit(account, function, "*", "NONE")

    status, headers, body = request(
        url, "a%20b/c?x=1&x=2&y=", "POST", b'{"a": 1}', Content_Type="application/json", Cookie="a=1; b=2"
    )
    event = json.loads(body)
    assert (status, headers.get_content_type()) == (200, "application/json")
    assert (event["version"], event["rawPath"], event["rawQueryString"]) == ("2.0", "/a%20b/c", "x=1&x=2&y=")
    assert event["queryStringParameters"] == {"x": "1,2", "y": ""}
    assert (event["body"], event["isBase64Encoded"], event["cookies"]) == ('{"a": 1}', False, ["a=1", "b=2"])
    assert event["headers"]["content-type"] == "application/json"
    context = event["requestContext"]
    assert (context["http"]["method"], context["http"]["path"]) == ("POST", "/a%20b/c")
    assert (context["accountId"], context["apiId"]) == ("anonymous", url.split("/")[-2])
    event = json.loads(request(url, method="PUT", body=b"\xff", Content_Type="application/octet-stream")[2])
    assert (base64.b64decode(event["body"]), event["isBase64Encoded"]) == (b"\xff", True)

    status, headers, body = request(url, "whole")
    assert (status, body, headers["content-type"]) == (201, b"\xff\x00", "text/plain")
    assert (headers.get_all("Set-Cookie"), headers["x-two"]) == (["a=1", "b=2"], None)
    assert request(url, "fail")[0] == 502
    assert request(url, "broken")[0] == 502
    assert request(url.replace("_lambda-url/", "_lambda-url/x"))[0] == 404
    assert request(url, Origin="http://evil.example")[0] == 403
    assert request(url, Host="evil.example")[0] == 403
    account.lambda_.remove_permission(FunctionName=function, StatementId="run")
    assert request(url)[0] == 403


def test_web_pages_may_call_what_cors_allows(account: Functions) -> None:
    function = account.function(RESPONDS)
    cors = {"AllowOrigins": ["https://my.example"], "AllowMethods": ["GET"], "MaxAge": 60}
    url = account.lambda_.create_function_url_config(FunctionName=function, AuthType="NONE", Cors=cors)["FunctionUrl"]
    permit(account, function, "*", "NONE")
    status, headers, _ = request(url, Origin="https://my.example")
    assert (status, headers["Access-Control-Allow-Origin"]) == (200, "https://my.example")
    ask = {"Origin": "https://my.example", "Access_Control_Request_Method": "GET"}
    status, headers, body = request(url, method="OPTIONS", **ask)
    assert body == b""
    assert (status, headers["Access-Control-Allow-Methods"], headers["Access-Control-Max-Age"]) == (200, "GET", "60")
    assert request(url, Origin="https://other.example")[0] == 403
    assert request(url, Origin="https://my.example", Host="my.example")[0] == 403


def test_a_signed_url_holds_roles_to_their_policies(account: Functions) -> None:
    function = account.function(RESPONDS)
    version = account.lambda_.publish_version(FunctionName=function)["Version"]
    account.lambda_.create_alias(FunctionName=function, Name="live", FunctionVersion=version)
    created = account.lambda_.create_function_url_config(FunctionName=function, Qualifier="live", AuthType="AWS_IAM")
    url = created["FunctionUrl"]
    assert created["FunctionArn"].endswith(f"{function}:live")
    assert request(url)[0] == 403
    status, _, body = signed(url, Credentials("AKIATEST", "secret"))
    event = json.loads(body)
    assert (status, event["requestContext"]["authorizer"]["iam"]["accountId"]) == (200, ACCOUNT)
    assert "authorization" not in event["headers"]
    role = make_role(account.emulator, ANYONE)
    session = account.client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    keys = Credentials(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])
    assert signed(url, keys)[0] == 403
    permit(account, function, role, "AWS_IAM", Qualifier="live")
    status, _, body = signed(url, keys)
    assert status == 200
    assert json.loads(body)["requestContext"]["authorizer"]["iam"]["userArn"].endswith("/test")
    account.lambda_.delete_alias(FunctionName=function, Name="live")
    assert signed(url, keys)[0] == 404


def test_settings_are_created_read_changed_and_deleted(account: Functions) -> None:
    lambda_, name = account.lambda_, account.function()
    missing = (404, "ResourceNotFoundException")
    assert refused(lambda_.get_function_url_config, FunctionName=name)[:2] == missing
    created = lambda_.create_function_url_config(FunctionName=name, AuthType="AWS_IAM")
    assert (created["AuthType"], created["InvokeMode"]) == ("AWS_IAM", "BUFFERED")
    again = refused(lambda_.create_function_url_config, FunctionName=name, AuthType="NONE")
    assert again[:2] == (409, "ResourceConflictException")
    lambda_.update_function_url_config(FunctionName=name, AuthType="NONE", Cors={"AllowOrigins": ["*"]})
    shown = lambda_.get_function_url_config(FunctionName=name)
    assert (shown["AuthType"], shown["Cors"], shown["FunctionUrl"]) == (
        "NONE", {"AllowOrigins": ["*"]}, created["FunctionUrl"],
    )  # fmt: skip
    [listed] = lambda_.list_function_url_configs(FunctionName=name)["FunctionUrlConfigs"]
    assert listed["FunctionUrl"] == created["FunctionUrl"]
    streamed = refused(lambda_.update_function_url_config, FunctionName=name, InvokeMode="RESPONSE_STREAM")
    assert streamed[:2] == (501, "NotImplemented")
    lambda_.delete_function_url_config(FunctionName=name)
    assert refused(lambda_.delete_function_url_config, FunctionName=name)[:2] == missing
    assert request(created["FunctionUrl"])[0] == 404
