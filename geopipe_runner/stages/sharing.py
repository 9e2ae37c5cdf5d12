"""What several deployments of one command share: the turn of local work, and emulators."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from ..aws.artifact import Package
from ..aws.client_pool import ClientPools
from ..aws.endpoint import EmbeddedEmulator, Endpoint, open_endpoint, start_emulator
from ..config.model import Config
from .claims import World


class SharedEmulator:
    """An emulator that ends with the last of its deployments. `url` can be read from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: EmbeddedEmulator | None = None

    def start(self, config: Config) -> None:
        """Start it, unless it runs."""
        with self._lock:
            self._process = self._process or start_emulator(config)

    @property
    def url(self) -> str:
        """Waits until it can be reached. Raises AwsError when it ends instead."""
        with self._lock:
            assert self._process is not None
            return self._process.url

    def stop(self) -> None:
        """End it, if it runs."""
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.stop()


class SharedWork:
    """What the sessions of one command share. `worlds` says by file and entry where each keeps its resources.

    It is a context manager: no emulator runs after the block.
    """

    def __init__(self, worlds: Mapping[tuple[str, str], World]) -> None:
        self.local_work = threading.Lock()
        self.pools = ClientPools(len(worlds))
        self._packages: dict[Hashable, Package] = {}
        self._worlds = worlds
        self._left = Counter(worlds.values())
        self._emulators = {world: SharedEmulator() for world in set(worlds.values())}
        self._lock = threading.Lock()

    def __enter__(self) -> SharedWork:
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as stack:
            for emulator in self._emulators.values():
                stack.callback(emulator.stop)

    def build_once(self, content: Hashable, build: Callable[[], Package]) -> Package:
        """Returns the zip of `content`. Called within `local_work`."""
        if content not in self._packages:
            self._packages[content] = build()
        return self._packages[content]

    @contextmanager
    def open_endpoint(self, config: Config) -> Iterator[Endpoint]:
        """Within the block, the endpoint that `config` names can be used."""
        if not config.embedded:
            with open_endpoint(config) as endpoint:
                yield endpoint
            return
        world = self._worlds[str(config.path), config.entry]
        emulator = self._emulators[world]
        emulator.start(config)
        try:
            yield emulator
        finally:
            with self._lock:
                self._left[world] -= 1
                is_last = not self._left[world]
            if is_last:
                emulator.stop()
