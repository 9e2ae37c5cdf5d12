"""Which requests the emulator serves at all. A web page's are refused, and so, with a required key, are all without it.

Functions run code, so a client that may create one acts as the user who started the emulator.
"""

from __future__ import annotations

import hmac
import secrets

from ..authorization.principals import find_role_session
from ..http.request import Request
from ..protocol.errors import ServiceError
from ..service import RequestContext

_OWN_HOSTS = ("127.0.0.1", "localhost")


def is_from_a_browser(request: Request) -> bool:
    """Whether a page in a browser may have sent the request: it has an Origin, or the Host of another site."""
    return bool(request.header("Origin")) or not has_own_host(request)


def has_own_host(request: Request) -> bool:
    """Whether the request names this machine. A page that had its own name point here would send that name."""
    host = request.header("Host", "127.0.0.1").rpartition("@")[2].partition(":")[0]
    return host in _OWN_HOSTS or host.endswith(".localhost")


def new_access_key_id() -> str:
    """Returns a secret that looks like an access key id, so that any client can carry it."""
    return "AKIA" + secrets.token_hex(16).upper()


class AccessKeyCheck:
    """Serves requests whose access key id is the secret of this start, and those of the roles that it has assumed."""

    def __init__(self, access_key_id: str) -> None:
        self._access_key_id = access_key_id.encode()

    def check(self, request: Request, context: RequestContext) -> None:
        """Raise AccessDenied for a request without the key. Every client may ask whether the emulator is ready."""
        if request.path == "/" and request.method in ("GET", "HEAD") and not request.query:
            return
        key = context.access_key_id or request.header("X-Geopipe-Key")
        if hmac.compare_digest(key.encode("utf-8", "replace"), self._access_key_id):
            return
        if find_role_session(context) is None:
            message = (
                "This emulator serves only requests with the access key id that it printed when it started. "
                "Set AWS_ACCESS_KEY_ID to it, and for geopipe GEOPIPE_EMULATOR_ACCESS_KEY_ID."
            )
            raise ServiceError("AccessDenied", message, 403)
