"""Reads every spelling of a function's name. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...protocol.errors import ServiceError
from ...service import RequestContext

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
    """Identifies one version of a function of the account; the latest if none is named."""

    region: str
    name: str
    version: str = LATEST

    @property
    def latest(self) -> FunctionKey:
        return replace(self, version=LATEST)

    @property
    def rank(self) -> str:
        """Its place in a list: by name, the latest version first, then the others by number."""
        return f"{self.name} {'' if self.version == LATEST else self.version:0>12}"

    def at(self, version: str) -> FunctionKey:
        return replace(self, version=version)


@dataclass(frozen=True)
class FunctionName:
    """The function that a request names, with the version or alias if it has one. `key` has no version."""

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


def requested(request: Mapping[str, Any], context: RequestContext) -> FunctionName:
    """Return the function of a request, which can name a version or an alias in two places."""
    name = parse(request["FunctionName"], context)
    qualifier = request.get("Qualifier") or None
    if qualifier and name.qualifier and qualifier != name.qualifier:
        message = "The derived qualifier from the function name does not match the specified qualifier."
        raise ServiceError("InvalidParameterValueException", message)
    return replace(name, qualifier=name.qualifier or qualifier)


def function_arn(name: str, context: RequestContext, qualifier: str | None = None) -> str:
    arn = f"arn:{context.partition}:lambda:{context.region}:{context.account_id}:function:{name}"
    return f"{arn}:{qualifier}" if qualifier else arn


def session_name(function_name: str) -> str:
    """Return the name of Lambda's sessions of the function's role. AWS needs two characters at least."""
    return function_name if len(function_name) > 1 else f"{function_name}-function"


def not_found(arn: str) -> ServiceError:
    return ServiceError("ResourceNotFoundException", f"Function not found: {arn}", 404)
