"""The interface between the gateway and an emulated service."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from .http.request import Request, Response
from .settings import Settings
from .state.records import RecordTables


class FallThrough(Exception):  # noqa: N818
    """Raised by an operation for a request that it leaves to moto after all."""


Handler = Callable[[dict[str, Any], "RequestContext"], dict[str, Any]]


@dataclass(frozen=True)
class RequestContext:
    """The caller and the region, from the request's signature."""

    account_id: str
    region: str
    partition: str = "aws"
    request_id: str = ""
    access_key_id: str = ""


@dataclass(frozen=True)
class CallerIdentity:
    """Who makes a call, as GetCallerIdentity and error messages name it. `user_id` is AWS's unique id."""

    arn: str
    user_id: str


def root_identity(context: RequestContext) -> CallerIdentity:
    """Returns the identity of credentials that the emulator has not made itself: they may do everything."""
    return CallerIdentity(f"arn:{context.partition}:iam::{context.account_id}:root", context.account_id)


class Service(Protocol):
    """One emulated AWS service. `operations` maps AWS's operation names to the functions that run them."""

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
    """A service that knows which resource a call is about where the parameters alone do not say."""

    def resource_of(self, operation: str, parameters: Mapping[str, Any], context: RequestContext) -> str | None:
        """The resource's ARN; "" when it does not exist; None when the parameters name it."""


@runtime_checkable
class HasResourcePolicies(Protocol):
    """A service whose resources have policies, which can allow a role what its own policies do not mention."""

    def resource_policy(
        self, operation: str, parameters: Mapping[str, Any], context: RequestContext
    ) -> Mapping[str, Any] | None:
        """The policy of the resource that the call is about; None where it has none."""


# Raises AWS's ServiceError unless the caller of a request may make a call: operation, parameters, resource policy.
Authorize = Callable[[str, Mapping[str, Any], Mapping[str, Any] | None], None]


@runtime_checkable
class ServesPath(Protocol):
    """A service that has a part of the endpoint's paths to itself, outside of its API."""

    @property
    def name(self) -> str: ...

    @property
    def path(self) -> str:
        """How these paths begin."""

    def respond(self, request: Request, context: RequestContext, authorize: Authorize) -> Response: ...


@dataclass(frozen=True)
class Credentials:
    """The credentials of a role's session."""

    access_key_id: str
    secret_access_key: str
    session_token: str


@dataclass(frozen=True)
class ServiceEvent:
    """Something that happened in a service, as the service reports it to EventBridge."""

    source: str
    detail_type: str
    region: str
    resources: tuple[str, ...]
    detail: Mapping[str, Any]


# Takes a role and (action, resource) pairs; returns the first action that is denied to the role, or "".
Permissions = Callable[[str, Iterable[tuple[str, str]]], str]


class Environment:
    """The surroundings of a service: settings, and boto3 clients of this very endpoint.

    Services reach one another only through these clients, so that the real service could replace each of them. What a
    service does on behalf of a role goes through that role's own clients, so that the gateway can authorize it.
    """

    def __init__(
        self,
        settings: Settings,
        endpoint_url: str,
        make_client: Callable[..., Any],
        permissions: Permissions = lambda role_arn, actions: "",
        tables: RecordTables | None = None,
        identify: Callable[[RequestContext], CallerIdentity] = root_identity,
    ) -> None:
        self.settings = settings
        # Where services keep their records: in memory, or in the state folder as well.
        self.tables = tables or RecordTables()
        self.endpoint_url = endpoint_url
        self.missing_permission = permissions
        self.emit: Callable[[ServiceEvent], None] = lambda event: None
        """Reports an event to EventBridge, which sets this. It neither waits nor raises."""
        self.resume_events: Callable[[], None] = lambda: None
        """Delivers the events and runs the schedules that the account has already. EventBridge sets this."""
        self.save_log_events: Callable[[], None] = lambda: None
        """Saves the log events that our own services have written. Otherwise that happens within a second."""
        self.identify = identify
        self._make_client = make_client
        self._clients: dict[tuple[str, ...], Any] = {}
        self._credentials: dict[tuple[str, str], Credentials] = {}
        self._lock = threading.Lock()

    @property
    def enforces(self) -> bool:
        """Whether roles are held to their policies."""
        return self.settings.iam == "enforce"

    def client_as(self, role_arn: str, session: str, service_name: str, region: str | None = None) -> Any:
        """A client with the role's credentials, or the service's own where roles are not held to their policies.

        Raises botocore's ClientError when the role cannot be assumed.
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
        """New credentials of the role. Raises botocore's ClientError when it cannot be assumed."""
        response = self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName=session)["Credentials"]
        return Credentials(response["AccessKeyId"], response["SecretAccessKey"], response["SessionToken"])

    def _credentials_of(self, role_arn: str, session: str) -> Credentials:
        """The session's credentials, kept for good: a role's policies are evaluated at each call."""
        with self._lock:
            credentials = self._credentials.get((role_arn, session))
        return credentials or self._credentials.setdefault((role_arn, session), self.assume(role_arn, session))

    def client(self, service_name: str, region: str | None = None) -> Any:
        """A shared boto3 client for `service_name` at this endpoint, in `region` (default: the settings' region)."""
        key = (service_name, region or self.settings.region)
        with self._lock:
            if key not in self._clients:
                self._clients[key] = self._make_client(*key)
            return self._clients[key]
