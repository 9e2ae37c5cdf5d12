"""Runs one pipeline definition with everything that it needs: a role, functions, queues and their mappings.

All of it is created through API calls, as a program for AWS would do it.
"""

from __future__ import annotations

import ast
import io
import json
import re
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .settings import Settings

_ROLE = "PipelineRunRole"
_HANDLERS = ("lambda_handler", "handler")
_INLINE_MODULE = "index"
_POLL_SECONDS = 0.05
_SETUP_SECONDS = 120
_LOG_LINES = 20
_FUNCTION_ARN = re.compile(r"arn:aws[a-z\-]*:lambda:[a-z0-9\-]+:\d{12}:function:([A-Za-z0-9\-_]+)")

Connect = Callable[[str], Any]


@dataclass(frozen=True)
class PipelineFunction:
    """A Lambda function of a pipeline run.

    Args:
        source: A folder or a file with the code, or the code itself: text of several lines.
        handler: `module.function`; "" finds the function `lambda_handler` or `handler` in the Python code.
        queue: The name of an SQS queue that it consumes; "" for none. The queue is created.
        batch_size: How many messages of the queue an invocation gets at most.
        runtime: "" is this Python's version.
        environment: Environment variables.
        timeout: In seconds.
        memory: In MB.
    """

    source: str | Path
    handler: str = ""
    queue: str = ""
    batch_size: int = 1
    runtime: str = f"python3.{sys.version_info.minor}"
    environment: Mapping[str, str] = field(default_factory=dict)
    timeout: int = 60
    memory: int = 512


@dataclass(frozen=True)
class FinishedStep:
    """A step that has started. `metadata` is AWS's; `outputs` are those of a Lambda or Callback step."""

    status: str
    outputs: Mapping[str, str]
    failure_reason: str
    metadata: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True)
class PipelineRun:
    """An execution and the steps that have started, by name, in the order of their start."""

    arn: str
    status: str
    failure_reason: str
    steps: Mapping[str, FinishedStep]

    @property
    def succeeded(self) -> bool:
        """Whether the execution has succeeded."""
        return self.status == "Succeeded"

    def __str__(self) -> str:
        lines = [f"Execution {self.status}. {self.failure_reason}".rstrip()]
        lines += [f"  {name}: {step.status} {step.failure_reason}".rstrip() for name, step in self.steps.items()]
        return "\n".join(lines)


def run_pipeline(
    connect: Connect,
    settings: Settings,
    definition: Any,
    functions: Mapping[str, Any],
    answer_steps: Callable[[], None] | None,
    parameters: Mapping[str, Any],
    name: str,
    timeout: float,
) -> PipelineRun:
    """Create everything, run the definition, and wait for its end. `Emulator.run_pipeline` has the arguments."""
    document = _read_definition(definition)
    lambdas = {key: _pipeline_function(key, value) for key, value in functions.items()}
    packages = {key: _package(key, function) for key, function in lambdas.items()}
    queue_names = sorted({function.queue for function in lambdas.values() if function.queue})
    if problems := list(_unknown_names(document, lambdas, queue_names)):
        raise ValueError("\n".join(problems))
    if answer_steps is not None:
        answer_steps()
    role_arn = _create_role(connect("iam"), settings)
    queues = {queue: _create_queue(connect("sqs"), queue, lambdas) for queue in queue_names}
    arns = {key: _create_function(connect, key, lambdas[key], packages[key], role_arn) for key in lambdas}
    for key, function in lambdas.items():
        if function.queue:
            _create_mapping(connect, key, function, queues[function.queue])
    pipelines = connect("sagemaker")
    _create_pipeline(pipelines, name, json.dumps(_connected(document, arns, queues)), role_arn)
    values = [{"Name": key, "Value": str(value)} for key, value in parameters.items()]
    arn = pipelines.start_pipeline_execution(PipelineName=name, PipelineParameters=values)["PipelineExecutionArn"]
    deadline = time.monotonic() + timeout
    while True:
        execution = pipelines.describe_pipeline_execution(PipelineExecutionArn=arn)
        if execution["PipelineExecutionStatus"] not in ("Executing", "Stopping"):
            return _observe(pipelines, arn, execution)
        if time.monotonic() > deadline:
            logs = "".join(_log_text(connect("logs"), key) for key in lambdas)
            observed = _observe(pipelines, arn, execution)
            raise TimeoutError(f"The execution has not ended within {timeout:g} seconds.\n{observed}{logs}")
        time.sleep(_POLL_SECONDS)


def _read_definition(definition: Any) -> dict[str, Any]:
    if hasattr(definition, "definition"):
        definition = definition.definition()
    if isinstance(definition, Path):
        where, text = str(definition), definition.read_text(encoding="utf-8-sig")
    elif isinstance(definition, str) and definition.lstrip().startswith("{"):
        where, text = "the definition", definition
    elif isinstance(definition, str):
        where, text = definition, Path(definition).read_text(encoding="utf-8-sig")
    else:
        where, text = "the definition", json.dumps(definition)
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ValueError(f"{where} is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise ValueError(f"{where} must be a JSON object with Version and Steps, not {type(document).__name__}")
    return document


def _pipeline_function(name: str, value: Any) -> PipelineFunction:
    if isinstance(value, str | Path):
        return PipelineFunction(value)
    if isinstance(value, PipelineFunction):
        return value
    try:
        return PipelineFunction(**value)
    except TypeError as error:
        known = ", ".join(PipelineFunction.__dataclass_fields__)
        message = f"functions[{name!r}] must be code, a path, or a dict with some of the keys {known}: {error}"
        raise ValueError(message) from None


def _package(name: str, function: PipelineFunction) -> tuple[bytes, str]:
    """Returns the zip of a function, and its handler."""
    files = _read_files(name, function.source)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, (content, mode) in sorted(files.items()):
            # A ZipInfo of its own has a fixed date, so the same code makes the same bytes.
            entry = zipfile.ZipInfo(path)
            entry.external_attr = mode << 16
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue(), function.handler or _find_handler(name, files)


def _read_files(name: str, source: str | Path) -> dict[str, tuple[bytes, int]]:
    if isinstance(source, str) and "\n" in source:
        return {f"{_INLINE_MODULE}.py": (source.encode(), 0o644)}
    path = Path(source)
    if path.is_file():
        return {path.name: (path.read_bytes(), path.stat().st_mode)}
    if not path.is_dir():
        raise ValueError(f"functions[{name!r}]: there is no file and no folder {source}. Code needs a line break.")
    return {
        file.relative_to(path).as_posix(): (file.read_bytes(), file.stat().st_mode)
        for file in path.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }


def _find_handler(name: str, files: Mapping[str, tuple[bytes, int]]) -> str:
    handlers = []
    for path, (content, _) in sorted(files.items()):
        if path.endswith(".py") and "/" not in path:
            try:
                body = ast.parse(content).body
            except (SyntaxError, ValueError) as error:
                raise ValueError(f"functions[{name!r}]: {path} is no Python code: {error}") from None
            defined = {node.name for node in body if isinstance(node, ast.FunctionDef)}
            handlers += [f"{path.removesuffix('.py')}.{handler}" for handler in _HANDLERS if handler in defined]
    if len(handlers) != 1:
        what = f"has {' and '.join(handlers)}" if handlers else f"defines no function {' or '.join(_HANDLERS)}"
        raise ValueError(f"functions[{name!r}]: the code {what}. Name one: {{'source': ..., 'handler': 'module.name'}}")
    return handlers[0]


def _steps(node: Any) -> Iterator[Mapping[str, Any]]:
    """Yields all steps in a definition, also those in the branches of a Condition step."""
    if isinstance(node, Mapping):
        if isinstance(node.get("Type"), str) and "Name" in node:
            yield node
        for value in node.values():
            yield from _steps(value)
    elif isinstance(node, list):
        for value in node:
            yield from _steps(value)


def _unknown_names(document: Any, functions: Mapping[str, Any], queues: list[str]) -> Iterator[str]:
    for step in _steps(document):
        function, queue = step.get("FunctionArn"), step.get("SqsQueueUrl")
        if step["Type"] == "Lambda" and isinstance(function, str) and not function.startswith("arn:"):
            if function not in functions:
                known = ", ".join(functions) or "none"
                yield f"step {step['Name']!r}: {function!r} is no ARN and not one of the functions given ({known})"
        elif step["Type"] == "Callback" and isinstance(queue, str) and "://" not in queue and queue not in queues:
            known = ", ".join(queues) or "none"
            yield f"step {step['Name']!r}: {queue!r} is no URL and no queue that a function given consumes ({known})"


def _connected(node: Any, functions: Mapping[str, str], queues: Mapping[str, str]) -> Any:
    """Returns the definition with the ARN or URL here for each function and queue that is given by its name.

    The ARN of a function or the URL of a queue of that name in any account and region counts as its name.
    """
    if isinstance(node, list):
        return [_connected(value, functions, queues) for value in node]
    if not isinstance(node, Mapping):
        return node
    connected = {key: _connected(value, functions, queues) for key, value in node.items()}
    function, queue = node.get("FunctionArn"), node.get("SqsQueueUrl")
    if node.get("Type") == "Lambda" and isinstance(function, str):
        match = _FUNCTION_ARN.fullmatch(function)
        connected["FunctionArn"] = functions.get(match[1] if match else function, function)
    elif node.get("Type") == "Callback" and isinstance(queue, str):
        connected["SqsQueueUrl"] = queues.get(queue.rsplit("/", 1)[-1], queue)
    return connected


def _create_role(iam: Any, settings: Settings) -> str:
    """Returns the ARN of a role for the pipeline and all functions, which may do everything."""
    services = {"Service": ["sagemaker.amazonaws.com", "lambda.amazonaws.com"]}
    trust = [{"Effect": "Allow", "Principal": services, "Action": "sts:AssumeRole"}]
    everything = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
    try:
        return str(iam.get_role(RoleName=_ROLE)["Role"]["Arn"])
    except iam.exceptions.NoSuchEntityException:
        arn = str(iam.create_role(RoleName=_ROLE, AssumeRolePolicyDocument=_policy(trust))["Role"]["Arn"])
    iam.put_role_policy(RoleName=_ROLE, PolicyName="Everything", PolicyDocument=_policy(everything))
    # The other services know the role only then.
    time.sleep(settings.iam_propagation_seconds)
    return arn


def _policy(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _create_queue(sqs: Any, name: str, functions: Mapping[str, PipelineFunction]) -> str:
    """Returns the URL. A message stays hidden as long as the slowest consumer may work on it, which AWS requires."""
    visibility = max(function.timeout for function in functions.values() if function.queue == name)
    attributes = {"VisibilityTimeout": str(visibility)} | ({"FifoQueue": "true"} if name.endswith(".fifo") else {})
    try:
        url = str(sqs.get_queue_url(QueueName=name)["QueueUrl"])
    except sqs.exceptions.QueueDoesNotExist:
        return str(sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(visibility)})
    return url


def _create_function(
    connect: Connect, name: str, function: PipelineFunction, package: tuple[bytes, str], role_arn: str
) -> str:
    """Returns the ARN of the function. One that exists gets the code and the configuration."""
    functions = connect("lambda")
    zip_file, handler = package
    configuration = {
        "FunctionName": name,
        "Role": role_arn,
        "Handler": handler,
        "Runtime": function.runtime,
        "Timeout": function.timeout,
        "MemorySize": function.memory,
        "Environment": {"Variables": dict(function.environment)},
    }
    wait = {"Delay": _POLL_SECONDS, "MaxAttempts": int(_SETUP_SECONDS / _POLL_SECONDS)}
    try:
        functions.get_function_configuration(FunctionName=name)
    except functions.exceptions.ResourceNotFoundException:
        arn = functions.create_function(**configuration, Code={"ZipFile": zip_file})["FunctionArn"]
        functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=wait)
        return str(arn)
    functions.update_function_configuration(**configuration)
    functions.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=wait)
    arn = functions.update_function_code(FunctionName=name, ZipFile=zip_file)["FunctionArn"]
    functions.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig=wait)
    return str(arn)


def _create_mapping(connect: Connect, name: str, function: PipelineFunction, queue_url: str) -> None:
    functions = connect("lambda")
    attributes = connect("sqs").get_queue_attributes(QueueUrl=queue_url, AttributeNames=["QueueArn"])["Attributes"]
    lambdas = {"FunctionName": name, "EventSourceArn": attributes["QueueArn"]}
    existing = functions.list_event_source_mappings(**lambdas)["EventSourceMappings"]
    mapping = (
        existing[0] if existing else functions.create_event_source_mapping(**lambdas, BatchSize=function.batch_size)
    )
    deadline = time.monotonic() + _SETUP_SECONDS
    while mapping["State"] != "Enabled":
        if time.monotonic() > deadline:
            raise TimeoutError(f"The event source mapping of {name} stays {mapping['State']}.")
        time.sleep(_POLL_SECONDS)
        mapping = functions.get_event_source_mapping(UUID=mapping["UUID"])


def _create_pipeline(pipelines: Any, name: str, definition: str, role_arn: str) -> None:
    try:
        pipelines.describe_pipeline(PipelineName=name)
    except pipelines.exceptions.ResourceNotFound:
        pipelines.create_pipeline(
            PipelineName=name,
            PipelineDefinition=definition,
            RoleArn=role_arn,
            ClientRequestToken=f"{time.time_ns():032}",
        )
    else:
        pipelines.update_pipeline(PipelineName=name, PipelineDefinition=definition, RoleArn=role_arn)


def _observe(pipelines: Any, arn: str, execution: Mapping[str, Any]) -> PipelineRun:
    pages = pipelines.get_paginator("list_pipeline_execution_steps").paginate(
        PipelineExecutionArn=arn, SortOrder="Ascending"
    )
    steps = {step["StepName"]: _finished_step(step) for page in pages for step in page["PipelineExecutionSteps"]}
    reason = execution.get("FailureReason", "")
    return PipelineRun(arn, execution["PipelineExecutionStatus"], reason, steps)


def _finished_step(step: Mapping[str, Any]) -> FinishedStep:
    metadata = step.get("Metadata", {})
    outputs = {
        output["Name"]: output["Value"] for entry in metadata.values() for output in entry.get("OutputParameters", [])
    }
    return FinishedStep(step["StepStatus"], outputs, step.get("FailureReason", ""), metadata)


def _log_text(logs: Any, function: str) -> str:
    try:
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{function}")["events"]
    except logs.exceptions.ResourceNotFoundException:
        return f"\nFunction {function} has not run."
    lines = [f"  {event['message'].rstrip()}" for event in events[-_LOG_LINES:]]
    return "\n".join([f"\nLast log lines of function {function}:", *lines])
