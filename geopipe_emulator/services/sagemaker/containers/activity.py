"""One job from its inputs to its outputs, as an activity of a pipeline step.

A subclass of `Contract` says which files and variables a container of its kind gets, and what it leaves.
"""

from __future__ import annotations

import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ....service import Credentials, Environment
from ....step_answers import StepAnswer
from ..objects import download, upload
from ..steps.base import FAILURE_REASON_LIMIT, SESSION, StepResult, Task
from ..steps.job import arguments_of
from .folder import JobFolder
from .job_log import JobLog
from .process import JobProcess

_DEFAULT_RUNTIME_SECONDS = 24 * 3600
_FAILURE_FILE_LIMIT = 1024


class JobError(Exception):
    """The job fails, for the reason in the text, before or after its process runs."""


@dataclass(frozen=True)
class JobInput:
    """Files that a job gets: from S3, below a path in its container."""

    name: str
    uri: str
    path: str


@dataclass(frozen=True)
class JobOutput:
    """Files that a job leaves below a path in its container, and the S3 URI that they go to."""

    path: str
    uri: str


class Contract(ABC):
    """What a kind of container gets and leaves. Paths are those in the container."""

    log_group: str

    def __init__(self, task: Task, job_name: str, job_arn: str) -> None:
        self.task = task
        self.job_name = job_name
        self.job_arn = job_arn
        self.arguments: Mapping[str, Any] = arguments_of(task)

    @abstractmethod
    def inputs(self, stand_ins: Mapping[str, Path]) -> Iterator[JobInput]:
        """Yield the inputs. One with a stand-in needs no source that the emulator knows. Raises JobError."""

    @abstractmethod
    def files(self) -> Iterator[tuple[str, object]]:
        """Yield the paths of the configuration files with their JSON values."""

    @abstractmethod
    def folders(self) -> Iterator[str]:
        """Yield the folders that exist when the process starts."""

    @abstractmethod
    def variables(self, folder: JobFolder, answer: StepAnswer) -> dict[str, str]:
        """Return the variables of the container."""

    @abstractmethod
    def extra_arguments(self) -> list[str]:
        """Return what follows the command."""

    @abstractmethod
    def outputs(self, folder: JobFolder) -> Iterator[JobOutput]:
        """Yield what to upload when the process has succeeded. Raises JobError."""

    @abstractmethod
    def failure_file(self) -> str:
        """Return the path of the file in which the process may say why it failed; "" if there is none."""

    def describe(self, folder: JobFolder) -> dict[str, Any]:
        """Return the properties that the job has because of what it did."""
        return {}


class ContainerActivity:
    """Runs one job. `succeed` returns the result of the step from the properties that the job adds."""

    def __init__(
        self,
        environment: Environment,
        contract: Contract,
        answer: StepAnswer,
        metadata: Mapping[str, Any],
        succeed: Callable[[Mapping[str, Any]], StepResult],
    ) -> None:
        self._environment = environment
        self._contract = contract
        self._task = contract.task
        self._answer = answer
        self._metadata = metadata
        self._succeed = succeed
        self._lock = threading.Lock()
        self._stopping = False
        self._process: JobProcess | None = None
        self._overdue = False

    def run(self) -> None:
        self._task.publish(self._metadata)
        folder = JobFolder()
        try:
            self._task.finish(self._run(folder))
        except (JobError, OSError, ValueError, ClientError, BotoCoreError) as error:
            self._task.finish(StepResult.failure(f"ClientError: {error}"))
        finally:
            folder.remove()

    def stop(self) -> None:
        with self._lock:
            self._stopping = True
            process = self._process
        if process is not None:
            process.end()

    def _run(self, folder: JobFolder) -> StepResult:
        s3 = self._client("s3")
        self._prepare(folder, s3)
        stream = f"{self._contract.job_name}/algo-1-{int(time.time())}"
        log = JobLog(lambda: self._client("logs"), self._contract.log_group, stream)
        code = self._execute(folder, log)
        log.flush()
        if code is None:
            return StepResult.failure("ClientError: the job was stopped")
        if code != 0:
            return StepResult.failure(self._reason(folder, log, code))
        for output in self._contract.outputs(folder):
            upload(s3, folder.real(output.path), output.uri, self._task.region)
        return self._succeed(self._contract.describe(folder))

    def _prepare(self, folder: JobFolder, s3: Any) -> None:
        for path in self._contract.folders():
            folder.real(path).mkdir(parents=True, exist_ok=True)
        for given in self._contract.inputs(self._answer.inputs):
            target = folder.real(given.path)
            target.mkdir(parents=True, exist_ok=True)
            if given.name in self._answer.inputs:
                _copy(self._answer.inputs[given.name], target)
            elif download(s3, given.uri, target) == 0:
                raise JobError(
                    f"input '{given.name}': S3 has no object at or below {given.uri}. Put one there, or name a file or "
                    f"folder of this machine in emulator.steps.{self._task.step.name}.inputs.{given.name}"
                )
        for path, content in self._contract.files():
            file = folder.real(path)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(_json(content), encoding="utf-8")

    def _execute(self, folder: JobFolder, log: JobLog) -> int | None:
        """Return the exit code of the process, and None if the execution was stopped before it could start or end."""
        source = self._answer.source or Path.cwd()
        command = [*self._answer.run, *self._contract.extra_arguments()]
        with self._lock:
            if self._stopping:
                return None
            self._process = process = JobProcess(folder, command, source, self._variables(folder))
        timer = threading.Timer(self._limit_seconds(), self._end_late)
        timer.daemon = True
        timer.start()
        try:
            code = process.follow(log.write)
        finally:
            timer.cancel()
        return None if self._stopping else code

    def _end_late(self) -> None:
        self._overdue = True
        if self._process is not None:
            self._process.end()

    def _limit_seconds(self) -> float:
        condition = self._contract.arguments.get("StoppingCondition")
        seconds = condition.get("MaxRuntimeInSeconds") if isinstance(condition, dict) else None
        return float(seconds) if isinstance(seconds, int | float) else _DEFAULT_RUNTIME_SECONDS

    def _reason(self, folder: JobFolder, log: JobLog, code: int) -> str:
        """Return why the job failed: what its process wrote into its failure file, or the last lines of its output."""
        if self._overdue:
            return f"ClientError: the job exceeded MaxRuntimeInSeconds ({self._limit_seconds():g} s)"
        path = self._contract.failure_file()
        file = folder.real(path) if path else None
        said = ""
        if file is not None and file.is_file():
            said = file.read_bytes()[:_FAILURE_FILE_LIMIT].decode("utf-8", "replace").strip()
        how = f"exit code: {code}" if code >= 0 else f"signal: {-code}"
        reason = f"ClientError: AlgorithmError: {said}, {how}"
        room = FAILURE_REASON_LIMIT - len(reason) - 1
        tail = "" if said else log.tail(room)
        return f"{reason}\n{tail}" if tail else reason

    def _variables(self, folder: JobFolder) -> dict[str, str]:
        credentials = self._credentials()
        nowhere = str(folder.path / "none")
        base = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "HOME": str(folder.scratch),
            "TMPDIR": str(folder.scratch),
            "PYTHONUNBUFFERED": "1",
            "NO_PROXY": "*",
            "AWS_ENDPOINT_URL": self._environment.endpoint_url,
            "AWS_REGION": self._task.region,
            "AWS_DEFAULT_REGION": self._task.region,
            "AWS_ACCESS_KEY_ID": credentials.access_key_id,
            "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
            "AWS_SESSION_TOKEN": credentials.session_token,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": nowhere,
            "AWS_SHARED_CREDENTIALS_FILE": nowhere,
            "SAGEMAKER_BASE_DIR": folder.shown("/opt/ml"),
        }
        return {**base, **self._contract.variables(folder, self._answer), **self._answer.environment}

    def _credentials(self) -> Credentials:
        if self._environment.enforces:
            return self._environment.assume(self._role(), SESSION)
        return Credentials("ASIAEMULATED", "emulated", "emulated")

    def _client(self, service: str) -> Any:
        return self._environment.client_as(self._role(), SESSION, service, self._task.region)

    def _role(self) -> str:
        return str(self._contract.arguments.get("RoleArn", ""))


def _copy(source: Path, target: Path) -> None:
    import shutil

    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    elif source.is_file():
        shutil.copy(source, target)
    else:
        raise JobError(f"{source} does not exist")


def _json(value: object) -> str:
    import json

    return json.dumps(value, indent=2)
