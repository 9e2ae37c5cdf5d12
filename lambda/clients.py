"""boto3 clients, one per service and region, made once per execution environment.

Their time-outs are short on purpose: a call that hangs must cost one message its turn, not the function its timeout
and with it the other nine messages of the batch.
"""

import os
from collections.abc import Callable, Iterable
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

# boto3 writes a client's methods at run time, so there is no type to name.
Client = Any
ClientOf = Callable[[str, str], Client]

_CONNECT_SECONDS = 2
_READ_SECONDS = 4
_ATTEMPTS = 2
# What the slowest call can take: every attempt runs into both time-outs, one second between them.
SLOWEST_CALL_SECONDS = (_CONNECT_SECONDS + _READ_SECONDS) * _ATTEMPTS + 1


class Clients:
    """A cache of clients; calling it with a service and a region (empty: the function's own) gives one."""

    def __init__(self, default_region: str = "", session: boto3.session.Session | None = None) -> None:
        self._default_region = default_region
        self._session = session
        self._clients: dict[tuple[str, str], Client] = {}
        self._config = Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        )

    def __call__(self, service: str, region: str) -> Client:
        key = (service, region or self._default_region)
        if key not in self._clients:
            self._session = self._session or boto3.session.Session()
            self._clients[key] = self._session.client(service, region_name=key[1] or None, config=self._config)
        return self._clients[key]

    def prepare(self, services: Iterable[str]) -> None:
        """Make these clients now, while Lambda is starting the function and gives it its best CPU."""
        for service in services if self._default_region else ():
            try:
                self(service, self._default_region)
            except BotoCoreError:
                return  # It comes again, and is then reported, when the client is needed.


def own_region() -> str:
    """The region the function runs in; Lambda always sets AWS_REGION, of which boto3 itself takes no notice."""
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION", "")
