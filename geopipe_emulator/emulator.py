"""The emulator as one object: a listening socket, the gateway, the services, and their end.

The socket listens before anything heavy is imported, so a client that connects early waits in the queue and gets its
response. It listens on loopback only, and serves only the user who started it: functions run code.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .messages import warn
from .protocol.errors import ServiceError
from .service import Environment, Service
from .settings import Settings
from .state.records import RecordTables

if TYPE_CHECKING:
    from .state.folder import StateFolder
    from .state.moto import MotoState

LOOPBACK = "127.0.0.1"
# How long calls may take when an emulator with a state folder ends. `Emulator.stop` waits for five seconds.
_LAST_CALLS_SECONDS = 1.0

ServiceFactory = Callable[[Environment], Service]
Middleware = Callable[[Any], Any]


class EmulatorServer:
    """Serves one account from `start` to `stop`; also a context manager.

    moto keeps its state per process and account, so one server at a time per account.

    Args:
        settings: How the account behaves.
        port: The port on 127.0.0.1; 0 takes a free one.
        services: The factories of our own services; None means all of them.
        middleware: WSGI middleware to wrap around the gateway.
        verbose: Log each request to standard error.
        access_key_id: Serve only requests with this access key id; "" requires none.
        is_allowed: Whether to serve a connection; None refuses those that the system shows to be another user's.
        state_dir: The folder that keeps the account; None keeps it in memory.
        usual_port: The port if `port` is 0 and the state folder knows none.

    Raises:
        StateError: the folder cannot be used.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        port: int = 0,
        services: Sequence[ServiceFactory] | None = None,
        middleware: Iterable[Middleware] = (),
        verbose: bool = False,
        access_key_id: str = "",
        is_allowed: Callable[[socket.socket], bool] | None = None,
        state_dir: Path | None = None,
        usual_port: int = 0,
    ) -> None:
        self.settings = settings or Settings()
        self._factories = services
        self._middleware = tuple(middleware)
        self._verbose = verbose
        self._access_key_id = access_key_id
        self._is_allowed = is_allowed
        self._environment: Environment | None = None
        self._services: list[Service] = []
        self._listener: Any = None
        self._moto: Any = None
        self._lock = threading.Lock()
        self._tables = RecordTables()
        self._folder: StateFolder | None = None
        self._moto_state: MotoState | None = None
        self._used_contents: set[str] = set()
        if state_dir is not None:
            from .state.folder import StateFolder

            self._folder = StateFolder(state_dir, self.settings.account_id)
        try:
            self._socket = self._listen_on(port, usual_port)
        except OSError:
            if self._folder is not None:
                self._folder.close()
            raise
        self.url = f"http://{LOOPBACK}:{self._socket.getsockname()[1]}"
        from .console import Console

        self.console = Console(
            self.url,
            lambda: self.environment,
            lambda: {service.name: service for service in self._services},
            is_readable=not access_key_id,
        )

    @property
    def environment(self) -> Environment:
        """The surroundings of the services. Raises RuntimeError before `start`."""
        if self._environment is None:
            raise RuntimeError("the emulator has not been started")
        return self._environment

    def _listen_on(self, port: int, usual_port: int) -> socket.socket:
        """Listen on the port; without one, on the last one of the state folder if it is free: URLs contain it."""
        last = self._folder.port if self._folder is not None else 0
        if not port and last:
            try:
                return socket.create_server((LOOPBACK, last), backlog=256)
            except OSError:
                warn(f"port {last} is in use now. URLs of queues that programs have kept name it, so they are wrong.")
                usual_port = 0
        return socket.create_server((LOOPBACK, port or usual_port), backlog=256)

    def start(self) -> str:
        """Begin to serve, then start the services, which may call the endpoint themselves. Returns the URL."""
        try:
            self._listen()
            self._start_services()
        except BaseException:
            self.stop()
            raise
        return self.url

    def _listen(self) -> None:
        from .gateway.access import AccessKeyCheck
        from .gateway.chain import Gateway
        from .gateway.handlers.moto import MotoHandler
        from .http.listener import Listener
        from .http.peer import is_foreign

        self._moto = MotoHandler(self.settings.account_id)
        if self._folder is not None:
            self._restore_moto(self._folder)
        access = AccessKeyCheck(self._access_key_id) if self._access_key_id else None
        self.gateway = Gateway(self.settings, self._moto, access, self.reset, self.describe_state)
        self._install()
        if self._folder is not None:
            self._folder.note_address(self.url, self._socket.getsockname()[1], self._access_key_id)
            if self._factories is None:
                self._folder.file.forget_unused(self._used_contents | self._tables.used_contents())
        app: Any = self.gateway
        for wrap in self._middleware:
            app = wrap(app)
        self.gateway.console = self.console
        is_allowed = self._is_allowed or (lambda client: not is_foreign(client))
        self._listener = Listener(self._socket, app, is_allowed, self._verbose)
        threading.Thread(target=self._listener.serve_forever, name="emulator", daemon=True).start()

    def _install(self) -> None:
        """Make all that holds state, and put it behind the gateway."""
        from .authorization.authorizer import Authorizer
        from .authorization.principals import identify
        from .authorization.roles import KnownRoles
        from .clients import client_factory
        from .services.moto_patches import default_patches

        self._tables.close()
        self._tables = tables = RecordTables(self._folder.file if self._folder is not None else None)
        known = KnownRoles(self.settings.iam_propagation_seconds)
        authorizer = Authorizer(self.settings, known)
        make_client = client_factory(self.url, self._access_key_id)
        environment = self._environment = Environment(
            self.settings, self.url, make_client, authorizer.missing, tables=tables, identify=identify
        )
        if self._moto_state is not None:
            environment.save_log_events = self._moto_state.save_all
        factories = default_services() if self._factories is None else self._factories
        self._services = [make_service(environment) for make_service in factories]
        patches = default_patches(environment, known)
        if self._moto_state is not None:
            self._moto_state.restore_patches(patches)
        self.gateway.install(self._services, authorizer, patches)

    def _restore_moto(self, folder: StateFolder) -> None:
        from .state.moto import MotoState

        self._moto.state = self._moto_state = MotoState(folder.file, self.settings.account_id, self._moto.backends_of)
        self._used_contents = self._moto_state.load()
        self._moto_state.start()

    def describe_state(self) -> dict[str, Any] | None:
        """Where the account is kept, and what of it is not; None without a state folder."""
        if self._folder is None or self._moto_state is None:
            return None
        return {
            "folder": str(self._folder.path),
            "problem": self._folder.file.problem,
            "unsaved": self._moto_state.unsaved,
        }

    def _start_services(self) -> None:
        for service in self._services:
            service.start()
        self.environment.resume_events()

    def reset(self) -> None:
        """Empty the account: end all that runs, forget everything, and start the services again."""
        with self._lock:
            if self._listener is None:
                raise ServiceError("ServiceUnavailable", "The emulator has ended.", 503)
            self._tables.close()
            self._stop_services()
            self._moto.forget()
            if self._moto_state is not None:
                self._moto_state.clear()
            self._install()
            self._start_services()

    def warm_up(self) -> None:
        """Import and build in the background what every run asks for first."""
        threading.Thread(target=self._warm_up, name="warm-up", daemon=True).start()

    def _warm_up(self) -> None:
        # What fails here for want of memory or descriptors fails again, and is reported, when a client asks for it.
        with contextlib.suppress(OSError, MemoryError, ImportError):
            self.gateway.warm_up()

    def stop(self) -> None:
        """End the services while they can still reach the endpoint, then the endpoint."""
        if self._listener is not None and self._folder is not None:
            # Outside of the lock: a request that runs may be a reset.
            self.gateway.end(_LAST_CALLS_SECONDS)
        with self._lock:
            # What fails because this process ends is not what happened in the account.
            self._tables.close()
            if self._moto_state is not None:
                self._moto_state.freeze()
            self._stop_services()
            if self._moto_state is not None:
                self._moto_state.close()
            if self._folder is not None:
                self._folder.close()
                self._folder = self._moto_state = None
            if self._listener is None:
                self._socket.close()
                return
            self._listener.close()
            self._listener = None
            self._moto.forget()

    def _stop_services(self) -> None:
        if self._listener is not None:
            self.gateway.stop()
        for service in reversed(self._services):
            service.stop()
        self._services = []

    def __enter__(self) -> EmulatorServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def default_services() -> list[ServiceFactory]:
    """Returns the factories of all our services. They are imported only now: they are most of a start's cost."""
    from .services.geo_places import PlacesService
    from .services.lambda_ import FunctionsService
    from .services.sagemaker import PipelinesService
    from .services.sagemaker_geospatial import GeospatialService
    from .services.tagging import TaggingService

    return [FunctionsService, PipelinesService, GeospatialService, PlacesService, TaggingService]
