"""Lambda as a service of this endpoint: the one place where its parts are put together."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ...http.request import Request, Response
from ...service import Authorize, Environment, Handler, RequestContext
from .alias_api import AliasApi
from .aliases import AliasStore
from .downloads import Downloads
from .event_invoke_config import EventInvokeConfig, EventInvokeConfigApi
from .event_invoker import EventInvoker
from .function_api import FunctionApi
from .function_policies import FunctionPolicy, FunctionPolicyApi
from .function_urls import PATH, FunctionUrl, FunctionUrlApi
from .invoker import Invoker
from .layer_api import LayerApi
from .layers import LayerStore
from .mapping_api import MappingApi
from .mappings import MappingStore
from .names import FunctionName
from .qualified import QualifiedStore
from .store import FunctionStore
from .tags import TagApi
from .unset_features_api import UnsetFeaturesApi
from .version_api import VersionApi
from .versions import Versions


class FunctionsService:
    """Lambda: functions run, and event source mappings poll their queues."""

    name = "lambda"
    model_name = "lambda"
    path = PATH

    def __init__(self, environment: Environment, clock: Callable[[], float] = time.monotonic) -> None:
        tables = environment.tables
        functions, mappings, layers = FunctionStore(tables), MappingStore(tables), LayerStore(tables)
        aliases = AliasStore(functions, tables=tables)
        policies = QualifiedStore(FunctionPolicy, tables)
        configs = QualifiedStore(EventInvokeConfig, tables)
        urls = QualifiedStore(FunctionUrl, tables)

        def forget(name: FunctionName) -> None:
            policies.remove_deleted(name)
            configs.remove_deleted(name)
            urls.remove_deleted(name)

        self._functions = functions
        self._versions = Versions(environment)
        self._downloads = Downloads(lambda sha256: functions.package(sha256) or layers.package(sha256))
        self._invoker = Invoker(aliases, self._versions, clock)
        self._event_invoker = EventInvoker(environment, aliases, configs, self._invoker, clock)
        self._mappings = MappingApi(environment, aliases, mappings, self._invoker, clock)
        self._policies = FunctionPolicyApi(aliases, policies)
        self._urls = FunctionUrlApi(environment, aliases, urls, self._policies, self._invoker)
        layer_api = LayerApi(environment, layers, self._downloads)
        published = VersionApi(functions, self._versions, clock)
        function_api = FunctionApi(
            environment,
            functions,
            aliases,
            layer_api,
            published,
            self._versions,
            self._invoker,
            self._event_invoker,
            self._downloads,
            forget,
            clock,
        )
        self.operations: Mapping[str, Handler] = {
            **function_api.operations,
            **published.operations,
            **AliasApi(aliases, forget).operations,
            **layer_api.operations,
            **self._policies.operations,
            **EventInvokeConfigApi(environment, aliases, configs).operations,
            **self._mappings.operations,
            **self._urls.operations,
            **TagApi(functions, mappings, clock).operations,
            **UnsetFeaturesApi(functions, aliases).operations,
        }

    def resource_policy(
        self, operation: str, parameters: Mapping[str, Any], context: RequestContext
    ) -> Mapping[str, Any] | None:
        """Return the policy of the function that a call invokes."""
        return self._policies.document_of(parameters, context) if operation == "Invoke" else None

    def respond(self, request: Request, context: RequestContext, authorize: Authorize) -> Response:
        """Return the response to a request for a function URL."""
        return self._urls.respond(request, context, authorize)

    def start(self) -> None:
        """Start the threads, and continue with what a state folder has."""
        self._versions.start()
        for function in self._functions.all():
            self._versions.deploy(function, warm=False)
        self._mappings.start()
        self._event_invoker.start()

    def stop(self) -> None:
        """End everything that this service has started: pollers first, so that no new work begins."""
        self._mappings.stop()
        self._event_invoker.stop()
        self._invoker.stop()
        self._versions.stop()
        self._downloads.stop()
