"""What the Cors of a function URL allows web pages, and the headers that say so to a browser. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...http.request import Request

Cors = Mapping[str, Any]


def allows_origin(cors: Cors | None, origin: str) -> bool:
    """Return whether pages of this origin may call the URL."""
    allowed = (cors or {}).get("AllowOrigins") or ()
    return "*" in allowed or any(origin.lower() == each.lower() for each in allowed)


def is_preflight(request: Request) -> bool:
    """Return whether a browser asks what is allowed. Then the function does not run."""
    is_asked = bool(request.header("Origin") and request.header("Access-Control-Request-Method"))
    return request.method == "OPTIONS" and is_asked


def preflight_headers(cors: Cors | None, request: Request) -> list[tuple[str, str]]:
    """Return the headers that answer a preflight request."""
    settings = cors or {}
    headers = response_headers(cors, request.header("Origin"))
    if settings.get("AllowMethods"):
        headers.append(("Access-Control-Allow-Methods", ",".join(settings["AllowMethods"])))
    if settings.get("AllowHeaders"):
        headers.append(("Access-Control-Allow-Headers", ",".join(settings["AllowHeaders"])))
    if settings.get("MaxAge"):
        headers.append(("Access-Control-Max-Age", str(settings["MaxAge"])))
    return headers


def response_headers(cors: Cors | None, origin: str) -> list[tuple[str, str]]:
    """Return the headers that let the page of an allowed origin read the response."""
    settings = cors or {}
    if not origin or not settings:
        return []
    headers = [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]
    if settings.get("AllowCredentials"):
        headers.append(("Access-Control-Allow-Credentials", "true"))
    if settings.get("ExposeHeaders"):
        headers.append(("Access-Control-Expose-Headers", ",".join(settings["ExposeHeaders"])))
    return headers
