"""How requests name things: pipelines by name or ARN in any case, and members that this endpoint does not offer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import ServiceError
from ..service import RequestContext

_PIPELINE_ARN = re.compile(r"arn:aws[a-z\-]*:sagemaker:[a-z0-9\-]*:\d{12}:pipeline/[^/]+")


def pipeline_arn(name_or_arn: str, context: RequestContext) -> str:
    """The ARN as this service keeps it: AWS lower-cases the name, and compares without case."""
    if _PIPELINE_ARN.fullmatch(name_or_arn):
        return name_or_arn.lower()
    place = f"{context.partition}:sagemaker:{context.region}:{context.account_id}"
    return f"arn:{place}:pipeline/{name_or_arn}".lower()


def is_pipeline_arn(arn: str) -> bool:
    return _PIPELINE_ARN.fullmatch(arn) is not None


def refuse_unsupported(request: Mapping[str, Any], *members: str) -> None:
    """501 by name, rather than an answer that ignores what was asked."""
    if present := [member for member in members if request.get(member)]:
        raise ServiceError("NotImplemented", f"Not supported by this endpoint: {', '.join(present)}", 501)
