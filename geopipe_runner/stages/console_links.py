"""Where people see the resources of a deployment in a browser. Only a local endpoint is asked, whether it is there."""

from __future__ import annotations

from urllib.parse import quote

from ..aws.account import Account
from ..aws.endpoint import is_emulator, on_loopback, silent
from ..config.messages import nearest
from ..errors import UsageError
from ..events import ConsoleLink, LinksShown
from ..reconcile.blueprint import build_blueprint
from .session import Session

_EMULATOR_CONSOLE = "/_console/"
# Not KEEP_AN_EMULATOR: a state folder keeps the account, and no console.
_KEEP_ONE_RUNNING = (
    "Start one that keeps running, `python -m geopipe_emulator up --detach`, and set `endpoint: http://127.0.0.1:4599`."
)


def show(session: Session, key: str | None) -> str:
    """Show the pages of all resources, or of the one with this key. Return the page to open.

    Raises:
        UsageError: there are no pages: the emulator ends with the command, the key is unknown, or AWS's console has no
            known address in this partition.
        AwsError: no emulator listens at the endpoint.
    """
    config = session.config
    if config.embedded:
        raise UsageError("The emulator ends with each command, and its console with it.", _KEEP_ONE_RUNNING)
    deployment = session.deployment()
    resources = build_blueprint(deployment).resources
    if key is not None and key not in (known := [resource.key for resource in resources]):
        near = nearest(key, known)
        guess = f'Did you mean "{near}"? ' if near else ""
        raise UsageError(f"--resource names the unknown resource {key}.", f"{guess}Valid keys are {', '.join(known)}.")
    chosen = [resource for resource in resources if key in (None, resource.key)]
    console = _console_of(deployment.account)
    if on_loopback(config.endpoint):
        pages = {
            r.key: f"{r.kind.emulator_pages}/{quote(_name(r.name), safe='')}" for r in chosen if r.kind.emulator_pages
        }
        first = console
    else:
        pages = {r.key: page for r in chosen if (page := r.kind.console_page(deployment.account, r))}
        first = console + pages.get("pipeline", "")
    links = tuple(ConsoleLink(r.key, r.kind.label, r.name, console + pages[r.key]) for r in chosen if r.key in pages)
    if key is not None and not links:
        raise UsageError(f"The emulator's console has no page for {key}.", f"Its overview is {console}")
    session.report.emit(LinksShown(config, deployment.account, first, links))
    return links[0].url if key is not None else first


def _console_of(account: Account) -> str:
    url = account.endpoint_url
    if url is not None and on_loopback(url):
        if not is_emulator(url):
            raise silent(url, accepts=False)
        return url.rstrip("/") + _EMULATOR_CONSOLE
    if account.console_url is None:
        raise UsageError(f"The address of AWS's console in the partition {account.partition} is not known.")
    return f"{account.console_url}/"


def _name(name: str) -> str:
    """Return the name of a bucket for an object in it, and any other name as it is."""
    return name.removeprefix("s3://").partition("/")[0] if name.startswith("s3://") else name
