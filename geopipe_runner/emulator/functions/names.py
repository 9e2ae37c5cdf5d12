"""The many spellings of a function's name, brought to one. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import ServiceError
from ..service import RequestContext

LATEST = "$LATEST"
_SPELLING = re.compile(
    r"(?:arn:aws[a-z-]*:lambda:)?"
    r"(?:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d):)?"
    r"(?:(?P<account>\d{12}):)?"
    r"(?:function:)?"
    r"(?P<name>[a-zA-Z0-9_-]{1,64})"
    r"(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9_-]+))?"
)


@dataclass(frozen=True)
class FunctionKey:
    """Which function of the account is meant."""

    region: str
    name: str


@dataclass(frozen=True)
class FunctionName:
    """A function's name as a request gave it, with the version or alias if any."""

    key: FunctionKey
    qualifier: str | None


def parse(spelling: str, context: RequestContext) -> FunctionName:
    """Read a name, a partial ARN or a whole one; it must lie in the caller's own account and region."""
    match = _SPELLING.fullmatch(spelling)
    if match is None:
        raise ServiceError("InvalidParameterValueException", f"Invalid function name: {spelling}")
    region = match["region"] or context.region
    if region != context.region:
        message = f"Functions from '{region}' are not reachable in this region ('{context.region}')"
        raise ServiceError("ResourceNotFoundException", message, 404)
    if match["account"] not in (None, context.account_id):
        message = f"The emulated account is {context.account_id}; {spelling} belongs to another"
        raise ServiceError("AccessDeniedException", message, 403)
    return FunctionName(FunctionKey(context.region, match["name"]), match["qualifier"])


def function_arn(name: str, context: RequestContext, qualifier: str | None = None) -> str:
    arn = f"arn:{context.partition}:lambda:{context.region}:{context.account_id}:function:{name}"
    return f"{arn}:{qualifier}" if qualifier else arn


def session_name(function_name: str) -> str:
    """What Lambda calls its sessions of the function's role; AWS wants two characters at least."""
    return function_name if len(function_name) > 1 else f"{function_name}-function"


def not_found(arn: str) -> ServiceError:
    return ServiceError("ResourceNotFoundException", f"Function not found: {arn}", 404)
