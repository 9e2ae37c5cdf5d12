"""Addresses in the console, as lines."""

from __future__ import annotations

from collections.abc import Iterator

from ...events import LinksShown
from .style import Line


def link_lines(event: LinksShown) -> Iterator[Line]:
    """Returns a heading, and the address of each resource."""
    account = event.account
    where = "the emulator" if account.endpoint_url else f"account {account.account_id}"
    yield f"Deployment {event.config.deployment} in {where}, {account.region}: {event.overview}"
    width = max((len(link.name) + len(link.kind) + 1 for link in event.links), default=0)
    for link in event.links:
        yield f"{f'{link.kind} {link.name}':<{width}}  {link.url}"
