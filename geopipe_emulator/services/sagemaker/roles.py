"""Checks that SageMaker can assume a role: it exists, and its trust policy names the service."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from botocore.exceptions import ClientError

from ...protocol.errors import ServiceError
from ...service import Environment, RequestContext

PRINCIPAL = "sagemaker.amazonaws.com"


def require_assumable(environment: Environment, role_arn: str, context: RequestContext) -> None:
    """Raise the service's ValidationException unless SageMaker can assume the role."""
    role = _find(environment, role_arn, context)
    if role is None or not trusts_sagemaker(role.get("AssumeRolePolicyDocument") or {}):
        raise ServiceError(
            "ValidationException",
            f"Could not assume role {role_arn}. Please ensure that the role exists and allows principal "
            f"'{PRINCIPAL}' to assume the role.",
        )


def trusts_sagemaker(document: Mapping[str, Any]) -> bool:
    """Return whether a statement allows the service sts:AssumeRole and none denies it. Conditions count as met."""
    effects = [s.get("Effect") for s in _list(document.get("Statement")) if _names_us(s) and _assumes(s)]
    return "Allow" in effects and "Deny" not in effects


def _find(environment: Environment, role_arn: str, context: RequestContext) -> Mapping[str, Any] | None:
    try:
        response = environment.client("iam", context.region).get_role(RoleName=role_arn.rsplit("/", 1)[-1])
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchEntity":
            return None
        raise
    role: Mapping[str, Any] = response["Role"]
    return role if role["Arn"] == role_arn else None


def _names_us(statement: Mapping[str, Any]) -> bool:
    principal = statement.get("Principal", {})
    if principal == "*":
        return True
    return isinstance(principal, dict) and PRINCIPAL in _list(principal.get("Service"))


def _assumes(statement: Mapping[str, Any]) -> bool:
    return any(fnmatchcase("sts:assumerole", str(action).lower()) for action in _list(statement.get("Action")))


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
