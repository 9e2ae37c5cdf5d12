"""Who asks whom, read from a request's signature. Signatures are not verified: on loopback there is no secret."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .web import Request

_CREDENTIAL = re.compile(r"Credential=([^,\s]+)")


@dataclass(frozen=True)
class Scope:
    """The SigV4 credential scope: key, region and signing name of the service."""

    access_key_id: str
    region: str
    service: str


def read_scope(request: Request) -> Scope | None:
    """From the Authorization header or a presigned query; None for an unsigned request."""
    found = _CREDENTIAL.search(request.header("Authorization"))
    credential = found[1] if found else request.query.get("X-Amz-Credential", [""])[0]
    parts = credential.rsplit("/", 4)
    if len(parts) == 5:
        key, _date, region, service, _terminator = parts
        return Scope(key, region, service)
    # What is left of signature version 2 is S3's presigned URLs, which name no region.
    for old_style in (request.query.get("AWSAccessKeyId", [""])[0], _old_style_key(request)):
        if old_style:
            return Scope(old_style, "us-east-1", "s3")
    return None


def _old_style_key(request: Request) -> str:
    authorization = request.header("Authorization")
    return authorization[4:].partition(":")[0] if authorization.startswith("AWS ") else ""
