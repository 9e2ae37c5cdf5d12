"""The console as a web application: finds the page, renders it, keeps an open one up to date, and runs its buttons."""

from __future__ import annotations

import json
import re
import select
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from botocore.exceptions import BotoCoreError, ClientError
from jinja2 import Environment as Templates
from jinja2 import PackageLoader, StrictUndefined

from ..http.request import Request, Response
from ..messages import note, warn
from ..protocol.errors import ServiceError
from ..service import Environment, Service
from . import page as words
from .access import PATH, ConsoleAccess
from .api import AccountApi, error_code
from .masking import mask_text, printable
from .page import ActionError, ConsolePage, NoPageError
from .pages import buckets, executions, functions, queues

Show = Callable[[AccountApi, tuple[str, ...], Mapping[str, str]], ConsolePage]
Act = Callable[[AccountApi, tuple[str, ...], Mapping[str, str]], None]

_PAGES: tuple[tuple[str, Show], ...] = (
    ("", executions.overview),
    ("pipelines/*", executions.pipeline),
    ("executions/*/*", executions.execution),
    ("queues", queues.queues),
    ("queues/*", queues.queue),
    ("functions", functions.functions),
    ("functions/*", functions.function),
    ("buckets", buckets.buckets),
    ("buckets/*", buckets.bucket),
)
# The pattern of the page, what the button does, and what the page says afterwards.
_ACTIONS: dict[tuple[str, str], tuple[Act, str]] = {
    ("executions/*/*", "stop"): (executions.stop, "The execution is being stopped."),
    ("executions/*/*", "retry"): (executions.retry, "The execution runs again from the steps that did not succeed."),
    ("executions/*/*", "succeed"): (executions.succeed, "The callback is answered with success."),
    ("executions/*/*", "fail"): (executions.fail, "The callback is answered with failure."),
    ("queues/*", "redrive"): (queues.redrive, "The messages are back in their queue."),
}
_STATIC = {"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"}
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d")
_FORM = "application/x-www-form-urlencoded"
_LARGEST_FORM = 256 * 1024
_HEADERS = (
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    # Not no-referrer, with which a browser would hide the Origin of our own forms.
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)
# A proxy or a sleeping laptop must not take a quiet page for a dead one.
_SECONDS_BETWEEN_SIGNS = 15.0
# An open page takes at most this share of one processor.
_SHARE = 0.2
_SECONDS_BETWEEN_ADDRESSES = 5.0


class _Target:
    """The page that a path names: its region, its pattern and the names in it."""

    def __init__(self, region: str, pattern: str, show: Show, names: tuple[str, ...]) -> None:
        self.region = region
        self.pattern = pattern
        self.show = show
        self.names = names


class ConsoleServer:
    """Responds to requests below the console's path."""

    def __init__(
        self,
        access: ConsoleAccess,
        environment: Callable[[], Environment],
        services: Callable[[], Mapping[str, Service]],
    ) -> None:
        self._access = access
        self._environment = environment
        self._services = services
        self._cache: tuple[Environment, dict[Any, Any]] | None = None
        self._printed_at = time.monotonic()
        self._templates = Templates(
            loader=PackageLoader(__package__, "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=lambda value: printable(value) if type(value) is str else value,
        )
        self._templates.filters |= {
            "clock": words.clock,
            "full_time": words.full_time,
            "duration": words.duration,
            "size": words.size,
            "segment": lambda text: quote(str(text), safe=""),
            "secretless": mask_text,
        }
        self._templates.globals["status_style"] = words.status_style

    def respond(self, request: Request) -> Response:
        """Return the response. Its headers keep a browser from showing it to other sites."""
        try:
            response = self._respond(request)
        except Exception:  # noqa: BLE001 - our bug must not end the connection without a word
            warn(f"the console failed\n{mask_text(traceback.format_exc()).rstrip()}")
            response = _text(500, "The console failed. The emulator's standard error says why.")
        response.headers += _HEADERS
        return response

    def _respond(self, request: Request) -> Response:
        refusal = self._access.refusal(request)
        if refusal:
            return _text(403, refusal)
        path = request.path.removeprefix(PATH)
        query = {name: values[-1] for name, values in request.query.items()}
        if path.startswith("/static/"):
            return _static(path.removeprefix("/static/"))
        if request.method == "POST":
            return self._change(request, path)
        if request.method not in ("GET", "HEAD"):
            return _text(405, "The console reads with GET and changes with POST.")
        if "token" in query and path in ("", "/"):
            return self._open_session(query["token"])
        if not self._access.may_read(request):
            return _text(403, "Open the address of the console that the emulator printed when it started.")
        if path in ("", "/"):
            region = query.get("region", self._environment().settings.region).strip()
            if not _REGION.fullmatch(region):
                return self._render_problem(request, 400, f"{region} is not the name of a region.")
            return _redirect(f"{PATH}/{region}/")
        if path == "/live":
            return self._stream(request, query.get("page", ""))
        try:
            if "download" in query and query.get("key"):
                target, _ = self._find(path)
                return buckets.download(self._api(target.region), target.names[0], query["key"])
            text, _, _ = self._render(request, path, query)
        except Exception as problem:  # noqa: BLE001 - a problem of ours is raised again
            return self._render_problem(request, *_status_and_words(problem))
        return _html(200, text)

    def _open_session(self, token: str) -> Response:
        cookie = self._access.exchange(token)
        if not cookie:
            return _text(
                403,
                "This address was used before, or belongs to an earlier start of the emulator. "
                f"Open {PATH}/ without the token: the page says how to get a new one.",
            )
        response = _redirect(f"{PATH}/")
        response.headers.append(("Set-Cookie", cookie))
        return response

    def _find(self, path: str) -> tuple[_Target, str]:
        """Return the page of a path below the console's, and the path in its one spelling."""
        region, *parts = path.strip("/").split("/")
        if _REGION.fullmatch(region):
            for pattern, show in _PAGES:
                wanted = pattern.split("/") if pattern else []
                if len(wanted) == len(parts) and all(a in ("*", b) for a, b in zip(wanted, parts, strict=True)):
                    names = tuple(unquote(b) for a, b in zip(wanted, parts, strict=True) if a == "*")
                    return _Target(region, pattern, show, names), f"{PATH}/{'/'.join([region, *parts])}"
        raise NoPageError("There is no such page.")

    def _api(self, region: str) -> AccountApi:
        environment = self._environment()
        if self._cache is None or self._cache[0] is not environment:
            self._cache = environment, {}
        return AccountApi(environment, self._services(), region, self._cache[1])

    def _render(
        self, request: Request, path: str, query: Mapping[str, str], only_main: bool = False, problem: str = ""
    ) -> tuple[str, str, float]:
        """Return the page, or only its changing part, its title, and the seconds between two looks."""
        target, _ = self._find(path)
        found = target.show(self._api(target.region), target.names, query)
        values = self._frame(request, found, target.region) | {"said": _said(target, query), "problem": problem}
        template = self._templates.get_template(found.template)
        if only_main:
            context = template.new_context({**values, **found.values})
            text = "".join(template.blocks["main"](context))
        else:
            text = template.render(**values, **found.values)
        return text, found.title, found.interval

    def _frame(self, request: Request, found: ConsolePage, region: str) -> dict[str, Any]:
        session = self._access.session(request)
        return {
            "page_title": found.title,
            "section": found.section,
            "region": region,
            "root": f"{PATH}/{region}",
            "path": PATH,
            "account_id": self._environment().settings.account_id,
            "form_token": self._access.form_token(session),
            "can_print": self._access.is_announced,
        }

    def _render_problem(self, request: Request, status: int, text: str) -> Response:
        region = self._environment().settings.region
        found = ConsolePage("problem.html.j2", "", "Problem", {})
        values = self._frame(request, found, region) | {"said": "", "problem": text}
        return _html(status, self._templates.get_template(found.template).render(**values))

    def _stream(self, request: Request, location: str) -> Response:
        """Return the events with which an open page stays up to date, one for each change."""
        parts = urlsplit(location)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        query.pop("done", None)
        path = parts.path.removeprefix(PATH)
        poll = select.poll()
        poll.register(request.environ["geopipe.socket"], select.POLLIN)

        def events() -> Iterator[bytes]:
            shown, signed_at = "", time.monotonic()
            yield b"retry: 1000\n\n"
            while True:
                began = time.monotonic()
                try:
                    text, title, interval = self._render(request, path, query, only_main=True)
                except Exception as problem:  # noqa: BLE001 - a problem of ours is raised again
                    _, message = _status_and_words(problem)
                    text, title, interval = "", message, 1.0
                title = printable(title)
                if text + title != shown:
                    shown, signed_at = text + title, time.monotonic()
                    kind = b"main" if text else b"problem"
                    data = json.dumps({"title": title, "main": text}).encode()
                    yield b"event: %b\ndata: %b\n\n" % (kind, data)
                elif time.monotonic() - signed_at > _SECONDS_BETWEEN_SIGNS:
                    signed_at = time.monotonic()
                    yield b": still here\n\n"
                # A client that reads events sends nothing more. So what arrives is its end, or that of the server.
                pause = max(interval, (time.monotonic() - began) / _SHARE)
                if poll.poll(pause * 1000):
                    return

        headers = [("Content-Type", "text/event-stream"), ("Connection", "close")]
        return Response(200, headers, b"" if request.method == "HEAD" else events())

    def _change(self, request: Request, path: str) -> Response:
        if request.header("Content-Type").partition(";")[0].strip().lower() != _FORM:
            return _text(415, "A change comes from a form of the console.")
        if not request.header("Content-Length").isdigit() or int(request.header("Content-Length")) > _LARGEST_FORM:
            return _text(413, "The form is too large.")
        form = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        if path == "/print-address":
            return self._print_address(request)
        refusal = self._access.change_refusal(request, form.get("form_token", ""))
        if refusal:
            return _text(403, refusal)
        action = form.get("do", "")
        try:
            target, address = self._find(path)
            if (target.pattern, action) not in _ACTIONS:
                raise NoPageError("There is no such button.")
            _ACTIONS[target.pattern, action][0](self._api(target.region), target.names, form)
        except Exception as problem:  # noqa: BLE001 - a problem of ours is raised again
            status, text = _status_and_words(problem)
            try:
                page, _, _ = self._render(request, path, {}, problem=text)
            except (NoPageError, ServiceError, ClientError):
                return self._render_problem(request, status, text)
            return _html(status, page)
        place = f"#step-{quote(form['step'], safe='')}" if form.get("step") else ""
        return _redirect(f"{address}?done={action}{place}")

    def _print_address(self, request: Request) -> Response:
        """Print a new address on standard error. It gives nothing to a page that cannot read standard error."""
        if request.header("Origin") != f"http://{request.header('Host')}" or not self._access.is_announced:
            return _text(403, "The console of this emulator can only be read.")
        now = time.monotonic()
        if now - self._printed_at < _SECONDS_BETWEEN_ADDRESSES:
            return self._render_problem(request, 429, "Wait some seconds before you ask for another address.")
        self._printed_at = now
        note(f"console: {self._access.new_address()}")
        return self._render_problem(
            request, 200, "The emulator has printed a new address on its standard error. Open it in this browser."
        )


def _said(target: _Target, query: Mapping[str, str]) -> str:
    """Return what to say after a change: one of our own texts, never one from the address."""
    done = _ACTIONS.get((target.pattern, query.get("done", "")))
    return done[1] if done else ""


def _status_and_words(problem: Exception) -> tuple[int, str]:
    """Return the status and the text for what a page or a button could not do. Raises what is a bug of ours."""
    if isinstance(problem, NoPageError):
        return 404, str(problem)
    if isinstance(problem, ActionError):
        return 409, str(problem)
    if isinstance(problem, ServiceError):
        status = 404 if "NotFound" in problem.code else problem.status
        return status, mask_text(str(problem))
    if isinstance(problem, ClientError):
        status = 404 if error_code(problem).startswith(("NoSuch", "ResourceNotFound", "404")) else 409
        error = problem.response.get("Error", {})
        return status, mask_text(f"{error_code(problem)}: {error.get('Message', '')}")
    if isinstance(problem, BotoCoreError):
        return 400, mask_text(str(problem))
    raise problem


def _static(name: str) -> Response:
    if name not in _STATIC:
        return _text(404, "There is no such file.")
    content = files(__package__).joinpath("static", name).read_bytes()
    return _whole(200, f"{_STATIC[name]}; charset=utf-8", content)


def _html(status: int, text: str) -> Response:
    return _whole(status, "text/html; charset=utf-8", text.encode("utf-8", "replace"))


def _text(status: int, text: str) -> Response:
    return _whole(status, "text/plain; charset=utf-8", (text + "\n").encode("utf-8", "replace"))


def _whole(status: int, kind: str, content: bytes) -> Response:
    return Response(status, [("Content-Type", kind), ("Content-Length", str(len(content)))], content)


def _redirect(location: str) -> Response:
    return Response(303, [("Location", location), ("Content-Length", "0")], b"")
