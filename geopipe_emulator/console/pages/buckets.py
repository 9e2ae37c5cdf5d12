"""Buckets to browse, and the beginning of each object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import ClientError

from ...http.request import Response
from ..api import AccountApi, error_code
from ..masking import show
from ..page import ConsolePage, NoPageError

_MOST_KEYS = 200
_PREVIEW = 64 * 1024
_CHUNK = 1 << 20
_INTERVAL = 2.0


def buckets(api: AccountApi, names: tuple[str, ...], query: Mapping[str, str]) -> ConsolePage:
    listed = api.client("s3").list_buckets()["Buckets"]
    values = {"buckets": [(bucket["Name"], bucket["CreationDate"]) for bucket in listed]}
    return ConsolePage("buckets.html.j2", "buckets", "Buckets", values, _INTERVAL)


def bucket(api: AccountApi, names: tuple[str, ...], query: Mapping[str, str]) -> ConsolePage:
    """The objects below a prefix (`prefix`), or one object (`key`)."""
    try:
        if query.get("key"):
            return _object(api, names[0], query["key"])
        return _listing(api, names[0], query.get("prefix", ""), query.get("after", ""))
    except ClientError as error:
        if error_code(error) in ("NoSuchBucket", "NoSuchKey", "404"):
            raise NoPageError("There is no such bucket or object.") from error
        raise


def _listing(api: AccountApi, name: str, prefix: str, after: str) -> ConsolePage:
    parameters = {"Bucket": name, "Prefix": prefix, "Delimiter": "/", "MaxKeys": _MOST_KEYS}
    page = api.client("s3").list_objects_v2(**parameters, **({"ContinuationToken": after} if after else {}))
    values = {
        "bucket": name,
        "prefix": prefix,
        "parents": _parents(prefix),
        "folders": [entry["Prefix"] for entry in page.get("CommonPrefixes", [])],
        "objects": [
            {"key": entry["Key"], "size": entry["Size"], "modified": entry["LastModified"]}
            for entry in page.get("Contents", [])
        ],
        "next_token": page.get("NextContinuationToken", ""),
    }
    return ConsolePage("bucket.html.j2", "buckets", name, values, _INTERVAL)


def _parents(key: str) -> list[tuple[str, str]]:
    """Return the name and the prefix of each folder above a key."""
    parts = key.split("/")[:-1]
    return [(part, "/".join(parts[: number + 1]) + "/") for number, part in enumerate(parts)]


def _object(api: AccountApi, name: str, key: str) -> ConsolePage:
    s3 = api.client("s3")
    head = s3.head_object(Bucket=name, Key=key)
    length: int = head["ContentLength"]
    # An empty object has no range.
    content: bytes = (
        s3.get_object(Bucket=name, Key=key, Range=f"bytes=0-{_PREVIEW - 1}")["Body"].read() if length else b""
    )
    values = {
        "bucket": name,
        "key": key,
        "parents": _parents(key),
        "head": head,
        "length": length,
        "metadata": sorted(head.get("Metadata", {}).items()),
        "preview": _preview(content, is_whole=length <= _PREVIEW),
        "is_cut": length > _PREVIEW,
    }
    return ConsolePage("object.html.j2", "buckets", key, values, _INTERVAL)


def _preview(content: bytes, is_whole: bool) -> str | None:
    """Return the text of an object, or of its beginning; None for what is no text."""
    if b"\0" in content:
        return None
    try:
        return show(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        # The cut may have fallen into a character.
        is_at_the_cut = not is_whole and error.start > len(content) - 4
        return show(content[: error.start].decode("utf-8")) if is_at_the_cut else None


def download(api: AccountApi, name: str, key: str) -> Response:
    """Return an object as a file to save: a browser must not show what it contains as a page of ours."""
    found: Any = api.client("s3").get_object(Bucket=name, Key=key)

    def chunks() -> Iterator[bytes]:
        with found["Body"] as body:
            while chunk := body.read(_CHUNK):
                yield chunk

    headers = [
        ("Content-Type", "application/octet-stream"),
        ("Content-Disposition", "attachment"),
        ("Content-Length", str(found["ContentLength"])),
    ]
    return Response(200, headers, chunks())
