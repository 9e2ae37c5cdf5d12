"""Checks that the service can assume a role: it exists, and its trust policy names the service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError

from ...protocol.errors import ServiceError

PRINCIPAL = "sagemaker-geospatial.amazonaws.com"
ASSUME = frozenset({"sts:assumerole", "sts:*", "*"})


def require_assumable(iam: Any, role_arn: str) -> None:
    """Raise the service's ValidationException unless the role can be assumed."""
    try:
        role = iam.get_role(RoleName=role_arn.rpartition("/")[2])["Role"]
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
        role = None
    if role is None or role["Arn"] != role_arn or not trusts(role["AssumeRolePolicyDocument"], PRINCIPAL):
        raise ServiceError(
            "ValidationException",
            f"Could not assume role {role_arn}. Please ensure that the role exists and allows principal "
            f"'{PRINCIPAL}' to assume the role.",
        )


def trusts(policy: Mapping[str, Any], service: str) -> bool:
    """Return whether a trust policy lets the service assume the role. A Deny wins; conditions count as met."""
    effects = {
        statement.get("Effect")
        for statement in _listed(policy.get("Statement"))
        if _names(statement.get("Principal"), service)
        and any(action.lower() in ASSUME for action in _listed(statement.get("Action")))
    }
    return effects == {"Allow"}


def _names(principal: Any, service: str) -> bool:
    """Return whether a principal includes the service: `"*"` and `{"AWS": "*"}` include everyone."""
    if not isinstance(principal, dict):
        return bool(principal == "*")
    return service in _listed(principal.get("Service")) or "*" in _listed(principal.get("AWS"))


def _listed(value: Any) -> Iterable[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
