"""Which trust policies let the service in."""

from __future__ import annotations

from typing import Any

import pytest

from geopipe_emulator.services.sagemaker_geospatial.roles import PRINCIPAL, trusts

OTHER = "lambda.amazonaws.com"


def statement(service: Any, effect: str = "Allow", action: Any = "sts:AssumeRole") -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Principal": {"Service": service}}


@pytest.mark.parametrize(
    ("statements", "trusted"),
    [
        ([statement(PRINCIPAL)], True),
        (statement([OTHER, PRINCIPAL]), True),
        ([statement(OTHER), statement(PRINCIPAL, action=["sts:TagSession", "STS:assumerole"])], True),
        ([statement(PRINCIPAL, action="sts:*")], True),
        ([{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"}], True),
        ([{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}], True),
        ([statement(OTHER)], False),
        ([statement(PRINCIPAL, action="sts:TagSession")], False),
        ([statement(PRINCIPAL, effect="Deny")], False),
        ([statement(PRINCIPAL), statement(PRINCIPAL, effect="Deny")], False),
        (
            [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}}],
            False,
        ),
        ([], False),
    ],
)
def test_trust(statements: Any, trusted: bool) -> None:
    assert trusts({"Version": "2012-10-17", "Statement": statements}, PRINCIPAL) is trusted
