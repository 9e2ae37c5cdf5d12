"""The service as the gateway sees it, and the one place where its parts are put together."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from ..service import Environment, Handler
from .downloads import Downloads
from .fleet import Fleet
from .function_api import FunctionApi
from .invoker import Invoker
from .mapping_api import MappingApi
from .mappings import MappingStore
from .store import FunctionStore
from .tags import TagApi


class FunctionsService:
    """Lambda: functions that really run, and event source mappings that really poll."""

    name = "lambda"
    model_name = "lambda"

    def __init__(self, environment: Environment, clock: Callable[[], float] = time.monotonic) -> None:
        functions, mappings = FunctionStore(), MappingStore()
        self._fleet = Fleet(environment)
        self._downloads = Downloads(functions.package)
        self._invoker = Invoker(functions, self._fleet, environment.settings.time_scale, clock)
        self._mappings = MappingApi(environment, functions, mappings, self._invoker, clock)
        function_api = FunctionApi(environment, functions, self._fleet, self._invoker, self._downloads, clock)
        self.operations: Mapping[str, Handler] = {
            **function_api.operations,
            **self._mappings.operations,
            **TagApi(functions, mappings, clock).operations,
        }

    def start(self) -> None:
        self._fleet.start()

    def stop(self) -> None:
        """Everything this service has started ends: pollers first, so that nothing new begins."""
        self._mappings.stop()
        self._invoker.stop()
        self._fleet.stop()
        self._downloads.stop()
