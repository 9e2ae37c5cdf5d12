"""The emulator as one object: a listening socket, the gateway, the services, and their end.

The socket listens before anything heavy is imported, so a client that connects early waits in the queue
and is answered. Loopback only, by design: whoever reaches the port owns the account.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .service import Environment, Service
from .settings import Settings

LOOPBACK = "127.0.0.1"
_STOP_CHECK = 0.05
"""Seconds between two looks at whether to stop; connections are accepted at once all the same."""

ServiceFactory = Callable[[Environment], Service]
Middleware = Callable[[Any], Any]


class EmulatorServer:
    """start() → URL, stop(). One account; moto keeps its state per process, so one server at a time per account."""

    def __init__(
        self,
        settings: Settings | None = None,
        port: int = 0,
        services: Sequence[ServiceFactory] | None = None,
        middleware: Iterable[Middleware] = (),
        verbose: bool = False,
    ) -> None:
        self.settings = settings or Settings()
        self._factories = services
        self._middleware = tuple(middleware)
        self._verbose = verbose
        self._environment: Environment | None = None
        self._services: list[Service] = []
        self._server: Any = None
        self._fallback: Any = None
        self._socket = socket.create_server((LOOPBACK, port), backlog=256)
        self.url = f"http://{LOOPBACK}:{self._socket.getsockname()[1]}"

    @property
    def environment(self) -> Environment:
        if self._environment is None:
            raise RuntimeError("the emulator has not been started")
        return self._environment

    def start(self) -> str:
        """Begin to answer; then start the services, which may call the endpoint at once."""
        try:
            self._listen()
            for service in self._services:
                service.start()
        except BaseException:
            self.stop()
            raise
        return self.url

    def _listen(self) -> None:
        from .amendments import default_amendments
        from .authorisation import Authoriser
        from .clients import client_factory
        from .fallback import Fallback
        from .faults import FaultInjector
        from .gateway import Gateway
        from .known_roles import KnownRoles
        from .listener import Listener

        known = KnownRoles(self.settings.iam_propagation_seconds)
        authoriser = Authoriser(self.settings, known)
        environment = self._environment = Environment(
            self.settings, self.url, client_factory(self.url), authoriser.missing
        )
        factories = default_services() if self._factories is None else self._factories
        self._services = [make(environment) for make in factories]
        self._fallback = Fallback(self.settings.account_id)
        amendments = default_amendments(self.settings, known)
        self.gateway = Gateway(self.settings, self._services, self._fallback, authoriser, amendments)
        app: Any = FaultInjector(self.gateway, self.gateway.faults)
        for wrap in self._middleware:
            app = wrap(app)
        self._server = Listener(self._socket, app, self._verbose)
        threading.Thread(target=self._server.serve_forever, args=(_STOP_CHECK,), name="emulator", daemon=True).start()

    def warm_up(self) -> None:
        """Import and build in the background what every run asks for first."""
        threading.Thread(target=self.gateway.warm_up, name="warm-up", daemon=True).start()

    def stop(self) -> None:
        """End the services while they can still reach the endpoint, then the endpoint."""
        if self._server is not None:
            self.gateway.stop()
        for service in reversed(self._services):
            service.stop()
        self._services = []
        if self._server is None:
            self._socket.close()
            return
        self._server.close()
        self._server = None
        self._fallback.forget()

    def __enter__(self) -> EmulatorServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def default_services() -> list[ServiceFactory]:
    """Every service of ours, imported only now: their models and engines are what a start costs."""
    from .functions import FunctionsService
    from .geospatial import GeospatialService
    from .pipelines import PipelinesService
    from .tagging import TaggingService

    return [FunctionsService, PipelinesService, GeospatialService, TaggingService]
