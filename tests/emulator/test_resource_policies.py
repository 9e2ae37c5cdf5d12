"""Policy statements and their conditions, without any service."""

from __future__ import annotations

from typing import Any

import pytest

from geopipe_emulator.authorization.policy_statements import Access, unknown_operators
from geopipe_emulator.authorization.resource_policies import applies, is_allowed, is_denied, is_public

ROOT = "arn:aws:iam::123456789012:root"
FACTS = {"aws:securetransport": "true", "aws:sourceip": "127.0.0.1", "s3:prefix": "input/", "s3:tlsversion": "1.3"}
ACCESS = Access("s3:GetObject", "arn:aws:s3:::b/input/k", frozenset({ROOT, "123456789012"}), FACTS)


def statement(**parts: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"} | parts


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({}, True),
        ({"Action": "s3:getobject"}, True),
        ({"Action": ["s3:Put*", "s3:Get?bject"]}, True),
        ({"Action": "s3:Put*"}, False),
        ({"Resource": "arn:aws:s3:::b/input/*"}, True),
        ({"Resource": "arn:aws:s3:::b/[i]nput/*"}, False),
        ({"Resource": "arn:aws:s3:::B/input/*"}, False),
        ({"Principal": {"AWS": [ROOT]}}, True),
        ({"Principal": {"AWS": "123456789012"}}, True),
        ({"Principal": {"AWS": "210987654321"}}, False),
        ({"Principal": {"Service": "lambda.amazonaws.com"}}, False),
    ],
)
def test_parts_of_a_statement(parts: dict[str, Any], expected: bool) -> None:
    assert applies(statement(**parts), ACCESS) is expected


def test_negated_parts() -> None:
    allowed = {
        "Effect": "Deny",
        "NotPrincipal": {"AWS": "210987654321"},
        "NotAction": "s3:Put*",
        "NotResource": "arn:x",
    }
    assert applies(allowed, ACCESS)
    assert not applies(allowed | {"NotAction": "s3:Get*"}, ACCESS)
    assert not applies(allowed | {"NotPrincipal": {"AWS": ROOT}}, ACCESS)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"Bool": {"aws:SecureTransport": "false"}}, False),
        ({"Bool": {"aws:SecureTransport": True}}, True),
        ({"StringEquals": {"s3:prefix": ["output/", "input/"]}}, True),
        ({"StringNotEquals": {"s3:prefix": ["output/", "input/"]}}, False),
        ({"StringLike": {"s3:prefix": "in*"}}, True),
        ({"StringNotLike": {"s3:prefix": "in*"}}, False),
        ({"StringEqualsIgnoreCase": {"s3:prefix": "INPUT/"}}, True),
        ({"StringEquals": {"s3:absent": "x"}}, False),
        ({"StringEqualsIfExists": {"s3:absent": "x"}}, True),
        ({"StringNotEquals": {"s3:absent": "x"}}, True),
        ({"ForAllValues:StringEquals": {"s3:absent": "x"}}, True),
        ({"ForAnyValue:StringEquals": {"s3:absent": "x"}}, False),
        ({"Null": {"s3:absent": "true"}}, True),
        ({"Null": {"s3:prefix": "true"}}, False),
        ({"NumericLessThan": {"s3:TlsVersion": 1.2}}, False),
        ({"NumericGreaterThanEquals": {"s3:TlsVersion": "1.3"}}, True),
        ({"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "127.0.0.0/8"]}}, True),
        ({"NotIpAddress": {"aws:SourceIp": "127.0.0.1"}}, False),
        ({"Bool": {"aws:SecureTransport": "true"}, "StringEquals": {"s3:prefix": "other/"}}, False),
    ],
)
def test_conditions(condition: dict[str, Any], expected: bool) -> None:
    assert applies(statement(Condition=condition), ACCESS) is expected


def test_deny_wins_over_allow() -> None:
    both = {"Statement": [statement(Effect="Allow"), statement()]}
    assert is_denied(both, ACCESS)
    assert not is_allowed(both, ACCESS)
    assert is_allowed({"Statement": statement(Effect="Allow")}, ACCESS)
    assert not is_allowed({"Statement": []}, ACCESS)


def test_public_means_everyone_without_a_condition() -> None:
    assert is_public({"Statement": [statement(Effect="Allow", Principal={"AWS": "*"})]})
    assert not is_public({"Statement": [statement()]})
    assert not is_public({"Statement": [statement(Effect="Allow", Condition={"Bool": {"a": "b"}})]})


def test_unknown_operators_are_found() -> None:
    policy = {"Statement": [statement(Condition={"BoolIfExists": {}, "ForAnyValue:StringLike": {}, "Same": {}})]}
    assert unknown_operators(policy) == ["Same"]
