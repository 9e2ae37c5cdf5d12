"""Every version of every function that can run: its pool of execution environments, its code and its log."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from ...leftovers import remove
from ...messages import warn
from ...protocol.errors import ServiceError
from ...service import Credentials, Environment
from . import packages, roles, sandbox
from .concurrency import Pool, PooledEnvironment
from .invocation import Invocation, InvocationResult
from .logs import FunctionLog, LogShipper, RuntimeLog
from .names import FunctionKey, session_name
from .packages import DeploymentPackage
from .runtime_environment import Launch, RuntimeEnvironment
from .runtimes import runtime_for, runtime_version_arn
from .store import FunctionRecord


@dataclass(frozen=True)
class _Deployment:
    """One version of a function, ready to run."""

    function: FunctionRecord
    pool: Pool
    log: FunctionLog


class Versions:
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
            deployment.pool.close(kill_running=True)
        self._shipper.stop()
        self._workspace.close()

    def deploy(self, function: FunctionRecord, *, warm: bool = True) -> None:
        """Run the next invocations on this record of the version.

        A first environment of the latest version starts in the background. A published version waits for its first
        invocation, and so does one that is not to be `warm`.
        """
        with self._lock:
            old = self._deployments.get(function.key)
            log = self._log_for(function, old)
            deployment = self._new_deployment(function, log)
            self._deployments[function.key] = deployment
        if old is not None:
            old.pool.close()
        if function.key != function.key.latest or not warm:
            return
        threading.Thread(target=_warm, args=(deployment.pool,), name="prewarm", daemon=True).start()

    def withdraw(self, key: FunctionKey) -> None:
        """Take no more invocations and log lines: a late line must not create a deleted log group again."""
        with self._lock:
            deployment = self._deployments.pop(key, None)
        if deployment is not None:
            deployment.pool.close()
            self._shipper.close(deployment.log)

    def run(self, key: FunctionKey, invocation: Invocation, reserved: int | None) -> InvocationResult | None:
        """Run an invocation; return None if the function does not exist."""
        with self._lock:
            deployment = self._deployments.get(key)
            others = [d.pool for k, d in self._deployments.items() if k != key and k.latest == key.latest]
        if deployment is None:
            return None
        if reserved is not None:
            # All versions of a function share its reserved concurrency.
            reserved = max(0, reserved - sum(pool.busy for pool in others))
        result = deployment.pool.run(invocation, reserved)
        return replace(result, executed_version=key.version)

    def _log_for(self, function: FunctionRecord, old: _Deployment | None) -> FunctionLog:
        role, session = function.configuration.role, session_name(function.key.name)
        connect = partial(self._environment.client_as, role, session, "logs", function.key.region)
        if old is not None and old.function.log_group == function.log_group:
            old.log.write_through(connect)
            return old.log
        if old is not None:
            self._shipper.close(old.log)
        return self._shipper.open(function.log_group, connect)

    def _new_deployment(self, function: FunctionRecord, log: FunctionLog) -> _Deployment:
        code = _CodeFolder(self._workspace, function)
        pool = Pool(lambda: self._start_or_refuse(function, code, log), code.remove)
        return _Deployment(function, pool, log)

    def _start_or_refuse(self, function: FunctionRecord, code: _CodeFolder, log: FunctionLog) -> PooledEnvironment:
        try:
            return self._start_environment(function, code, log)
        except OSError as error:
            message = f"The function {function.key.name} cannot be started: {error}"
            raise ServiceError("ServiceException", message, 500) from error

    def _start_environment(self, function: FunctionRecord, code: _CodeFolder, log: FunctionLog) -> PooledEnvironment:
        stream = f"{datetime.now(UTC):%Y/%m/%d}/[{function.version}]{secrets.token_hex(16)}"
        credentials = self._credentials(function)
        task_root, layers = code.paths()
        mounts = sandbox.find_mounts(self._workspace)
        settings = function.configuration
        runtime = runtime_for(settings.runtime)
        program = runtime.program(task_root, layers)
        if program is None:
            sandbox.require_runtime(self._workspace)
        scratch = self._workspace.new_folder("scratch")

        def environment(runtime_api: str) -> dict[str, str]:
            return sandbox.environment(
                function,
                task_root=task_root,
                layers=layers,
                mounts=mounts,
                scratch=scratch,
                runtime_api=runtime_api,
                endpoint_url=self._environment.endpoint_url,
                log_stream=stream,
                credentials=credentials,
            )

        launch = Launch(
            command=lambda lifeline: sandbox.command(
                self._workspace, lifeline, program, task_root, layers, mounts, settings.ephemeral_storage
            ),
            environment=environment,
            folder=task_root,
            banner=f"INIT_START Runtime Version: {runtime.version(settings.runtime)}\t"
            f"Runtime Version ARN: {runtime_version_arn(settings.runtime, function.arn)}\n",
            version=function.version,
            memory_size=settings.memory_size,
            on_end=lambda: remove(scratch),
        )
        return RuntimeEnvironment(launch, RuntimeLog(log, stream))

    def _credentials(self, function: FunctionRecord) -> Credentials:
        """Return credentials of the function's role; invented ones if the role does not exist."""
        try:
            return self._environment.assume(function.configuration.role, session_name(function.key.name))
        except (ClientError, BotoCoreError) as error:
            if self._environment.enforces:
                raise ServiceError("AccessDeniedException", roles.REFUSED, 403) from error
            return Credentials("ASIAEMULATED", "emulated", "emulated")


class _CodeFolder:
    """The folders with a function's files and with its layers', filled when the first environment needs them."""

    def __init__(self, workspace: sandbox.Workspace, function: FunctionRecord) -> None:
        self._workspace = workspace
        self._function = function
        self._lock = threading.Lock()
        self._task: Path | None = None
        self._layers: Path | None = None

    def paths(self) -> tuple[Path, Path | None]:
        """Return the folder of the function, and the one of its layers if it has any."""
        with self._lock:
            if self._task is None:
                layers = [layer.package for layer in self._function.layers]
                # Later layers go over earlier ones, as in AWS's /opt.
                self._layers = self._filled("layers", layers) if layers else None
                self._task = self._filled("task", [self._function.package])
            return self._task, self._layers

    def _filled(self, kind: str, content: Sequence[DeploymentPackage]) -> Path:
        with self._workspace.filling():
            folder = self._workspace.new_folder(f"{kind}-{self._function.key.name}")
            try:
                for package in content:
                    packages.unpack(package, folder)
                if not sandbox.can_mount():
                    packages.make_read_only(folder)
            except BaseException:
                remove(folder)
                raise
            return folder

    def remove(self) -> None:
        with self._lock:
            for folder in (self._task, self._layers):
                if folder is not None:
                    remove(folder)


def _warm(pool: Pool) -> None:
    try:
        pool.warm()
    except ServiceError as error:
        # The first invocation will fail with the same error. While the service ends, its folders are removed.
        if not pool.is_closed:
            warn(str(error))
