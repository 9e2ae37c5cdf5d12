"""Every function's pool of workers, and what a worker needs from the rest of the service to be started."""

from __future__ import annotations

import platform
import secrets
import sys
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from ..errors import ServiceError
from ..service import Credentials, Environment
from . import packages, roles, sandbox
from .invocation import Invocation, Outcome
from .logs import FunctionLog, LogShipper, WorkerLog
from .names import FunctionKey, session_name
from .pool import Pool, PooledWorker
from .store import Function
from .worker import Launch, Worker


@dataclass(frozen=True)
class _Deployment:
    """One version of a function, ready to run."""

    function: Function
    pool: Pool
    log: FunctionLog


class Fleet:
    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._workspace = sandbox.Workspace()
        self._shipper = LogShipper()
        self._deployments: dict[FunctionKey, _Deployment] = {}
        self._lock = threading.Lock()

    def start(self) -> None:
        self._workspace.open()
        self._shipper.start()

    def stop(self) -> None:
        with self._lock:
            deployments = list(self._deployments.values())
            self._deployments.clear()
        for deployment in deployments:
            deployment.pool.close(at_once=True)
        self._shipper.stop()
        self._workspace.close()

    def deploy(self, function: Function) -> None:
        """Run the next invocations on this version, with a first worker started in the background."""
        with self._lock:
            old = self._deployments.get(function.key)
            log = self._log_for(function, old)
            deployment = self._new_deployment(function, log)
            self._deployments[function.key] = deployment
        if old is not None:
            old.pool.close()
        threading.Thread(target=_warm, args=(deployment.pool,), name="prewarm", daemon=True).start()

    def withdraw(self, key: FunctionKey) -> None:
        """No more invocations, and no more log lines: what follows cannot bring a deleted log group back."""
        with self._lock:
            deployment = self._deployments.pop(key, None)
        if deployment is not None:
            deployment.pool.close()
            self._shipper.close(deployment.log)

    def run(self, key: FunctionKey, invocation: Invocation, reserved: int | None) -> Outcome | None:
        """None when there is no such function."""
        with self._lock:
            deployment = self._deployments.get(key)
        return deployment.pool.run(invocation, reserved) if deployment else None

    def _log_for(self, function: Function, old: _Deployment | None) -> FunctionLog:
        role, session = function.configuration.role, session_name(function.key.name)
        connect = partial(self._environment.client_as, role, session, "logs", function.key.region)
        if old is not None and old.function.log_group == function.log_group:
            old.log.write_through(connect)
            return old.log
        if old is not None:
            self._shipper.close(old.log)
        return self._shipper.open(function.log_group, connect)

    def _new_deployment(self, function: Function, log: FunctionLog) -> _Deployment:
        code = _CodeFolder(self._workspace, function)
        pool = Pool(lambda: self._start_worker(function, code, log), code.remove)
        return _Deployment(function, pool, log)

    def _start_worker(self, function: Function, code: _CodeFolder, log: FunctionLog) -> PooledWorker:
        sandbox.require_runtime(self._workspace)
        stream = f"{datetime.now(UTC):%Y/%m/%d}/[$LATEST]{secrets.token_hex(16)}"
        credentials = self._credentials(function)
        task_root = code.path()
        scratch = self._workspace.new_folder("scratch")

        def environment(runtime_api: str) -> dict[str, str]:
            return sandbox.environment(
                function,
                task_root=task_root,
                scratch=scratch,
                runtime_api=runtime_api,
                endpoint_url=self._environment.endpoint_url,
                log_stream=stream,
                credentials=credentials,
            )

        launch = Launch(
            command=lambda lifeline: sandbox.command(self._workspace, lifeline),
            environment=environment,
            folder=task_root,
            banner=_banner(function.configuration.runtime),
            memory_size=function.configuration.memory_size,
            on_end=lambda: packages.remove(scratch),
        )
        return Worker(launch, WorkerLog(log, stream))

    def _credentials(self, function: Function) -> Credentials:
        """Those of the function's role, so that the handler is told who it is; made-up ones if it has gone."""
        try:
            return self._environment.assume(function.configuration.role, session_name(function.key.name))
        except (ClientError, BotoCoreError) as error:
            if self._environment.enforces:
                raise ServiceError("AccessDeniedException", roles.REFUSED, 403) from error
            return Credentials("ASIAEMULATED", "emulated", "emulated")


class _CodeFolder:
    """A package laid out on disk, once, when the first worker needs it."""

    def __init__(self, workspace: sandbox.Workspace, function: Function) -> None:
        self._workspace = workspace
        self._function = function
        self._lock = threading.Lock()
        self._path: Path | None = None

    def path(self) -> Path:
        with self._lock:
            if self._path is None:
                self._path = self._workspace.new_folder(f"task-{self._function.key.name}")
                packages.unpack(self._function.package, self._path)
            return self._path

    def remove(self) -> None:
        with self._lock:
            if self._path is not None:
                packages.remove(self._path)


def _warm(pool: Pool) -> None:
    try:
        pool.warm()
    except ServiceError as error:
        # The first invocation will meet the same trouble and answer with it.
        print(error, file=sys.stderr)


def _banner(runtime: str) -> str:
    version = runtime.removeprefix("python")
    host = f"Python {platform.python_version()} of this machine"
    return f"INIT_START Runtime Version: python:{version} (emulated on {host})\n"
