"""What the gateway and an emulated service know of each other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from .settings import Settings


class FallThrough(Exception):  # noqa: N818
    """Raised by a handler for a request that is not its own after all: the gateway passes it on to moto."""


Handler = Callable[[dict[str, Any], "RequestContext"], dict[str, Any]]


@dataclass(frozen=True)
class RequestContext:
    """Who asks, where: taken from the request's signature."""

    account_id: str
    region: str
    partition: str = "aws"
    request_id: str = ""
    access_key_id: str = ""


class Service(Protocol):
    """One emulated AWS service. `operations` maps CamelCase operation names to handlers."""

    @property
    def name(self) -> str: ...

    @property
    def model_name(self) -> str: ...

    @property
    def operations(self) -> Mapping[str, Handler]: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


@runtime_checkable
class NamesResources(Protocol):
    """A service that knows better than a call's parameters which resource the call is about."""

    def resource_of(self, operation: str, parameters: Mapping[str, Any], context: RequestContext) -> str | None:
        """Its ARN; "" when the call is about nothing that exists; None: the parameters say."""


@dataclass(frozen=True)
class Credentials:
    """Of a role's session."""

    access_key_id: str
    secret_access_key: str
    session_token: str


Permissions = Callable[[str, Iterable[tuple[str, str]]], str]
"""Given a role and (action, resource) pairs: the first action the role may not, or ""."""


class Environment:
    """The surroundings of a service: settings, and boto3 clients of this very endpoint.

    Services reach one another only through these clients, so that each could be replaced by the real one. What they
    do in the name of a role goes through that role's own clients, so that the gateway can judge it.
    """

    def __init__(
        self,
        settings: Settings,
        endpoint_url: str,
        make_client: Callable[..., Any],
        permissions: Permissions = lambda role_arn, asked: "",
    ) -> None:
        self.settings = settings
        self.endpoint_url = endpoint_url
        self.missing_permission = permissions
        self._make_client = make_client
        self._clients: dict[tuple[str, ...], Any] = {}
        self._credentials: dict[tuple[str, str], Credentials] = {}
        self._lock = threading.Lock()

    @property
    def enforces(self) -> bool:
        """Whether roles are held to their policies."""
        return self.settings.iam == "enforce"

    def client_as(self, role_arn: str, session: str, service_name: str, region: str | None = None) -> Any:
        """A client with the role's credentials; botocore's ClientError when the role cannot be assumed.

        Where nobody enforces what roles may do, it is the service's own client.
        """
        if not self.enforces:
            return self.client(service_name, region)
        credentials = self._credentials_of(role_arn, session)
        key = (service_name, region or self.settings.region, credentials.access_key_id)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._make_client(*key[:2], credentials)
            return self._clients[key]

    def assume(self, role_arn: str, session: str) -> Credentials:
        """New credentials of the role; ClientError when it cannot be assumed."""
        answer = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName=session)["Credentials"]
        return Credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])

    def _credentials_of(self, role_arn: str, session: str) -> Credentials:
        """Kept for good: what the role may do is judged at each call, not when it is assumed."""
        with self._lock:
            kept = self._credentials.get((role_arn, session))
        return kept or self._credentials.setdefault((role_arn, session), self.assume(role_arn, session))

    def client(self, service_name: str, region: str | None = None) -> Any:
        """A shared boto3 client for `service_name` at this endpoint, in `region` (default: the settings' region)."""
        key = (service_name, region or self.settings.region)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._make_client(*key)
            return self._clients[key]
