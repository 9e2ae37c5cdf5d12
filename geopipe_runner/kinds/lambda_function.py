"""The Lambda function both Lambda steps call and the queues feed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..aws.artifact import Package, file_hashes
from ..aws.download import fetch
from ..aws.gone import ignore_gone, none_if_gone
from ..aws.polling import StateTable, TimedOut
from ..aws.retry import ROLE_NOT_READY, UPDATE_IN_PROGRESS
from ..errors import AwsError
from .base import Attributes, Change, Deployment, Kind, Observed, Resource, our_tags, touches

if TYPE_CHECKING:
    from ..aws.clients import Aws

_STATES = StateTable(
    "Lambda function", frozenset({"Pending"}), frozenset({"Active", "Inactive"}), frozenset({"Failed"})
)
_UPDATES = StateTable(
    "update of the Lambda function", frozenset({"InProgress"}), frozenset({"Successful"}), frozenset({"Failed"})
)
_EVERY = 0.5
_WITHIN = 180.0


@dataclass(frozen=True)
class FunctionSpec:
    name: str
    role_arn: str
    handler: str
    runtime: str
    timeout: int
    memory: int
    environment: Mapping[str, str]
    package: Package | None
    tags: Mapping[str, str]


class LambdaFunction(Kind[FunctionSpec]):
    """CreateFunction, UpdateFunctionCode, UpdateFunctionConfiguration, TagResource."""

    name = "lambda_function"
    label = "Lambda function"

    def resources(self, deployment: Deployment) -> Iterator[Resource]:
        config = deployment.config
        spec = FunctionSpec(
            name=config.function.name,
            role_arn=deployment.lambda_role_arn,
            handler=config.function.handler,
            runtime=config.function.runtime,
            timeout=config.function.timeout,
            memory=config.function.memory,
            environment=_environment(deployment),
            package=deployment.artifacts.package,
            tags=deployment.tags,
        )
        roles = ("lambda_role", "lambda_policy") if config.iam.lambda_role.managed else ()
        # It passes the pipeline's role on to the jobs it starts, so that one comes first too.
        passed = ("sagemaker_role", "sagemaker_policy") if config.iam.sagemaker_role.managed else ()
        yield Resource(self, "function", spec.name, "function", spec, (*roles, *passed, "log_group"))

    def left_behind(self, deployment: Deployment, arn: str) -> Resource | None:
        prefix = deployment.account.arn("lambda", "function:")
        if not arn.startswith(prefix):
            return None
        name = arn.removeprefix(prefix)
        spec = FunctionSpec(name, "", "", "", 0, 0, {}, None, deployment.tags)
        return Resource(self, f"left-behind-function-{name}", name, "function", spec)

    def desired(self, spec: FunctionSpec) -> Attributes:
        return {
            "code": _code(spec.package.sha256, spec.package.files) if spec.package else None,
            "role": spec.role_arn,
            "handler": spec.handler,
            "runtime": spec.runtime,
            "timeout": spec.timeout,
            "memory": spec.memory,
            "environment": {key: _port_free(value) for key, value in spec.environment.items()},
            "tags": dict(spec.tags),
        }

    def observe(self, aws: Aws, spec: FunctionSpec) -> Observed | None:
        answer = none_if_gone(lambda: aws.client("lambda").get_function(FunctionName=spec.name))
        if answer is None:
            return None
        found, tags = answer["Configuration"], answer.get("Tags", {})
        environment = found.get("Environment", {}).get("Variables", {})
        attributes = {
            "code": _observed_code(answer, spec),
            "role": found["Role"],
            "handler": found["Handler"],
            "runtime": found["Runtime"],
            "timeout": found["Timeout"],
            "memory": found["MemorySize"],
            "environment": {key: _port_free(value) for key, value in environment.items()},
            "tags": our_tags(spec.tags, tags),
        }
        return Observed(found["FunctionArn"], attributes, tags)

    def create(self, aws: Aws, spec: FunctionSpec) -> str:
        client = aws.client("lambda")
        answer = aws.retrier.call(
            ROLE_NOT_READY,
            lambda: client.create_function(
                FunctionName=spec.name,
                Code={"ZipFile": _zip(spec)},
                Tags=dict(spec.tags),
                **_configuration(spec),
            ),
        )
        _settle(aws, spec.name)
        return str(answer["FunctionArn"])

    def update(self, aws: Aws, spec: FunctionSpec, observed: Observed, changes: tuple[Change, ...]) -> None:
        """Code, then configuration, each waited for: Lambda refuses a change while another is being made."""
        client = aws.client("lambda")
        _settle(aws, spec.name)
        if touches(changes, "code"):
            aws.retrier.call(
                UPDATE_IN_PROGRESS,
                lambda: client.update_function_code(FunctionName=spec.name, ZipFile=_zip(spec)),
            )
            _settle(aws, spec.name)
        if touches(changes, "role", "handler", "runtime", "timeout", "memory", "environment"):
            self._configure(aws, client, spec)
            _settle(aws, spec.name)
        if touches(changes, "tags"):
            client.tag_resource(Resource=observed.identity, Tags=dict(spec.tags))

    def _configure(self, aws: Aws, client: Any, spec: FunctionSpec) -> None:
        def write() -> Any:
            return client.update_function_configuration(FunctionName=spec.name, **_configuration(spec))

        aws.retrier.call(ROLE_NOT_READY, lambda: aws.retrier.call(UPDATE_IN_PROGRESS, write))

    def delete(self, aws: Aws, spec: FunctionSpec, observed: Observed) -> None:
        ignore_gone(lambda: aws.client("lambda").delete_function(FunctionName=spec.name))


def _settle(aws: Aws, name: str) -> None:
    """Wait until the function is neither being made nor being changed. Raises AwsError with Lambda's reason."""
    client = aws.client("lambda")

    def terminal(found: dict[str, Any]) -> bool:
        made = _STATES.terminal(found.get("State", "Active"))
        return made and _UPDATES.terminal(found.get("LastUpdateStatus", "Successful"))

    try:
        found = aws.retrier.poll(
            lambda: client.get_function_configuration(FunctionName=name), terminal, every=_EVERY, within=_WITHIN
        )
    except TimedOut as timeout:
        raise AwsError(f"Lambda function {name} is not ready after {_WITHIN:.0f} s: {timeout.last}") from None
    reason = found.get("StateReason") if found.get("State") in _STATES.failed else found.get("LastUpdateStatusReason")
    if found.get("State") in _STATES.failed or found.get("LastUpdateStatus") in _UPDATES.failed:
        raise AwsError(f"Lambda could not set up the function {name}: {reason}")


def _code(sha256: str, files: Mapping[str, str]) -> dict[str, Any]:
    return {"sha256": sha256, "files": {name: digest[:12] for name, digest in files.items()}}


def _observed_code(answer: Mapping[str, Any], spec: FunctionSpec) -> dict[str, Any] | None:
    """File by file; the zip is fetched only where its hash tells that something differs."""
    if spec.package is None:
        return None
    sha256 = answer["Configuration"]["CodeSha256"]
    content = None if sha256 == spec.package.sha256 else fetch(answer.get("Code", {}).get("Location", ""))
    return _code(sha256, file_hashes(content) if content else spec.package.files)


def _environment(deployment: Deployment) -> dict[str, str]:
    config = deployment.config
    return {
        **config.function.environment,
        "QUEUE_URL": deployment.queue_url,
        "DEAD_LETTER_QUEUE_URL": deployment.dead_letter_url,
        "CALLBACK_DEADLINE_SECONDS": str(config.execution.callback_deadline),
    }


def _configuration(spec: FunctionSpec) -> dict[str, Any]:
    return {
        "Role": spec.role_arn,
        "Handler": spec.handler,
        "Runtime": spec.runtime,
        "Timeout": spec.timeout,
        "MemorySize": spec.memory,
        "Environment": {"Variables": dict(spec.environment)},
    }


def _zip(spec: FunctionSpec) -> bytes:
    if spec.package is None:
        raise AwsError(f"The zip of {spec.name} was not built.")
    return spec.package.content


def _port_free(value: str) -> str:
    """A queue URL of an emulator without its port, which is another one each time it starts."""
    if value.startswith("http://127.0.0.1:"):
        return "http://127.0.0.1/" + value.split("/", 3)[-1]
    return value
