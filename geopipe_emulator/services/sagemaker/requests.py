"""Reads names in requests, and refuses members that this endpoint does not support."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...protocol.errors import ServiceError
from ...service import CallerIdentity, RequestContext

_PIPELINE_ARN = re.compile(r"arn:aws[a-z\-]*:sagemaker:[a-z0-9\-]*:\d{12}:pipeline/[^/]+")


def pipeline_arn(name_or_arn: str, context: RequestContext) -> str:
    """Return the ARN in the form that the service keeps: in lower case, since AWS ignores case."""
    if _PIPELINE_ARN.fullmatch(name_or_arn):
        return name_or_arn.lower()
    root = f"{context.partition}:sagemaker:{context.region}:{context.account_id}"
    return f"arn:{root}:pipeline/{name_or_arn}".lower()


def is_pipeline_arn(arn: str) -> bool:
    return _PIPELINE_ARN.fullmatch(arn) is not None


def described_caller(caller: CallerIdentity) -> dict[str, Any]:
    """Return who created or changed something, as a UserContext. A user profile is Studio's only."""
    return {"IamIdentity": {"Arn": caller.arn, "PrincipalId": caller.user_id}}


def refuse_unsupported(request: Mapping[str, Any], *members: str) -> None:
    """Raise an error with status 501 for members that would have no effect."""
    if present := [member for member in members if request.get(member)]:
        raise ServiceError("NotImplemented", f"Not supported by this endpoint: {', '.join(present)}", 501)
