"""Runs invocations for the Invoke operation and for event source mappings."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable

from ...protocol.errors import ServiceError
from .aliases import AliasStore
from .concurrency import PoolClosedError
from .invocation import Invocation, InvocationResult
from .names import FunctionName, not_found
from .store import FunctionRecord
from .versions import Versions


class Invoker:
    def __init__(
        self,
        aliases: AliasStore,
        versions: Versions,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._aliases = aliases
        self._versions = versions
        self._clock = clock
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def ready(self, name: FunctionName) -> bool:
        function = self._aliases.find(name)
        return function is not None and (function.settled(self._clock()) or not function.is_new)

    def invoke(
        self,
        name: FunctionName,
        arn: str,
        payload: bytes,
        client_context: str | None = None,
        request_id: str | None = None,
    ) -> InvocationResult:
        """Run it to its end. An alias is resolved now.

        If the function is updated, an invocation that still waits runs on the new code.
        """
        while not self._stopped.is_set():
            function = self._runnable(name, arn)
            invocation = Invocation(
                payload, arn, function.configuration.timeout, client_context, request_id or str(uuid.uuid4())
            )
            try:
                result = self._versions.run(function.key, invocation, function.reserved_concurrency)
            except PoolClosedError:
                continue
            if result is not None:
                return result
            if not self._stopped.is_set():
                raise not_found(arn)
        raise ServiceError("ServiceException", "The emulator is stopping", 500)

    def require_runnable(self, name: FunctionName, arn: str) -> None:
        """Raise AWS's error for a function that does not exist, or is not ready yet."""
        self._runnable(name, arn)

    def _runnable(self, name: FunctionName, arn: str) -> FunctionRecord:
        function = self._aliases.choose(name)
        if function is None:
            raise not_found(arn)
        if function.is_new and not function.settled(self._clock()):
            message = (
                "The operation cannot be performed at this time. "
                "The function is currently in the following state: Pending"
            )
            raise ServiceError("ResourceConflictException", message, 409)
        return function
