"""An error in the caller's protocol, where no service model is at hand to say which."""

from __future__ import annotations

from ..http.request import Request, Response
from .errors import ServiceError
from .request_metadata import is_form
from .serialize import serialize_error, serialize_s3_error, serialize_xml_error


def render_error(request: Request, service: str, error: ServiceError) -> Response:
    """The response, in the protocol that the request itself is in."""
    if service == "s3":
        return serialize_s3_error(error, request.path)
    if "Action" in request.query or is_form(request):
        return serialize_xml_error(error)
    return serialize_error(None, error, request.header("Content-Type", "application/json"))
