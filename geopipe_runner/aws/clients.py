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

import botocore.config
import botocore.session
from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.parsers import ResponseParserError

from ..config.addresses import host_of, is_loopback
from ..config.model import Config
from ..errors import AwsError, RefusedError
from .account import Account
from .failures import not_aws, unreachable
from .retry import THROTTLED, Retrier, Time, error_code
from .session import make_session, no_credentials
from .transfer import Progress, nobody_watches, watch_upload

_READS = ("Get", "List", "Head", "Describe", "Filter", "Lookup")
_SERVICES = ("iam", "sqs", "s3", "logs", "lambda", "sagemaker", "resourcegroupstaggingapi")
_CALLS = logging.getLogger("geopipe.calls")
_FIRST_CALL = botocore.config.Config(retries={"mode": "standard", "total_max_attempts": 5})


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
        progress: Progress = nobody_watches,
    ) -> None:
        self._progress = progress
        self.account = account
        self.retrier = retrier
        self._session = session
        self._bucket = bucket
        self._config = client_config
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._readers = 0
        self._throttled: set[str] = set()

    def client(self, service: str) -> Any:
        """The shared client of `service`, made on first use."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._make(service)
            return self._clients[service]

    def prepare(self) -> None:
        """Make the clients that every plan needs, on this thread."""
        for service in _SERVICES:
            self.client(service)

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
            config=self._config_for(service),
        )
        client.meta.events.register("before-parameter-build", self._guard)
        client.meta.events.register("before-send.s3", self._watch)
        client.meta.events.register("after-call", _log)
        client.meta.events.register("needs-retry", self._announce_throttling)
        return client

    def _config_for(self, service: str) -> botocore.config.Config:
        """On loopback nobody may be there at all: the first call of all finds that out soon."""
        first = service == "sts" and on_loopback(self.account.endpoint_url)
        return self._config.merge(_FIRST_CALL) if first else self._config

    def _watch(self, request: Any, **_: Any) -> None:
        watch_upload(self._progress, request)

    def _announce_throttling(self, response: Any, operation: Any, **_: Any) -> None:
        """botocore waits and tries again by itself; whoever watches should know why nothing happens."""
        code = response[1].get("Error", {}).get("Code", "") if response else ""
        service = operation.service_model.service_name
        if code in THROTTLED and service not in self._throttled:
            self._throttled.add(service)
            self.retrier.announce(f"Waiting: {service} asks to be called less often ({code}).")

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


def connect(
    config: Config,
    endpoint_url: str | None,
    announce: Callable[[str], None],
    time: Time,
    progress: Progress = nobody_watches,
) -> Aws:
    """A checked connection: who we are has been asked and is who the configuration expects.

    Raises AwsError without usable credentials, RefusedError in another account.
    """
    session = make_session(config, endpoint_url)
    account = Account(config.account_id, config.region, endpoint_url)
    retrier = Retrier(announce, role_not_ready_within=config.iam.propagation_timeout, time=time)
    aws = Aws(session, account, config.bucket.name, retrier, _client_config(endpoint_url), progress)
    sts = aws.client("sts")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(sts.get_caller_identity)
        if config.target == "local":
            # An emulator takes a while to start up. With AWS the call may be fetching credentials with clients of
            # its own, and a session must not make two at the same time.
            aws.prepare()
        identity = _identity(answer, config)
    _check_account(identity, config)
    aws.prepare()
    aws.account = replace(aws.account, caller_arn=identity["Arn"])
    return aws


def on_loopback(endpoint_url: str | None) -> bool:
    """Whether `endpoint_url` is on this machine."""
    return endpoint_url is not None and is_loopback(host_of(endpoint_url) or "")


def _client_config(endpoint_url: str | None) -> botocore.config.Config:
    settings: dict[str, Any] = {
        "retries": {"mode": "standard", "total_max_attempts": 8},
        "max_pool_connections": 32,
        "user_agent_appid": "geopipe",
    }
    if on_loopback(endpoint_url):
        # A proxy cannot reach our loopback, and path style needs no name resolution of bucket hosts.
        settings |= {"proxies": {}, "s3": {"addressing_style": "path"}}
    return botocore.config.Config(**settings)


def _identity(answer: Future[Any], config: Config) -> dict[str, str]:
    """The first answer of all. Every other one may rely on it being AWS, or an emulator, that answers."""
    try:
        found: dict[str, str] = answer.result()
    except KeyError as error:  # how botocore takes XML that is none of AWS's, such as a login page
        raise not_aws(f"no {error} in it") from None
    except (ResponseParserError, HTTPClientError, NoConnectionError) as error:
        raise unreachable(error) from None
    except ClientError as error:
        if not _aws_code(error_code(error)):
            raise not_aws(str(error)) from None
        raise AwsError(
            f"AWS did not accept the credentials: {error}", "`aws sts get-caller-identity` shows the same."
        ) from None
    except (NoCredentialsError, PartialCredentialsError):
        raise no_credentials(config) from None
    except (CredentialRetrievalError, TokenRetrievalError, UnauthorizedSSOTokenError) as error:
        raise AwsError(f"The AWS credentials cannot be had: {error}", "`aws sso login` may be due.") from None
    if not {"Account", "Arn"} <= set(found):
        raise not_aws(f"it names no account: {found}")
    return found


def _aws_code(code: str) -> bool:
    """Whether an error code is AWS's own: botocore makes do with the HTTP status, or less, for anybody else's."""
    return bool(code) and not code.isdigit() and code != "Unknown"


def _check_account(identity: dict[str, str], config: Config) -> None:
    if identity["Account"] != config.account_id:
        raise RefusedError(
            f"The credentials belong to account {identity['Account']} ({identity['Arn']}), but {config.path.name} "
            f"is for account {config.account_id}. Nothing was done.",
            "Use the right `profile`, or the configuration made for this account.",
        )
