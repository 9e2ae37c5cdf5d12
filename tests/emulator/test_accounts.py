"""IAM and STS where they are stricter here than in moto."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from emulator_endpoint import Emulator, StartEmulator
from geopipe_runner.emulator.settings import Settings

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


def test_policy_names_are_unique_whatever_the_path(iam: Any) -> None:
    iam.create_policy(PolicyName="Once", Path="/one/", PolicyDocument=ANYTHING)
    for name, path in (("Once", "/one/"), ("Once", "/other/"), ("once", "/")):
        assert code_of(iam.create_policy, PolicyName=name, Path=path, PolicyDocument=ANYTHING) == "EntityAlreadyExists"
    # AWS's own names are free.
    iam.create_policy(PolicyName="ReadOnlyAccess", PolicyDocument=ANYTHING)


def test_a_policy_in_use_stays(iam: Any) -> None:
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


def test_aws_managed_policies_are_there_when_asked_for(iam: Any) -> None:
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
        answer: dict[str, Any] = sts.assume_role(RoleArn=arn(name), RoleSessionName="test", **more)
        return answer

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


def test_a_role_is_taken_out_of_an_instance_profile_once(iam: Any) -> None:
    iam.create_role(RoleName="Profiled", AssumeRolePolicyDocument=trust({"Service": "ec2.amazonaws.com"}))
    iam.create_instance_profile(InstanceProfileName="Profile")
    both = {"InstanceProfileName": "Profile", "RoleName": "Profiled"}
    assert code_of(iam.remove_role_from_instance_profile, **both) == "NoSuchEntity"
    iam.add_role_to_instance_profile(**both)
    iam.remove_role_from_instance_profile(**both)
    assert code_of(iam.remove_role_from_instance_profile, **both) == "NoSuchEntity"
