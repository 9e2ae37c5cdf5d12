"""Steps that start a job of AWS: what they have in common. What such a job does comes from the configured answers.

The properties of a step are what the service's Describe call would return: its arguments, its names and ARNs, and what
follows from them, such as where a training job leaves its model. An answer can add to them and replace them.
"""

from __future__ import annotations

import copy
import threading
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from botocore.exceptions import BotoCoreError, ClientError

from ....protocol.models import service_model
from ....service import Environment
from ....state.records import RecordTable
from ....step_answers import StepAnswer
from ..objects import upload, write_object
from ..paths import PathError, find, parse_path, put
from ..values import is_expression
from .base import Activity, StepResult, StepType, Task

if TYPE_CHECKING:
    from ..containers.activity import ContainerActivity, Contract
    from ..definition import StepDefinition

# A failure that every retry policy of the step covers.
ANY_EXCEPTION = "*"


class JobStep(StepType):
    """A step type whose steps start a job. A subclass says how the job is named, described and checked.

    - `operation` is the operation of SageMaker whose request the Arguments are; "" if they are something else.
    - `required` are the members that Arguments must have, and `required_fields` the keys that the step must have.
    - `resource` is the end of the job's ARN, with `{name}`; `service` is the service in it.
    - `prefix` begins the members `...Name`, `...Arn` and `...Status` of the description.
    - `name_argument` is the member of Arguments that names the resource; "" if the service chooses the name.
    - `metadata_key` is the member of the step's Metadata that has the ARN.
    - `cached` are the paths in Arguments, and `cached_fields` the keys of the step, that decide about a cache hit.
    """

    has_outputs = False
    has_properties = True
    is_stoppable = True
    operation: ClassVar[str] = ""
    required: ClassVar[tuple[str, ...]] = ()
    required_fields: ClassVar[tuple[str, ...]] = ()
    refused: ClassVar[tuple[str, ...]] = ()
    service: ClassVar[str] = "sagemaker"
    resource: ClassVar[str] = ""
    prefix: ClassVar[str] = ""
    status: ClassVar[str] = "Completed"
    name_argument: ClassVar[str] = ""
    metadata_key: ClassVar[str] = ""
    cached: ClassVar[tuple[str, ...]] = ()
    cached_fields: ClassVar[tuple[str, ...]] = ()
    can_run: ClassVar[bool] = False

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._answers = environment.settings.steps
        self._failures: RecordTable[tuple[str, str], int] = environment.tables.open(f"{self.name} failures")
        self._running: weakref.WeakSet[ContainerActivity] = weakref.WeakSet()
        self._lock = threading.Lock()

    def check(self, body: Mapping[str, Any], region: str) -> Iterator[str]:
        arguments = body.get("Arguments", {})
        yield from (f"Arguments.{name} is required" for name in self.required if name not in arguments)
        yield from (f"{name} is required" for name in self.required_fields if name not in body)
        yield from (f"Unknown Argument member '{name}'" for name in sorted(set(arguments) - self._members(arguments)))
        if body.get("OutputParameters"):
            yield f"a {self.name} step has no OutputParameters"
        yield from property_file_problems(body)

    def _members(self, arguments: Mapping[str, Any]) -> set[str]:
        if not self.operation:
            return set(arguments)
        shape = service_model("sagemaker").operation_model(self.operation).input_shape
        return set(shape.members if shape else ()) - set(self.refused)

    def refusal(self, step: StepDefinition) -> str:
        answer = self._answers.find(step.name, self.name)
        if answer is None:
            return f"step '{step.name}' of type {self.name} has no answer: start the emulator with --steps FILE"
        if answer.run and not self.can_run:
            return f"step '{step.name}' of type {self.name} cannot run as a local process; use succeed or fail"
        declared = {entry["PropertyFileName"] for entry in step.body.get("PropertyFiles") or ()}
        if unknown := sorted(set(answer.property_files) - declared):
            return f"the answer of step '{step.name}' names property files that it does not declare: {unknown}"
        return ""

    def cache_key(self, body: Mapping[str, Any]) -> Mapping[str, Any] | None:
        if not self.cached and not self.cached_fields:
            return None
        arguments = body.get("Arguments", {})
        return {
            **{path: _find_or_none(arguments, path) for path in self.cached},
            **{key: body.get(key) for key in self.cached_fields},
        }

    def forget(self, execution_arns: Collection[str]) -> None:
        with self._lock:
            for key in [key for key in self._failures if key[0] in execution_arns]:
                del self._failures[key]

    def open(self, task: Task) -> Activity:
        answer = self._answers.find(task.step.name, self.name)
        if answer is None:
            # The start of an execution refuses such a step; an answer cannot vanish later.
            raise RuntimeError(f"step {task.step.name} has no answer")
        if answer.fail and self._fails_now(task, answer):
            return AnsweredActivity(task, self.metadata(task), lambda: _failure(answer))
        return self.open_job(task, answer)

    def open_job(self, task: Task, answer: StepAnswer) -> Activity:
        """Return the activity of a job that does not fail by its answer."""
        return AnsweredActivity(task, self.metadata(task), lambda: self._succeed(task, answer))

    def open_container(self, contract: Contract, answer: StepAnswer) -> Activity:
        """Return the activity of a job that runs as a local process."""
        from ..containers.activity import ContainerActivity

        task = contract.task
        activity = ContainerActivity(
            self._environment, contract, answer, self.metadata(task), lambda added: self.success(task, answer, added)
        )
        with self._lock:
            self._running.add(activity)
        return activity

    def close(self) -> None:
        with self._lock:
            running = list(self._running)
        for activity in running:
            activity.stop()

    def _fails_now(self, task: Task, answer: StepAnswer) -> bool:
        key = (task.execution_arn, task.step.name)
        with self._lock:
            self._failures[key] = self._failures.get(key, 0) + 1
            return answer.times is None or self._failures[key] <= answer.times

    def _succeed(self, task: Task, answer: StepAnswer) -> StepResult:
        result = self.success(task, answer)
        if not result.succeeded:
            return result
        s3 = self._environment.client("s3", task.region)
        try:
            for name, path in answer.property_files.items():
                write_object(s3, result.property_files[name], path, task.region)
            for name, path in answer.outputs.items():
                uri = str(find(result.properties, parse_path(name)))
                if path.is_dir():
                    upload(s3, path, uri, task.region)
                else:
                    write_object(s3, uri, path, task.region)
        except (OSError, ValueError, ClientError, BotoCoreError, PathError) as error:
            return StepResult.failure(f"ClientError: '{name}' cannot be written: {error}")
        return result

    def success(self, task: Task, answer: StepAnswer, added: Mapping[str, Any] | None = None) -> StepResult:
        """Return the result of a job that has succeeded, with the properties that the job and the answer add."""
        properties = {**copy.deepcopy(self.describe(task)), **(added or {})}
        try:
            for path, value in answer.succeed.items():
                put(properties, parse_path(path), copy.deepcopy(value))
            files = _property_files(task.body, properties)
        except PathError as error:
            return StepResult.failure(f"ClientError: the answer of step '{task.step.name}' does not fit: {error}")
        return StepResult(True, properties=properties, property_files=files)

    def job_name(self, task: Task) -> str:
        return str(arguments_of(task).get(self.name_argument) or task.job_name)

    def arn(self, task: Task, name: str = "") -> str:
        resource = self.resource.format(name=name or self.job_name(task))
        partition = task.execution_arn.split(":")[1]
        return f"arn:{partition}:{self.service}:{task.region}:{task.account_id}:{resource}"

    def describe(self, task: Task) -> dict[str, Any]:
        """Return the properties that follow from the step itself."""
        return {
            **arguments_of(task),
            f"{self.prefix}Name": self.job_name(task),
            f"{self.prefix}Arn": self.arn(task),
            f"{self.prefix}Status": self.status,
        }

    def metadata(self, task: Task) -> dict[str, Any]:
        return {self.metadata_key: {"Arn": self.arn(task)}}


class AnsweredActivity:
    """A job that ends as soon as it has begun."""

    def __init__(self, task: Task, metadata: Mapping[str, Any], end: Callable[[], StepResult]) -> None:
        self._task = task
        self._metadata = metadata
        self._end = end

    def run(self) -> None:
        self._task.publish(self._metadata)
        self._task.finish(self._end())

    def stop(self) -> None:
        """Do nothing: the step ends by itself immediately."""


def arguments_of(task: Task) -> dict[str, Any]:
    """Return the resolved Arguments without what is null: the SDK writes null for what is not given."""
    return {key: value for key, value in task.body.get("Arguments", {}).items() if value is not None}


def property_file_problems(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with PropertyFiles: each belongs to an output of its own step."""
    files = body.get("PropertyFiles") or []
    if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
        yield "PropertyFiles must be a list of objects"
        return
    outputs = body.get("Arguments", {}).get("ProcessingOutputConfig") or {}
    entries = outputs.get("Outputs") if isinstance(outputs, dict) else None
    names = {entry.get("OutputName") for entry in entries or () if isinstance(entry, dict)}
    for file in files:
        for key in ("PropertyFileName", "OutputName", "FilePath"):
            if not isinstance(file.get(key), str) and not (key == "FilePath" and is_expression(file.get(key))):
                yield f"PropertyFiles: {key} must be text, not {file.get(key)!r}"
        if isinstance(file.get("OutputName"), str) and file["OutputName"] not in names:
            yield f"property file {file.get('PropertyFileName')!r} names the unknown output {file['OutputName']!r}"


def _property_files(body: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, str]:
    """Return where the property files are: below the URI of their output, as in the local mode of AWS's SDK."""
    files = {}
    for file in body.get("PropertyFiles") or ():
        uri = find(properties, ("ProcessingOutputConfig", "Outputs", file["OutputName"], "S3Output", "S3Uri"))
        files[file["PropertyFileName"]] = f"{str(uri).rstrip('/')}/{file['FilePath']}"
    return files


def _find_or_none(arguments: Mapping[str, Any], path: str) -> Any:
    try:
        return find(arguments, parse_path(path))
    except PathError:
        return None


def _failure(answer: StepAnswer) -> StepResult:
    return StepResult.failure(answer.fail, exception=answer.exception or ANY_EXCEPTION)
