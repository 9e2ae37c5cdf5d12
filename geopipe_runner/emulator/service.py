"""What the gateway and an emulated service know of each other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .settings import Settings


class FallThrough(Exception):  # noqa: N818
    """Raised by a handler for a request that is not its own after all: the gateway passes it on to moto."""


Handler = Callable[[dict[str, Any], "RequestContext"], dict[str, Any]]


@dataclass(frozen=True)
class RequestContext:
    """Who asks, where: taken from the request's signature."""

    account_id: str
    region: str
    partition: str = "aws"
    request_id: str = ""
    access_key_id: str = ""


class Service(Protocol):
    """One emulated AWS service. `operations` maps CamelCase operation names to handlers."""

    @property
    def name(self) -> str: ...

    @property
    def model_name(self) -> str: ...

    @property
    def operations(self) -> Mapping[str, Handler]: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


class Environment:
    """The surroundings of a service: settings, and boto3 clients of this very endpoint.

    Services reach one another only through these clients, so that each could be replaced by the real one.
    """

    def __init__(self, settings: Settings, endpoint_url: str, make_client: Callable[[str, str], Any]) -> None:
        self.settings = settings
        self.endpoint_url = endpoint_url
        self._make_client = make_client
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def client(self, service_name: str, region: str | None = None) -> Any:
        """A shared boto3 client for `service_name` at this endpoint, in `region` (default: the settings' region)."""
        key = (service_name, region or self.settings.region)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._make_client(*key)
            return self._clients[key]
