"""IAM and STS where they are stricter here than in moto."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.exceptions import ClientError

from geopipe_emulator.authorization.roles import KnownRole, KnownRoles
from geopipe_emulator.gateway.call import Call
from geopipe_emulator.gateway.handlers.moto import MotoHandler
from geopipe_emulator.http.request import Request
from geopipe_emulator.service import RequestContext
from geopipe_emulator.services.iam.moto_patch import IamPatch
from geopipe_emulator.settings import Settings
from tests.support.emulator_endpoint import Emulator, StartEmulator

ACCOUNT = "200000000031"
ANYTHING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]})


def trust(principal: Any, **parts: Any) -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"} | parts
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture(scope="module")
def endpoint(start_emulator: StartEmulator) -> Emulator:
    return start_emulator(Settings(account_id=ACCOUNT))


@pytest.fixture(scope="module")
def iam(endpoint: Emulator) -> Any:
    return endpoint.client("iam")


@pytest.fixture(scope="module")
def sts(endpoint: Emulator) -> Any:
    return endpoint.client("sts")


def code_of(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    code: str = caught.value.response["Error"]["Code"]
    return code


def test_role_names_differ_by_more_than_case(iam: Any) -> None:
    document = trust({"Service": "lambda.amazonaws.com"})
    iam.create_role(RoleName="CaseRole", AssumeRolePolicyDocument=document)
    assert code_of(iam.create_role, RoleName="caserole", AssumeRolePolicyDocument=document) == "EntityAlreadyExists"


@pytest.mark.parametrize("document", ["{", '{"a": 1}', json.dumps({"Version": "2012-10-17", "Statement": []})])
def test_malformed_trust_policies(iam: Any, document: str) -> None:
    assert code_of(iam.create_role, RoleName="Bad", AssumeRolePolicyDocument=document) == "MalformedPolicyDocument"
    assert code_of(iam.get_role, RoleName="Bad") == "NoSuchEntity"


def test_policy_names_are_unique_across_paths_and_case(iam: Any) -> None:
    iam.create_policy(PolicyName="Once", Path="/one/", PolicyDocument=ANYTHING)
    for name, path in (("Once", "/one/"), ("Once", "/other/"), ("once", "/")):
        assert code_of(iam.create_policy, PolicyName=name, Path=path, PolicyDocument=ANYTHING) == "EntityAlreadyExists"
    # AWS's own names are free.
    iam.create_policy(PolicyName="ReadOnlyAccess", PolicyDocument=ANYTHING)


def test_a_policy_in_use_cannot_be_deleted(iam: Any) -> None:
    iam.create_role(RoleName="User", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
    arn = iam.create_policy(PolicyName="used", PolicyDocument=ANYTHING)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="User", PolicyArn=arn)
    assert code_of(iam.delete_policy, PolicyArn=arn) == "DeleteConflict"
    assert code_of(iam.delete_role, RoleName="User") == "DeleteConflict"
    iam.detach_role_policy(RoleName="User", PolicyArn=arn)
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=ANYTHING, SetAsDefault=True)
    assert code_of(iam.delete_policy, PolicyArn=arn) == "DeleteConflict"
    iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    iam.delete_policy(PolicyArn=arn)
    assert code_of(iam.get_policy, PolicyArn=arn) == "NoSuchEntity"


def test_aws_managed_policies_exist(iam: Any) -> None:
    iam.create_role(RoleName="Managed", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
    arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    iam.attach_role_policy(RoleName="Managed", PolicyArn=arn)
    [attached] = iam.list_attached_role_policies(RoleName="Managed")["AttachedPolicies"]
    assert attached["PolicyArn"] == arn
    missing = "arn:aws:iam::aws:policy/AWSLambdaBasicExecutionRole"
    assert code_of(iam.attach_role_policy, RoleName="Managed", PolicyArn=missing) == "NoSuchEntity"
    assert iam.list_policies(Scope="Local", PathPrefix="/service-role/")["Policies"] == []


def test_assuming_a_role_needs_the_role_and_its_trust(endpoint: Emulator, iam: Any, sts: Any) -> None:
    def arn(name: str) -> str:
        return f"arn:aws:iam::{ACCOUNT}:role/{name}"

    def assume(name: str, **more: str) -> dict[str, Any]:
        response: dict[str, Any] = sts.assume_role(RoleArn=arn(name), RoleSessionName="test", **more)
        return response

    assert code_of(assume, name="Missing") == "AccessDenied"
    iam.create_role(RoleName="ForLambda", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
    assert code_of(assume, name="ForLambda") == "AccessDenied"
    external = {"StringEquals": {"sts:ExternalId": "42"}}
    us = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    iam.create_role(RoleName="ForUs", AssumeRolePolicyDocument=trust(us, Condition=external))
    assert code_of(assume, name="ForUs") == "AccessDenied"
    session = assume("ForUs", ExternalId="42")
    assert session["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/ForUs/test"
    # Our own services act for their principal, which they have checked.
    internal = endpoint.server.environment.client("sts")
    assert internal.assume_role(RoleArn=arn("ForLambda"), RoleSessionName="worker")["Credentials"]["SessionToken"]


def test_the_simulator_knows_the_policies_of_a_role(iam: Any) -> None:
    boundary = json.dumps(
        {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["s3:*", "sqs:*"], "Resource": "*"}]}
    )
    arn = iam.create_policy(PolicyName="limit", PolicyDocument=boundary)["Policy"]["Arn"]
    role = iam.create_role(
        RoleName="simulated", AssumeRolePolicyDocument=trust({"AWS": ACCOUNT}), PermissionsBoundary=arn
    )["Role"]["Arn"]
    statements = [
        {"Effect": "Allow", "Action": ["s3:*", "iam:*"], "Resource": "*"},
        {"Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "arn:aws:s3:::kept"},
        {
            "Effect": "Allow",
            "Action": "sqs:SendMessage",
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:RequestedRegion": "us-west-2"}},
        },
    ]
    iam.put_role_policy(
        RoleName="simulated",
        PolicyName="own",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
    )

    def simulate(actions: list[str], **arguments: Any) -> dict[tuple[str, str], str]:
        pages = iam.get_paginator("simulate_principal_policy").paginate(
            PolicySourceArn=role, ActionNames=actions, **arguments
        )
        results = [result for page in pages for result in page["EvaluationResults"]]
        return {(result["EvalActionName"], result["EvalResourceName"]): result["EvalDecision"] for result in results}

    buckets = ["arn:aws:s3:::kept", "arn:aws:s3:::other"]
    assert simulate(["s3:DeleteBucket", "sqs:SendMessage"], ResourceArns=buckets) == {
        ("s3:DeleteBucket", buckets[0]): "explicitDeny",
        ("s3:DeleteBucket", buckets[1]): "allowed",
        ("sqs:SendMessage", buckets[0]): "implicitDeny",
        ("sqs:SendMessage", buckets[1]): "implicitDeny",
    }
    assert simulate(["iam:GetRole"]) == {("iam:GetRole", "*"): "implicitDeny"}  # outside of the boundary
    entry = {"ContextKeyName": "aws:RequestedRegion", "ContextKeyValues": ["us-west-2"], "ContextKeyType": "string"}
    assert simulate(["sqs:SendMessage"], ContextEntries=[entry]) == {("sqs:SendMessage", "*"): "allowed"}
    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.simulate_principal_policy(PolicySourceArn=f"{role}-other", ActionNames=["iam:GetRole"])


def test_a_caller_has_one_name_everywhere(endpoint: Emulator, iam: Any, sts: Any) -> None:
    def client_of(service: str, credentials: Mapping[str, str]) -> Any:
        return endpoint.session.client(
            service,
            region_name="us-west-2",
            endpoint_url=endpoint.url,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials.get("SessionToken"),
        )

    iam.create_role(RoleName="Named", AssumeRolePolicyDocument=trust({"AWS": f"arn:aws:iam::{ACCOUNT}:root"}))
    role = iam.get_role(RoleName="Named")["Role"]
    user = iam.create_user(UserName="anna")["User"]
    callers = {
        (f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT): {"AccessKeyId": "AKIAANY", "SecretAccessKey": "any"},
        (user["Arn"], user["UserId"]): iam.create_access_key(UserName="anna")["AccessKey"],
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/Named/me", f"{role['RoleId']}:me"): sts.assume_role(
            RoleArn=role["Arn"], RoleSessionName="me"
        )["Credentials"],
    }
    missing = f"arn:aws:iam::{ACCOUNT}:role/Missing"
    for (arn, user_id), credentials in callers.items():
        client = client_of("sts", credentials)
        identity = client.get_caller_identity()
        assert (identity["Arn"], identity["UserId"], identity["Account"]) == (arn, user_id, ACCOUNT)
        with pytest.raises(ClientError) as caught:
            client.assume_role(RoleArn=missing, RoleSessionName="no")
        text = f"User: {arn} is not authorized to perform: sts:AssumeRole on resource: {missing}"
        assert caught.value.response["Error"]["Message"] == text


def test_a_role_is_taken_out_of_an_instance_profile_once(iam: Any) -> None:
    iam.create_role(RoleName="Profiled", AssumeRolePolicyDocument=trust({"Service": "ec2.amazonaws.com"}))
    iam.create_instance_profile(InstanceProfileName="Profile")
    both = {"InstanceProfileName": "Profile", "RoleName": "Profiled"}
    assert code_of(iam.remove_role_from_instance_profile, **both) == "NoSuchEntity"
    iam.add_role_to_instance_profile(**both)
    iam.remove_role_from_instance_profile(**both)
    assert code_of(iam.remove_role_from_instance_profile, **both) == "NoSuchEntity"


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("get_role", {"RoleName": "Missing"}, "The role with name Missing cannot be found."),
        ("delete_role", {"RoleName": "Missing"}, "The role with name Missing cannot be found."),
        (
            "put_role_policy",
            {"RoleName": "Missing", "PolicyName": "p", "PolicyDocument": ANYTHING},
            "The role with name Missing cannot be found.",
        ),
        ("get_user", {"UserName": "Missing"}, "The user with name Missing cannot be found."),
        (
            "get_instance_profile",
            {"InstanceProfileName": "Missing"},
            "Instance Profile Missing cannot be found.",
        ),
        (
            "get_role_policy",
            {"RoleName": "Present", "PolicyName": "missing"},
            "The role policy with name missing cannot be found.",
        ),
    ],
)
def test_missing_entities_have_the_texts_of_aws(iam: Any, method: str, arguments: dict[str, str], message: str) -> None:
    if "Present" not in {role["RoleName"] for role in iam.list_roles()["Roles"]}:
        iam.create_role(RoleName="Present", AssumeRolePolicyDocument=trust({"Service": "lambda.amazonaws.com"}))
    with pytest.raises(iam.exceptions.NoSuchEntityException) as caught:
        getattr(iam, method)(**arguments)
    assert caught.value.response["Error"]["Message"] == message


class CountingRoles(KnownRoles):
    """Counts how many roles are read after a change."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    def note(self, partition: str, name: str, read: Callable[[], KnownRole | None]) -> None:
        self.reads += 1
        super().note(partition, name, read)


def test_a_change_costs_time_for_the_roles_that_it_concerns_only() -> None:
    """Whether or not roles are held to their policies."""
    known = CountingRoles()
    moto = MotoHandler("200000000032")
    moto.patches = {"iam": IamPatch(known)}

    def iam(operation: str, **parameters: str) -> int:
        body = urlencode({"Action": operation, "Version": "2010-05-08", **parameters}).encode()
        request = Request(
            {
                "REQUEST_METHOD": "POST",
                "RAW_URI": "/",
                "PATH_INFO": "/",
                "SERVER_NAME": "127.0.0.1",
                "SERVER_PORT": "80",
                "SERVER_PROTOCOL": "HTTP/1.1",
                "wsgi.url_scheme": "http",
                "HTTP_HOST": "127.0.0.1",
                "HTTP_AUTHORIZATION": "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/iam/aws4_request, Signature=0",
                "CONTENT_TYPE": "application/x-www-form-urlencoded",
                "CONTENT_LENGTH": str(len(body)),
                "wsgi.input": io.BytesIO(body),
            }
        )
        before = known.reads
        response = moto.handle(Call(request, RequestContext("200000000032", "us-east-1"), "iam", operation))
        assert response.status == 200, response.content()
        return known.reads - before

    document = trust({"Service": "lambda.amazonaws.com"})
    policy = "arn:aws:iam::200000000032:policy/p"
    for number in range(20):
        assert iam("CreateRole", RoleName=f"r{number}", AssumeRolePolicyDocument=document) == 1
    assert iam("CreatePolicy", PolicyName="p", PolicyDocument=ANYTHING) == 0
    for name in ("r3", "r7"):
        assert iam("AttachRolePolicy", RoleName=name, PolicyArn=policy) == 1
    assert iam("CreatePolicyVersion", PolicyArn=policy, PolicyDocument=ANYTHING, SetAsDefault="true") == 2
    assert iam("PutRolePolicy", RoleName="r0", PolicyName="i", PolicyDocument=ANYTHING) == 1
    assert iam("CreateUser", UserName="u") == 0
    assert iam("DeleteRole", RoleName="r19") == 1
    assert known.latest("aws", "r19") is None
    latest = known.latest("aws", "r7")
    assert latest is not None
    assert latest.attached == {policy}
    assert iam("CreateServiceLinkedRole", AWSServiceName="autoscaling.amazonaws.com") == 20
    assert known.latest("aws", "AWSServiceRoleForAutoScaling") is not None
    moto.forget()
