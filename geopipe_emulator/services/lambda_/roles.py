"""Checks that Lambda can assume a role: it reads the trust policy, not what the role permits."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from ...protocol.errors import ServiceError

PRINCIPAL = "lambda.amazonaws.com"
REFUSED = "The role defined for the function cannot be assumed by Lambda."


def check_assumable(role_arn: str, account_id: str, iam: Any) -> None:
    """Raise AWS's error unless the role exists in this account and trusts Lambda."""
    if role_arn.split(":")[4] != account_id:
        raise ServiceError("AccessDeniedException", "Cross-account pass role is not allowed.", 403)
    try:
        role = iam.get_role(RoleName=role_arn.rsplit("/", 1)[-1])["Role"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
        raise ServiceError("InvalidParameterValueException", REFUSED) from error
    if role["Arn"] != role_arn or not trusts(role["AssumeRolePolicyDocument"], PRINCIPAL):
        raise ServiceError("InvalidParameterValueException", REFUSED)


def trusts(document: Mapping[str, Any], principal: str) -> bool:
    """Return whether a trust policy lets a service assume the role. A Deny wins; conditions count as met."""
    effects = {
        statement.get("Effect")
        for statement in _listed(document.get("Statement"))
        if _names(statement, principal) and _covers_assume_role(statement)
    }
    return "Allow" in effects and "Deny" not in effects


def _names(statement: Mapping[str, Any], principal: str) -> bool:
    principals = statement.get("Principal")
    if principals == "*":
        return True
    return isinstance(principals, Mapping) and principal in _listed(principals.get("Service"))


def _covers_assume_role(statement: Mapping[str, Any]) -> bool:
    actions = _listed(statement.get("Action"))
    return any(fnmatch.fnmatchcase("sts:assumerole", action.lower()) for action in actions)


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
