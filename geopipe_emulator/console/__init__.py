"""The console: pages in a browser that show what the emulator holds, with buttons for what a person does by hand.

Only this module is imported when the emulator starts. It reads of our own services through their operations, of moto
through boto3 clients, and changes everything through boto3 clients: a button does what an API call would.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..messages import note
from .access import PATH, ConsoleAccess

if TYPE_CHECKING:
    from ..http.request import Request, Response
    from ..service import Environment, Service
    from .server import ConsoleServer

__all__ = ["PATH", "Console"]


class Console:
    """The pages below `PATH` of one emulator.

    Args:
        url: The emulator's URL.
        environment: Returns the surroundings of the services, which a reset replaces.
        services: Returns our own services by name, which a reset replaces, too.
        is_readable: Whether a browser may read without a token. It may where the API serves every client of this user.
    """

    def __init__(
        self,
        url: str,
        environment: Callable[[], Environment],
        services: Callable[[], Mapping[str, Service]],
        is_readable: bool = True,
    ) -> None:
        self.access = ConsoleAccess(url, is_readable)
        self._environment = environment
        self._services = services
        self._server: ConsoleServer | None = None

    def announce(self) -> None:
        """Print the address with which a browser may change something."""
        self.access.is_announced = True
        note(f"console: {self.access.new_address()}")

    def respond(self, request: Request) -> Response:
        """Return the response to a request below `PATH`. Templates are imported with the first one."""
        if self._server is None:
            from .server import ConsoleServer

            self._server = ConsoleServer(self.access, self._environment, self._services)
        return self._server.respond(request)
