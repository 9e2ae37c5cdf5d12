"""An error in the caller's protocol, where no service model is at hand to say which."""

from __future__ import annotations

from .claims import is_form
from .errors import ServiceError
from .serialising import serialise_error, serialise_s3_error, serialise_xml_error
from .web import Request, Response


def refuse(request: Request, service: str, error: ServiceError) -> Response:
    if service == "s3":
        return serialise_s3_error(error, request.path)
    if "Action" in request.query or is_form(request):
        return serialise_xml_error(error)
    return serialise_error(None, error, request.header("Content-Type", "application/json"))
