"""Who calls which service, read from a request's signature. Signatures are not verified."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..http.request import Request

_CREDENTIAL = re.compile(r"Credential=([^,\s]+)")
_PROOF = re.compile(r"(?:Credential|Signature)=([^,\s]+)")
_SECRET_HEADERS = ("Authorization", "X-Amz-Security-Token", "X-Geopipe-Key")
_SECRET_PARAMETERS = ("X-Amz-Signature", "X-Amz-Security-Token", "X-Amz-Credential", "Signature", "AWSAccessKeyId")
_SHORTEST_SECRET = 8
_HIDDEN = "(hidden)"


@dataclass(frozen=True)
class CredentialScope:
    """The SigV4 credential scope: key, region and signing name of the service."""

    access_key_id: str
    region: str
    service: str


def read_scope(request: Request) -> CredentialScope | None:
    """The scope in the Authorization header or a presigned query; None for an unsigned request."""
    header = _CREDENTIAL.search(request.header("Authorization"))
    credential = header[1] if header else request.query.get("X-Amz-Credential", [""])[0]
    parts = credential.rsplit("/", 4)
    if len(parts) == 5:
        key, _date, region, service, _terminator = parts
        return CredentialScope(key, region, service)
    # What is left of signature version 2 is S3's presigned URLs, which name no region.
    for old_style in (request.query.get("AWSAccessKeyId", [""])[0], _old_style_key(request)):
        if old_style:
            return CredentialScope(old_style, "us-east-1", "s3")
    return None


def redact(text: str, request: Request) -> str:
    """`text` without what the request proves its caller's identity with, whole or in parts."""
    values = [request.header(name) for name in _SECRET_HEADERS]
    values += [value for name in _SECRET_PARAMETERS for value in request.query.get(name, [])]
    values += _PROOF.findall(values[0])
    for value in sorted(set(values), key=len, reverse=True):
        if len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, _HIDDEN)
    return text


def _old_style_key(request: Request) -> str:
    authorization = request.header("Authorization")
    return authorization[4:].partition(":")[0] if authorization.startswith("AWS ") else ""
