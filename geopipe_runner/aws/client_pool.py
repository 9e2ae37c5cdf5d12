"""Clients that several deployments of one command share: those with the same credentials, region and endpoint.

To make the clients of a deployment takes longer than its calls. What a deployment adds to each call (its guards, its
progress, what it notes) belongs to the deployment all the same: a client that is bound to it says on the calling thread
whose call it is, and one set of hooks passes each event on to that deployment. botocore handles a call, with all of its
events, on the calling thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

import botocore.config
import botocore.session

from .call_turn import CallTurn
from .parallel import in_background

T = TypeVar("T")

Hook = tuple[str, Callable[..., Any]]
"""An event of botocore, and what is called with its arguments."""

# A client has a pool of connections, and all calls of all deployments take theirs from it.
_CONNECTIONS = botocore.config.Config(max_pool_connections=200)

# From so many deployments on, one search of the whole account takes fewer calls than one search for each of them.
_MANY = 10

_calling = threading.local()


class ClientPool:
    """A session and its clients, each made once."""

    def __init__(self, session: botocore.session.Session, creation: threading.Lock, deployments: int) -> None:
        """`creation` is held while a client is made: botocore reads what it needs for the first one only."""
        self.session = session
        self.serves_many = deployments >= _MANY
        self._creation = creation
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._read: dict[Hashable, Future[Any]] = {}
        self._turn = CallTurn(self._refresh_credentials)

    def once(self, what: Hashable, read: Callable[[], T]) -> Future[T]:
        """Returns what `read` returns. The first deployment reads it, and the others wait for the same result.

        An error is that of all who wait for it. A deployment that begins later reads again: the cause may be over.
        """
        with self._lock:
            result = self._read.get(what)
            if result is None or (result.done() and result.exception() is not None):
                result = self._read[what] = in_background(read)
            return result

    def bound_client(self, service: str, create: Callable[[botocore.config.Config], Any], hooks: Sequence[Hook]) -> Any:
        """Returns a client whose calls have `hooks`. `create` makes the one that all share, with the settings given."""
        with self._creation:
            if service not in self._clients:
                client = create(_CONNECTIONS)
                for index, (event, _) in enumerate(hooks):
                    client.meta.events.register(event, _pass_on(index))
                self._turn.watch(client.meta.events)
                # Reads what botocore knows of paginators and errors. Otherwise each of many threads would.
                client.can_paginate(next(iter(client.meta.method_to_api_mapping)))
                client.meta.service_model.shape_for_error_code("")
                self._clients[service] = client
        return _bind(self._clients[service], hooks, self._turn)

    def _refresh_credentials(self) -> None:
        credentials = self.session.get_credentials()
        if credentials is not None:
            credentials.get_frozen_credentials()


class ClientPools:
    """The pools of one command for so many `deployments`."""

    def __init__(self, deployments: int) -> None:
        self._deployments = deployments
        self._creation = threading.Lock()
        self._lock = threading.Lock()
        self._locks: dict[Hashable, threading.Lock] = {}
        self._pools: dict[Hashable, ClientPool] = {}
        self._loaders: dict[Any, Any] = {}

    def pool(self, key: Hashable, make_session: Callable[[], botocore.session.Session]) -> ClientPool:
        """Returns the pool for `key`. Where there is none, `make_session` may raise what it likes."""
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._pools:
                session = make_session()
                self._share_loader(session)
                self._pools[key] = ClientPool(session, self._creation, self._deployments)
            return self._pools[key]

    def _share_loader(self, session: botocore.session.Session) -> None:
        """Let all sessions share what botocore has read of its models."""
        with self._lock:
            path = session.get_config_variable("data_path")
            if path not in self._loaders:
                self._loaders[path] = session.get_component("data_loader")
            session.register_component("data_loader", self._loaders[path])


def _pass_on(index: int) -> Callable[..., Any]:
    def hook(**arguments: Any) -> Any:
        return _calling.hooks[index][1](**arguments)

    return hook


def _bind(client: Any, hooks: Sequence[Hook], turn: CallTurn) -> Any:
    """Returns a client that shares everything with `client`, and names its hooks during each call."""
    bound = object.__new__(type(client))  # copy.copy would ask the empty object for attributes, without end
    bound.__dict__.update(client.__dict__)
    make_call = bound._make_api_call  # every method and paginator of a client ends there

    def call(operation: str, parameters: Any) -> Any:
        _calling.hooks = hooks
        try:
            return make_call(operation, parameters)
        finally:
            turn.give()

    bound._make_api_call = call
    return bound
