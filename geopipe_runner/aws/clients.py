"""One session, its clients, and the guards around every call.

- The account guard: GetCallerIdentity is the first call, and a wrong account is the last.
- `read_only()` makes any call that is not on the list of reads an error, so that a plan cannot write.
- Once a command takes the lock of its deployment, no call that writes leaves without it (`deployment_lock`).
- Every S3 call on our bucket carries ExpectedBucketOwner, by one event hook.
- What we write to IAM, and tags, are noted: AWS needs a while to act on them (`recent_changes`).
- A response that does not come is announced, and not waited for again and again.

Clients are made one after the other (a session is not thread-safe) and shared by all threads (a client is).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

import botocore.config
import botocore.session
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
)
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.parsers import ResponseParserError

from ..config.model import Config
from ..errors import AwsError, RefusedError
from .account import Account
from .client_pool import ClientPool, ClientPools, Hook
from .clock import StoppableClock, Time
from .connection_watch import ConnectionWatch
from .credentials import no_credentials
from .endpoint import foreign, on_loopback, silent
from .error_codes import BAD_CREDENTIALS, THROTTLED, error_code, is_aws_code
from .errors import as_aws_error, as_exhaustion, not_aws, unreachable
from .parallel import fulfill, in_background
from .response_watch import ResponseWatch
from .retry import Retrier
from .secrets import redact
from .session import make_session
from .transfer import Progress, ignore_progress, watch_upload

T = TypeVar("T")

_READS = ("Get", "List", "Head", "Describe", "Filter", "Lookup", "Simulate")
_SERVICES = ("iam", "sqs", "s3", "logs", "lambda", "sagemaker", "resourcegroupstaggingapi")
_CALLS = logging.getLogger("geopipe.calls")

# How often a call is sent when no response comes in time; every other passing error has all attempts.
_TIMED_ATTEMPTS = 3
_TIMED_ATTEMPTS_ON_LOOPBACK = 2

_READ_ABOVE = "If it has ended, its message is above. Otherwise run the same command again."

# Whether anything listens on loopback, the first call finds out soon.
_FIRST_CALL = botocore.config.Config(retries={"mode": "standard", "total_max_attempts": 5}, read_timeout=15)


class WriteRefusedError(Exception):
    """A call that is not a read was made while only reads were allowed. This is a bug of ours."""


class Aws:
    """The one seam through which kinds and executions reach AWS."""

    def __init__(
        self,
        session: botocore.session.Session,
        account: Account,
        bucket: str,
        retrier: Retrier,
        client_config: botocore.config.Config,
        progress: Progress = ignore_progress,
        pool: ClientPool | None = None,
        deployment: str = "",
        watch: ConnectionWatch | None = None,
    ) -> None:
        """`pool` has the clients, if other deployments use them too. Then the log of calls names the `deployment`.

        `watch` notes the responses of STS.
        """
        self.progress = progress
        self._log_prefix = f"{deployment}: " if pool else ""
        self._pool = pool
        self._connection_watch = watch
        self.account = account
        self.retrier = retrier
        self._session = session
        self._bucket = bucket
        self._config = client_config
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._readers = 0
        self._reads: dict[Hashable, Future[Any]] = {}
        self._lock_key = ""
        self._require_lock: Callable[[], None] = lambda: None
        self._throttled: set[str] = set()
        self._responses = ResponseWatch(retrier.on_wait)
        is_local = on_loopback(account.endpoint_url)
        self._timed_attempts = _TIMED_ATTEMPTS_ON_LOOPBACK if is_local else _TIMED_ATTEMPTS
        self._hooks: tuple[Hook, ...] = (
            ("before-parameter-build", self._guard),
            ("before-send.s3", self._watch),
            ("after-call", self._log),
            ("after-call.sts", self._note_connection),
            ("needs-retry", self._announce_throttling),
            ("needs-retry", self._give_up_on_silence),
            *self._responses.hooks,
        )

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

    @property
    def serves_many(self) -> bool:
        """Whether so many deployments share the clients that one search of the whole account takes fewer calls."""
        return self._pool is not None and self._pool.serves_many

    def once(self, what: Hashable, read: Callable[[], T]) -> Future[T]:
        """Start `read` and return its future result. Deployments with the same credentials share one `read`."""
        return self._pool.once(what, read) if self._pool else in_background(read)

    def read_once(self, what: Hashable, read: Callable[[], T]) -> T:
        """Returns what `read` returns. Within a `read_only` block, it is read once for all that ask for it."""
        with self._lock:
            is_first = what not in self._reads
            result = self._reads.setdefault(what, Future()) if self._readers else Future()
        if is_first:
            fulfill(result, read)
        found: T = result.result()
        return found

    def require_lock(self, key: str, require: Callable[[], None]) -> None:
        """From now on call `require` before each call that writes, except on `key` of the bucket: the lock itself."""
        self._lock_key, self._require_lock = key, require

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
                if not self._readers:
                    self._reads = {}

    def _make(self, service: str) -> Any:
        if self._pool is not None:
            return self._pool.bound_client(service, lambda more: self._create(service, more), self._hooks)
        client = self._create(service)
        for event, hook in self._hooks:
            client.meta.events.register(event, hook)
        return client

    def _create(self, service: str, more: botocore.config.Config | None = None) -> Any:
        # Otherwise botocore puts the same text together twice per call, which takes a tenth of a call's CPU time.
        user_agent = botocore.config.Config(user_agent=f"{self._session.user_agent()} app/geopipe")
        config = self._config_for(service).merge(user_agent)
        return self._session.create_client(
            service,
            region_name=self.account.region,
            endpoint_url=self.account.endpoint_url,
            config=config.merge(more) if more else config,
        )

    def _config_for(self, service: str) -> botocore.config.Config:
        """Returns the client's settings; the first call on loopback finds out soon that nothing listens."""
        first = service == "sts" and on_loopback(self.account.endpoint_url)
        return self._config.merge(_FIRST_CALL) if first else self._config

    def _watch(self, request: Any, **_: Any) -> None:
        watch_upload(self.progress, request, self._responses.keep_alive)

    def _give_up_on_silence(self, caught_exception: Exception | None, attempts: int, **_: Any) -> None:
        """Raise a timeout instead of repeating the call as often as after other errors."""
        if isinstance(caught_exception, ReadTimeoutError | ConnectTimeoutError) and attempts >= self._timed_attempts:
            raise caught_exception

    def _announce_throttling(self, response: Any, operation: Any, **_: Any) -> None:
        """Say why nothing happens while botocore waits and repeats the call by itself."""
        code = response[1].get("Error", {}).get("Code", "") if response else ""
        service = operation.service_model.service_name
        if code in THROTTLED and service not in self._throttled:
            self._throttled.add(service)
            self.retrier.on_wait(f"Waiting: {service} asks to be called less often ({code}).")

    def _note_connection(self, http_response: Any, **_: Any) -> None:
        """Note what responded to this deployment: a client can belong to several."""
        if self._connection_watch is not None:
            self._connection_watch.response_received(http_response)

    def _log(self, http_response: Any, model: Any, **_: Any) -> None:
        """Names and status only: parameters may hold secrets."""
        service, status = model.service_model.service_name, http_response.status_code
        _CALLS.debug("%s%s:%s %s", self._log_prefix, service, model.name, status)

    def _guard(self, params: dict[str, Any], model: Any, **_: Any) -> None:
        service = model.service_model.service_name
        is_of_lock = service == "s3" and bool(self._lock_key) and params.get("Key") == self._lock_key
        if isinstance(self.retrier.time, StoppableClock) and not is_of_lock:  # the lock is released after the stop
            self.retrier.time.check()
        if not is_read(service, model.name) and not is_of_lock:
            if self._readers:
                raise WriteRefusedError(f"{service}:{model.name} during a plan")
            self._require_lock()
            self.retrier.recent.record(service, model.name, params, self.retrier.time.clock())
        shape = model.input_shape
        owned = shape is not None and "ExpectedBucketOwner" in shape.members and params.get("Bucket") == self._bucket
        if owned:
            params.setdefault("ExpectedBucketOwner", self.account.account_id)


def is_read(service: str, operation: str) -> bool:
    """Whether a call changes nothing. AWS names reads consistently in every service we use."""
    return operation.startswith(_READS)


def connect(
    config: Config,
    endpoint_url: str | None,
    on_wait: Callable[[str], None],
    time: Time,
    progress: Progress = ignore_progress,
    *,
    interactive: bool = True,
    watch: ConnectionWatch | None = None,
    pools: ClientPools | None = None,
) -> Aws:
    """Returns a checked connection: GetCallerIdentity names the account that the configuration expects.

    `interactive`: the user can answer when a profile asks for an MFA code. `watch` notes how far the connection comes.
    `pools` are those of all deployments of the command. Raises AwsError without usable credentials, RefusedError in
    another account.
    """
    client_config = _client_config(endpoint_url)

    def open_session() -> botocore.session.Session:
        return make_session(config, endpoint_url, client_config, interactive=interactive)

    pool = pools.pool(_identity_of(config, endpoint_url), open_session) if pools else None
    session = pool.session if pool else open_session()
    account = Account(config.account_id, config.region, endpoint_url)

    def announce(text: str) -> None:
        on_wait(redact(text))

    retrier = Retrier(announce, role_not_ready_within=config.iam.propagation_timeout, time=time)
    aws = Aws(session, account, config.bucket.name, retrier, client_config, progress, pool, config.deployment, watch)
    sts = aws.client("sts")
    if watch:
        watch.credentials_loaded(session)
    ask = sts.get_caller_identity
    # A watch needs a response of its own.
    response = pool.once("identity", ask) if pool and watch is None else in_background(ask)
    if config.target == "local":
        # An emulator takes a while to start up. With AWS the call may be fetching credentials with clients of
        # its own, and a session must not make two at the same time.
        aws.prepare()
    identity = _identity(response, config, endpoint_url)
    _check_account(identity, config)
    aws.prepare()
    aws.account = replace(aws.account, caller_arn=identity["Arn"])
    return aws


def _identity_of(config: Config, endpoint_url: str | None) -> Hashable:
    """Returns what has to be the same for two deployments to share clients."""
    return config.target, endpoint_url, config.region, config.profile, config.assume_role


def _client_config(endpoint_url: str | None) -> botocore.config.Config:
    settings: dict[str, Any] = {
        "retries": {"mode": "standard", "total_max_attempts": 8},
        "max_pool_connections": 32,
        "connect_timeout": 10,
    }
    if on_loopback(endpoint_url):
        # A proxy cannot reach our loopback, and path style needs no name resolution of bucket hosts. What is on this
        # machine accepts soon or never.
        settings |= {"proxies": {}, "s3": {"addressing_style": "path"}, "connect_timeout": 5, "read_timeout": 30}
    return botocore.config.Config(**settings)


def _identity(response: Future[Any], config: Config, endpoint_url: str | None) -> dict[str, str]:
    """Returns what GetCallerIdentity says. After it, every other call may rely on AWS, or an emulator, responding."""
    standing = endpoint_url if on_loopback(endpoint_url) and not config.embedded else None
    try:
        identity: dict[str, str] = response.result()
    except KeyError as error:  # how botocore handles XML that is none of AWS's, such as a login page
        raise _not_aws(f"it has no {error}", standing) from None
    except ResponseParserError as error:
        raise _not_aws(str(error), standing) from None
    except (HTTPClientError, NoConnectionError) as error:
        if standing and as_exhaustion(error) is None:
            raise silent(standing, accepts=isinstance(error, HTTPClientError)) from None
        if config.embedded and as_exhaustion(error) is None:
            raise AwsError(
                f"The emulator of this command does not respond: {redact(str(error))}", _READ_ABOVE
            ) from None
        raise unreachable(error) from None
    except ClientError as error:
        if not is_aws_code(error_code(error)):
            raise _not_aws(str(error), standing) from None
        if error_code(error) not in BAD_CREDENTIALS:
            raise as_aws_error(error) from None
        raise AwsError(
            f"AWS did not accept the credentials: {redact(str(error))}",
            "Renew them. `aws sts get-caller-identity` shows whether they work.",
        ) from None
    except (NoCredentialsError, PartialCredentialsError):
        raise no_credentials(config) from None
    if not {"Account", "Arn"} <= set(identity):
        raise _not_aws(f"it does not name an account: {identity}", standing)
    return identity


def _not_aws(what: str, local_url: str | None) -> AwsError:
    return foreign(local_url, what) if local_url else not_aws(what)


def _check_account(identity: dict[str, str], config: Config) -> None:
    if identity["Account"] != config.account_id:
        raise RefusedError(
            f"The credentials belong to account {identity['Account']} ({identity['Arn']}), but {config.path.name} "
            f"is for account {config.account_id}. Nothing was done.",
            "Use the right `profile`, or the configuration made for this account.",
        )
