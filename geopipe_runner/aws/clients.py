"""One session, its clients, and the guards around every call.

- The account guard: GetCallerIdentity is the first call, and a wrong account is the last.
- `read_only()` makes any call that is not on the list of reads an error, so that a plan cannot write.
- Every S3 call on our bucket carries ExpectedBucketOwner, by one event hook.

Clients are made one after the other (a session is not thread-safe) and shared by all threads (a client is).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import botocore.config
import botocore.session
from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)

from ..config.model import Config
from ..errors import AwsError, RefusedError
from .account import Account
from .retry import Retrier, Time
from .session import make_session, no_credentials

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_READS = ("Get", "List", "Head", "Describe", "Filter", "Lookup")
_SERVICES = ("iam", "sqs", "s3", "logs", "lambda", "sagemaker", "resourcegroupstaggingapi")
_CALLS = logging.getLogger("geopipe.calls")


class WriteRefusedError(Exception):
    """A call that is not a read was made while only reads were allowed: a bug of ours, so no user's error."""


class Aws:
    """The one seam through which kinds and executions reach AWS."""

    def __init__(
        self,
        session: botocore.session.Session,
        account: Account,
        bucket: str,
        retrier: Retrier,
        client_config: botocore.config.Config,
    ) -> None:
        self.account = account
        self.retrier = retrier
        self._session = session
        self._bucket = bucket
        self._config = client_config
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._readers = 0

    def client(self, service: str) -> Any:
        """The shared client of `service`, made on first use."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._make(service)
            return self._clients[service]

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Within the block every call that is not a read raises WriteRefusedError before it leaves."""
        with self._lock:
            self._readers += 1
        try:
            yield
        finally:
            with self._lock:
                self._readers -= 1

    def _make(self, service: str) -> Any:
        client = self._session.create_client(
            service,
            region_name=self.account.region,
            endpoint_url=self.account.endpoint_url,
            config=self._config,
        )
        client.meta.events.register("before-parameter-build", self._guard)
        client.meta.events.register("after-call", _log)
        return client

    def _guard(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        if self._readers and not is_read(model.service_model.service_name, model.name):
            raise WriteRefusedError(f"{model.service_model.service_name}:{model.name} during a plan")
        shape = model.input_shape
        owned = shape is not None and "ExpectedBucketOwner" in shape.members and params.get("Bucket") == self._bucket
        if owned:
            params.setdefault("ExpectedBucketOwner", self.account.account_id)


def _log(http_response: Any, model: Any, **_: Any) -> None:
    """Names and status only: parameters may hold secrets."""
    _CALLS.debug("%s:%s %s", model.service_model.service_name, model.name, http_response.status_code)


def is_read(service: str, operation: str) -> bool:
    """Whether a call changes nothing. AWS names reads consistently in every service we use."""
    return operation.startswith(_READS)


def connect(config: Config, endpoint_url: str | None, announce: Callable[[str], None], time: Time) -> Aws:
    """A checked connection: who we are has been asked and is who the configuration expects.

    Raises AwsError without usable credentials, RefusedError in another account.
    """
    session = make_session(config, endpoint_url)
    account = Account(config.account_id, config.region, endpoint_url)
    retrier = Retrier(announce, role_not_ready_within=config.iam.propagation_timeout, time=time)
    aws = Aws(session, account, config.bucket.name, retrier, _client_config(endpoint_url))
    sts = aws.client("sts")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(sts.get_caller_identity)
        # Making clients takes time of its own, while the answer (or an emulator that starts up) takes its.
        for service in _SERVICES:
            aws.client(service)
        identity = _identity(answer, config)
    _check_account(identity, config)
    aws.account = replace(aws.account, caller_arn=identity["Arn"])
    return aws


def on_loopback(endpoint_url: str | None) -> bool:
    """Whether `endpoint_url` is on this machine."""
    return endpoint_url is not None and urlsplit(endpoint_url).hostname in _LOOPBACK


def _client_config(endpoint_url: str | None) -> botocore.config.Config:
    settings: dict[str, Any] = {
        "retries": {"mode": "standard", "total_max_attempts": 8},
        "max_pool_connections": 32,
        "user_agent_appid": "geopipe",
    }
    if on_loopback(endpoint_url):
        # A proxy cannot reach our loopback, and path style needs no name resolution of bucket hosts.
        settings |= {"proxies": {}, "s3": {"addressing_style": "path"}}
        settings["retries"] = {"mode": "standard", "total_max_attempts": 3}
    return botocore.config.Config(**settings)


def _identity(answer: Future[Any], config: Config) -> dict[str, str]:
    try:
        found: dict[str, str] = answer.result()
        return found
    except ClientError as error:
        raise AwsError(
            f"AWS did not accept the credentials: {error}", "`aws sts get-caller-identity` shows the same."
        ) from None
    except (NoCredentialsError, PartialCredentialsError):
        raise no_credentials(config) from None
    except (CredentialRetrievalError, TokenRetrievalError, UnauthorizedSSOTokenError) as error:
        raise AwsError(f"The AWS credentials cannot be had: {error}", "`aws sso login` may be due.") from None


def _check_account(identity: dict[str, str], config: Config) -> None:
    if identity["Account"] != config.account_id:
        raise RefusedError(
            f"The credentials belong to account {identity['Account']} ({identity['Arn']}), but {config.path.name} "
            f"is for account {config.account_id}. Nothing was done.",
            "Use the right `profile`, or the configuration made for this account.",
        )
