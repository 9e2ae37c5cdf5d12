"""The Lambda function both Lambda steps call and the queues feed.

One that Lambda could not set up, or not update, differs from what should be: `state` says so, and is mended by giving
it code and configuration once more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..aws.artifact import Package, file_hashes
from ..aws.download import fetch
from ..aws.function_state import at_rest, await_gone, failure, made, settled, state
from ..aws.gone import ignore_gone, none_if_gone
from ..aws.retry import ROLE_NOT_READY, UPDATE_IN_PROGRESS, AnswerError, error_code
from ..errors import AwsError
from .base import Attributes, Change, Deployment, Kind, Observed, Resource, our_tags, touches

if TYPE_CHECKING:
    from ..aws.clients import Aws

_READY = "ready"
_QUEUE_VARIABLES = ("QUEUE_URL", "DEAD_LETTER_QUEUE_URL")


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
        # To be made it needs a role that it can take on, and no more; what it may do and passes on must outlive it.
        needs, uses = (("lambda_role",), ("lambda_policy",)) if config.iam.lambda_role.managed else ((), ())
        passed = ("sagemaker_role", "sagemaker_policy") if config.iam.sagemaker_role.managed else ()
        yield Resource(self, "function", spec.name, "function", spec, needs, (*uses, *passed, "log_group"))

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
            "environment": _comparable(spec.environment),
            "state": _READY,
            "tags": dict(spec.tags),
        }

    def observe(self, aws: Aws, spec: FunctionSpec) -> Observed | None:
        answer = none_if_gone(lambda: aws.client("lambda").get_function(FunctionName=spec.name))
        if answer is None or answer["Configuration"].get("State") == "Deleting":
            return None
        found, tags = answer["Configuration"], _tags(answer)
        attributes = {
            "code": _observed_code(answer, spec),
            "role": found["Role"],
            "handler": found.get("Handler", ""),  # a container image has neither
            "runtime": found.get("Runtime", ""),
            "timeout": found["Timeout"],
            "memory": found["MemorySize"],
            "environment": _comparable(_variables(found)),
            "state": failure(found) or _READY,
            "tags": our_tags(spec.tags, tags),
        }
        return Observed(found["FunctionArn"], attributes, tags, settled=at_rest(found))

    def create(self, aws: Aws, spec: FunctionSpec) -> str:
        """One that is being deleted is no function any more, but keeps its name until it is gone."""
        try:
            arn = self._create(aws, spec)
        except AnswerError as error:
            if error_code(error) != "ResourceConflictException" or state(aws, spec.name) not in ("Deleting", "gone"):
                raise
            await_gone(aws, spec.name)
            arn = self._create(aws, spec)
        made(aws, spec.name)
        return arn

    def _create(self, aws: Aws, spec: FunctionSpec) -> str:
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
        return str(answer["FunctionArn"])

    def update(self, aws: Aws, spec: FunctionSpec, observed: Observed, changes: tuple[Change, ...]) -> None:
        """Code, then configuration, each waited for: Lambda refuses a change while another is being made."""
        client = aws.client("lambda")
        settled(aws, spec.name)  # also a failure, which is what may have to be mended
        configured = touches(changes, "role", "handler", "runtime", "timeout", "memory", "environment", "state")
        if touches(changes, "code", "state"):
            aws.retrier.call(
                UPDATE_IN_PROGRESS,
                lambda: client.update_function_code(FunctionName=spec.name, ZipFile=_zip(spec)),
            )
            # Where the configuration is what the code fails for, that comes next.
            wait = settled if configured else made
            wait(aws, spec.name)
        if configured:
            self._configure(aws, client, spec)
            made(aws, spec.name)
        if touches(changes, "tags"):
            client.tag_resource(Resource=observed.identity, Tags=dict(spec.tags))

    def _configure(self, aws: Aws, client: Any, spec: FunctionSpec) -> None:
        def write() -> Any:
            return client.update_function_configuration(FunctionName=spec.name, **_configuration(spec))

        aws.retrier.call(ROLE_NOT_READY, lambda: aws.retrier.call(UPDATE_IN_PROGRESS, write))

    def settle(self, aws: Aws, spec: FunctionSpec, observed: Observed) -> None:
        """Lambda refuses to run a new function until then."""
        made(aws, spec.name)

    def delete(self, aws: Aws, spec: FunctionSpec, observed: Observed) -> None:
        ignore_gone(lambda: aws.client("lambda").delete_function(FunctionName=spec.name))


def _tags(answer: Mapping[str, Any]) -> dict[str, str]:
    """Who may not see the tags is told so only beside them, and would take the function for somebody else's."""
    _check(answer.get("TagsError"), "tags", "lambda:ListTags must be allowed")
    return dict(answer.get("Tags", {}))


def _variables(found: Mapping[str, Any]) -> dict[str, str]:
    """The same holds for the environment where a key of the user's own encrypts it."""
    environment = found.get("Environment", {})
    _check(environment.get("Error"), "environment", "kms:Decrypt must be allowed for its key")
    return dict(environment.get("Variables", {}))


def _check(problem: Mapping[str, str] | None, what: str, needed: str) -> None:
    if problem:
        raise AwsError(
            f"GetFunction did not tell the {what}: {problem.get('ErrorCode')}: {problem.get('Message')}",
            f"{needed}; the README lists the permissions the caller needs.",
        )


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


def _comparable(variables: Mapping[str, str]) -> dict[str, str]:
    """A queue is told by account and name: the rest of its URL may be spelt otherwise, or have another port."""
    return {
        name: "/".join(value.split("/")[-2:]) if name in _QUEUE_VARIABLES else value
        for name, value in variables.items()
    }
