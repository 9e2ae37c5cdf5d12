"""Who may see the console, and who may change something with it.

The threat is a web page in the same browser. The API refuses every request that such a page could send. The console
must serve a browser, so it checks more:

- Host is exactly an address of this emulator: a foreign name that resolves to 127.0.0.1 gets nothing.
- A page of another site may lead here (a link), and may not load anything from here, in a frame or otherwise.
- A change needs our own Origin, a cookie that no other site can send, and a token that only our pages contain.

The cookie comes from a token in the URL that the emulator prints. It works once: an address in the history or in a
screenshot gives nothing. Browsers send cookies to every port of a host, so the cookie's name contains the port, and the
checks of Origin do not rely on it.

Each start of an emulator imports this module before it listens, so what it needs for a browser is imported late.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..http.request import Request

PATH = "/_console"
_MOST_SESSIONS = 32
_MOST_TOKENS = 4


class ConsoleAccess:
    """The hosts, the unused tokens and the sessions of one emulator, for as long as it runs."""

    def __init__(self, url: str, is_readable: bool = True) -> None:
        self._url = url
        self._is_readable = is_readable
        # Whether addresses are printed: a command that starts an emulator for itself shows none.
        self.is_announced = False
        port = url.rpartition(":")[2]
        self._hosts = frozenset({f"127.0.0.1:{port}", f"localhost:{port}"})
        self._cookie = f"geopipe_console_{port}"
        self._tokens: deque[str] = deque(maxlen=_MOST_TOKENS)
        self._sessions: deque[str] = deque(maxlen=_MOST_SESSIONS)
        self._lock = threading.Lock()

    def new_address(self) -> str:
        """Return the console's URL with a new token, which the first request with it uses up."""
        token = os.urandom(24).hex()
        with self._lock:
            self._tokens.append(token)
        return f"{self._url}{PATH}/?token={token}"

    def refusal(self, request: Request) -> str:
        """Return why a request of any kind is refused; "" if it is not."""
        if request.header("Host") not in self._hosts:
            return f"The console is at {self._url}{PATH}/ only: this request has another Host."
        is_link = request.header("Sec-Fetch-Mode") == "navigate" and request.header("Sec-Fetch-Dest") == "document"
        is_own = request.header("Sec-Fetch-Site", "none") in ("none", "same-origin")
        if not is_own and not (is_link and request.method == "GET"):
            return "Another site sent this request. The console serves its own pages only."
        origin = request.header("Origin")
        if origin and origin not in {f"http://{host}" for host in self._hosts}:
            return "The request has the Origin of another site."
        return ""

    def may_read(self, request: Request) -> bool:
        return self._is_readable or bool(self.session(request))

    def change_refusal(self, request: Request, form_token: str) -> str:
        """Return why a change is refused; "" if it is not. `refusal` has been asked before."""
        if request.header("Origin") != f"http://{request.header('Host')}":
            return "A change needs the console's own Origin."
        session = self.session(request)
        if not session:
            return "This browser may only read. To change something, open the address that the emulator printed."
        if not _is_same(form_token, self.form_token(session)):
            return "The form is not one of this session. Reload the page and try again."
        return ""

    def exchange(self, token: str) -> str:
        """Return the header of a new session's cookie for an unused token; "" for any other token."""
        with self._lock:
            for known in self._tokens:
                if _is_same(known, token):
                    self._tokens.remove(known)
                    session = os.urandom(24).hex()
                    self._sessions.append(session)
                    return f"{self._cookie}={session}; Path={PATH}; HttpOnly; SameSite=Strict"
        return ""

    def session(self, request: Request) -> str:
        """Return the session that the request's cookie names; "" without one."""
        # Python's parser stops at a value that it does not know, and other programs on this host have cookies, too.
        pairs = dict(pair.strip().partition("=")[::2] for pair in request.header("Cookie").split(";"))
        value = pairs.get(self._cookie, "")
        with self._lock:
            return next((known for known in self._sessions if _is_same(known, value)), "")

    def form_token(self, session: str) -> str:
        """Return the token that the forms of a session contain."""
        import hmac

        return hmac.new(session.encode(), b"form", "sha256").hexdigest() if session else ""


def _is_same(one: str, other: str) -> bool:
    """Compare in a time that says nothing about the texts."""
    import hmac

    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))
