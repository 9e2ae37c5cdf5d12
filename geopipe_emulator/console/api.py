"""How the pages read and change the account: as a client of its services, and of nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, TypeVar, cast

from botocore.exceptions import ClientError

from ..gateway.chain import partition_of
from ..protocol.errors import ServiceError
from ..service import Environment, RequestContext, Service

Found = TypeVar("Found")
_MOST_REMEMBERED = 200
_CACHE_LOCK = threading.Lock()


class AccountApi:
    """One account in one region.

    `read` asks a service of ours without HTTP, because a page that is open asks often. Everything else is a boto3 call.
    """

    def __init__(
        self, environment: Environment, services: Mapping[str, Service], region: str, cache: dict[Any, Any]
    ) -> None:
        self.environment = environment
        self.account_id = environment.settings.account_id
        self.region = region
        self._services = services
        self._cache = cache
        self._context = RequestContext(self.account_id, region, partition_of(region))

    def read(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """Return the output of an operation of a service of ours. Raises ServiceError."""
        return self._service(service).operations[operation](parameters, self._context)

    def _service(self, name: str) -> Service:
        if name not in self._services:
            raise ServiceError("ServiceUnavailable", "The emulator is being reset. Try again in a moment.", 503)
        return self._services[name]

    def read_all(self, service: str, operation: str, member: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """Yield the entries of all pages of a list of a service of ours."""
        name = "Marker" if service == "lambda" else "NextToken"
        token: str | None = None
        while True:
            page = self.read(service, operation, **parameters, **({name: token} if token else {}))
            yield from page.get(member, [])
            token = page.get("NextMarker" if service == "lambda" else "NextToken")
            if not token:
                return

    def client(self, service: str) -> Any:
        return self.environment.client(service, self.region)

    def arn(self, service: str, resource: str) -> str:
        return f"arn:{self._context.partition}:{service}:{self.region}:{self.account_id}:{resource}"

    def remember(self, key: Any, is_final: bool, find: Callable[[], Found]) -> Found:
        """Return what `find` returns, and keep it once it is final."""
        with _CACHE_LOCK:
            if key in self._cache:
                return cast(Found, self._cache[key])
        value = find()
        if is_final:
            with _CACHE_LOCK:
                while len(self._cache) >= _MOST_REMEMBERED:
                    del self._cache[next(iter(self._cache))]
                self._cache[key] = value
        return value

    @cached_property
    def pipelines(self) -> Any:
        """The store of the pipelines, for what no operation says."""
        return cast(Any, self._service("sagemaker")).store


def error_code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
