"""What a role may do, by its policies, its boundary and its session's policy: cases as data."""

from __future__ import annotations

from typing import Any

import pytest

from geopipe_emulator.authorization.identity_policies import DenialReason, Grants, find_denial
from geopipe_emulator.authorization.policy_statements import Access

ROLE = "arn:aws:iam::123456789012:role/SageMakerExampleRole"
FACTS = {
    "iam:passedtoservice": "sagemaker-geospatial.amazonaws.com",
    "aws:securetransport": "true",
    "aws:principalarn": "arn:aws:iam::123456789012:role/geopipe/Function",
}
PASS = Access("iam:PassRole", ROLE, frozenset(), FACTS)
SERVICES = ["sagemaker.amazonaws.com", "sagemaker-geospatial.amazonaws.com"]


def allow(**parts: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "iam:PassRole", "Resource": ROLE} | parts


def deny(**parts: Any) -> dict[str, Any]:
    return allow(Effect="Deny", **parts)


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def without(statement: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in statement.items() if key != name}


ALLOWED: dict[str, dict[str, Any]] = {
    "as it is": allow(),
    "list of one": allow(Action=["iam:PassRole"], Resource=[ROLE]),
    "one of many": allow(Action=["s3:*", "iam:PassRole"], Resource=["arn:aws:s3:::b", ROLE]),
    "wildcards": allow(Action="iam:Pass*", Resource="arn:aws:iam::*:role/SageMakerExample????"),
    "everything": allow(Action="*", Resource="*"),
    "action in another case": allow(Action="IAM:passrole"),
    "not another action": without(allow(NotAction="iam:Create*"), "Action"),
    "not another resource": without(allow(NotResource="arn:aws:iam::*:role/Other"), "Resource"),
    "passed to one of two": allow(Condition={"StringEquals": {"iam:PassedToService": SERVICES}}),
    "passed to, scalar": allow(Condition={"StringEquals": {"iam:PassedToService": SERVICES[1]}}),
    "passed to, like": allow(Condition={"StringLike": {"iam:PassedToService": "sagemaker*.amazonaws.com"}}),
    "condition key in another case": allow(Condition={"StringEquals": {"IAM:passedtoservice": SERVICES}}),
    "arn like": allow(Condition={"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/geopipe/*"}}),
    "boolean as boolean": allow(Condition={"Bool": {"aws:SecureTransport": True}}),
    "boolean as text": allow(Condition={"Bool": {"aws:SecureTransport": "true"}}),
    "absent key, if exists": allow(Condition={"StringEqualsIfExists": {"aws:SourceVpc": "vpc-1"}}),
    "absent key, negated": allow(Condition={"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}),
    "absent key, null": allow(Condition={"Null": {"aws:SourceVpc": "true"}}),
}

REFUSED: dict[str, dict[str, Any]] = {
    "another action": allow(Action="iam:PassRoles"),
    "another resource": allow(Resource=f"{ROLE}2"),
    "a resource is case-sensitive": allow(Resource=ROLE.lower()),
    "a bracket is a bracket": allow(Resource=ROLE.replace("Role", "[R]ole")),
    "not this action": without(allow(NotAction=["iam:Pass*", "s3:*"]), "Action"),
    "not this resource": without(allow(NotResource=[ROLE]), "Resource"),
    "passed to another service": allow(Condition={"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}),
    "one of two conditions": allow(
        Condition={"StringEquals": {"iam:PassedToService": SERVICES}, "Bool": {"aws:SecureTransport": "false"}}
    ),
    "one of two keys": allow(
        Condition={"StringLike": {"iam:PassedToService": "*", "aws:PrincipalArn": "arn:aws:iam::*:role/other/*"}}
    ),
    "absent key": allow(Condition={"StringEquals": {"aws:SourceVpc": "vpc-1"}}),
    "a word is no number": allow(Condition={"NumericLessThan": {"aws:PrincipalArn": "5"}}),
    "an operator that does not exist": allow(Condition={"StringResembles": {"iam:PassedToService": SERVICES}}),
}


@pytest.mark.parametrize("statement", ALLOWED.values(), ids=ALLOWED)
def test_an_allow_that_covers(statement: dict[str, Any]) -> None:
    assert find_denial(Grants((policy(statement),)), PASS) is None


@pytest.mark.parametrize("statement", REFUSED.values(), ids=REFUSED)
def test_an_allow_that_does_not_cover(statement: dict[str, Any]) -> None:
    assert find_denial(Grants((policy(statement),)), PASS) is DenialReason.NOT_ALLOWED


@pytest.mark.parametrize("statement", ALLOWED.values(), ids=ALLOWED)
def test_a_deny_that_covers_wins(statement: dict[str, Any]) -> None:
    denying = policy(statement | {"Effect": "Deny"})
    assert find_denial(Grants((policy(allow()), denying)), PASS) is DenialReason.DENIED


@pytest.mark.parametrize("statement", REFUSED.values(), ids=REFUSED)
def test_a_deny_that_does_not_cover_has_no_effect(statement: dict[str, Any]) -> None:
    denying = policy(statement | {"Effect": "Deny"})
    assert find_denial(Grants((policy(allow()), denying)), PASS) is None


ANY, NONE, FORBIDDEN = policy(allow()), policy(), policy(allow(), deny())


@pytest.mark.parametrize(
    ("grants", "expected"),
    [
        (Grants(), DenialReason.NOT_ALLOWED),
        (Grants((NONE, ANY)), None),
        (Grants((ANY,), boundary=ANY, session=ANY), None),
        (Grants((ANY,), boundary=NONE), DenialReason.NOT_IN_BOUNDARY),
        (Grants((ANY,), boundary=FORBIDDEN), DenialReason.DENIED_BY_BOUNDARY),
        (Grants((ANY,), session=NONE), DenialReason.NOT_IN_SESSION),
        (Grants((ANY,), session=FORBIDDEN), DenialReason.DENIED_BY_SESSION),
        (Grants((NONE,), boundary=ANY, session=ANY), DenialReason.NOT_ALLOWED),
        (Grants(boundary=ANY), DenialReason.NOT_ALLOWED),
        (Grants((FORBIDDEN,), boundary=NONE), DenialReason.DENIED),
    ],
)
def test_limits_only_take_permissions_away(grants: Grants, expected: DenialReason | None) -> None:
    assert find_denial(grants, PASS) is expected


def test_one_statement_need_not_be_a_list() -> None:
    assert find_denial(Grants(({"Statement": allow()},)), PASS) is None
