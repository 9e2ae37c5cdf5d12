"""From a function's name and a payload to an outcome: the one way in for the Invoke operation and for mappings."""

from __future__ import annotations

import sys
import threading
import time
import uuid
from collections.abc import Callable

from ..errors import ServiceError
from .fleet import Fleet
from .invocation import Invocation, Outcome
from .names import FunctionKey, not_found
from .pool import PoolClosedError
from .store import Function, FunctionStore

RETRY_DELAYS = (60.0, 120.0)
"""An asynchronous invocation that fails is tried twice more, after so many seconds."""


class Invoker:
    def __init__(
        self, functions: FunctionStore, fleet: Fleet, time_scale: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._functions = functions
        self._fleet = fleet
        self._time_scale = time_scale
        self._clock = clock
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()

    def ready(self, key: FunctionKey) -> bool:
        function = self._functions.find(key)
        return function is not None and (function.settled(self._clock()) or not function.is_new)

    def invoke(
        self,
        key: FunctionKey,
        arn: str,
        payload: bytes,
        client_context: str | None = None,
        request_id: str | None = None,
    ) -> Outcome:
        """Run it to its end. An update in the middle moves a waiting invocation to the new version."""
        while not self._stopped.is_set():
            function = self._runnable(key, arn)
            invocation = Invocation(
                payload, arn, function.configuration.timeout, client_context, request_id or str(uuid.uuid4())
            )
            try:
                outcome = self._fleet.run(key, invocation, function.reserved_concurrency)
            except PoolClosedError:
                continue
            if outcome is None:
                raise not_found(arn)
            return outcome
        raise ServiceError("ServiceException", "The emulator is stopping", 500)

    def invoke_later(self, key: FunctionKey, arn: str, payload: bytes, client_context: str | None) -> None:
        """Run it in the background, with Lambda's retries; nobody hears of the outcome but the log."""
        self._runnable(key, arn)
        thread = threading.Thread(
            target=self._run_with_retries, args=(key, arn, payload, client_context), name="event-invoke", daemon=True
        )
        thread.start()

    def _run_with_retries(self, key: FunctionKey, arn: str, payload: bytes, client_context: str | None) -> None:
        # Retries carry the request id of the first try.
        request_id = str(uuid.uuid4())
        for delay in (*RETRY_DELAYS, None):
            try:
                if self.invoke(key, arn, payload, client_context, request_id).succeeded:
                    return
            except ServiceError as error:
                print(f"an asynchronous invocation of {arn} failed: {error}", file=sys.stderr)
            if delay is None or self._stopped.wait(delay * self._time_scale):
                return

    def _runnable(self, key: FunctionKey, arn: str) -> Function:
        function = self._functions.find(key)
        if function is None:
            raise not_found(arn)
        if function.is_new and not function.settled(self._clock()):
            message = (
                "The operation cannot be performed at this time. "
                "The function is currently in the following state: Pending"
            )
            raise ServiceError("ResourceConflictException", message, 409)
        return function
