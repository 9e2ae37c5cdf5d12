"""The Lambda functions: those that the Lambda steps call and the queues feed, and the worker where a job has one.

A function that Lambda could not set up or update differs from what it should be: `state` says so. The update writes
code and configuration again.

A function whose role was deleted and created again looks right, since the ARN is the same. But Lambda's grant to
decrypt the environment is for the old role, and every invocation fails. So a tag of the function keeps the role's id.
Where the ids differ, the update gives the function another role for a moment and then its own again, which renews the
grant.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..aws.artifact import Package, file_hashes
from ..aws.download import fetch
from ..aws.error_codes import ClientError, error_code
from ..aws.function_state import failure, is_idle, state, wait_until_active, wait_until_deleted, wait_until_idle
from ..aws.not_found import ignore_not_found, none_if_not_found
from ..aws.retry import NOT_YET_KNOWN, ROLE_NOT_READY, UPDATE_IN_PROGRESS
from ..aws.upload import stored_sha256
from ..config.model import Config, FunctionConfig
from ..deployment import Deployment
from ..errors import AwsError, RefusedError
from .base import MISSING, Artifacts, Attributes, Change, Kind, Observed, Resource, Section, our_tags, tag_list, touches
from .policy_documents import document, to_json

if TYPE_CHECKING:
    from ..aws.account import Account
    from ..aws.clients import Aws

ROLE_ID_TAG = "geopipe:role-id"
"""Keeps AWS's id of the role that the function had when it was last written."""

_READY = "ready"
_AFTER_APPLY = "known after apply"
_ROOM_FOR_ROLE = 56  # of the 64 characters of a role's name
# What a function has where Lambda names none.
_DEFAULT_ARCHITECTURE = "x86_64"
_DEFAULT_STORAGE = 512
# Those of the optional settings that are a part of Lambda's configuration; each by its name there, and how it is said.
_OPTIONS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "layers": ("Layers", list),
    "vpc": (
        "VpcConfig",
        lambda vpc: {"SubnetIds": vpc["subnet_ids"], "SecurityGroupIds": vpc["security_group_ids"]},
    ),
    "ephemeral_storage": ("EphemeralStorage", lambda size: {"Size": size}),
    "tracing": ("TracingConfig", lambda mode: {"Mode": mode}),
    "kms_key": ("KMSKeyArn", str),
}
_MACHINES: Mapping[str, str] = {"x86_64": "x86_64", "arm64": "aarch64"}
# numpy/core/_multiarray.cpython-312-x86_64-linux-gnu.so, _x.cp312-win_amd64.pyd, _x.abi3.so
_COMPILED = re.compile(r"\.(cpython-|cp)3(?P<minor>\d+)-?(?P<platform>[\w-]+)?\.(so|pyd)$")
_QUEUE_VARIABLES = ("QUEUE_URL", "DEAD_LETTER_QUEUE_URL", "WORK_QUEUE_URL", "WORK_DEAD_LETTER_QUEUE_URL")


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
    managed_role: str = ""
    """The name of the role if it is ours: then its id is kept in a tag of the function."""
    role_id: str | None = None
    """AWS's id of the managed role; "" if the role is yet to be created, None if it is not known or not ours."""
    iam_path: str = ""
    permissions_boundary: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings that are managed only where the configuration names them; otherwise they stay as they are."""
    image_uri: str = ""
    """The container image, if the function is no zip."""
    code_bucket: str = ""
    """The bucket of the deployment, through which Lambda takes a large zip."""
    code_prefix: str = ""
    key: str = ""
    """The key of its resource, if the function is only used."""


class LambdaFunction(Kind[FunctionSpec]):
    """CreateFunction, UpdateFunctionCode, UpdateFunctionConfiguration, TagResource."""

    name = "lambda_function"
    label = "Lambda function"
    serves_executions = True
    shapes_results = True
    asks_before_update = True
    paint = "function"
    emulator_pages = "functions"
    permissions = (
        "lambda:CreateFunction",
        "lambda:GetFunction",
        "lambda:GetFunctionConfiguration",
        "lambda:UpdateFunctionCode",
        "lambda:UpdateFunctionConfiguration",
        "lambda:TagResource",
        "lambda:ListTags",
        "lambda:DeleteFunction",
        "iam:PassRole",
        # A zip of more than 50 MB goes through the bucket.
        "s3:GetObject",
        "s3:PutObject",
        "lambda:PutFunctionConcurrency",
        # The role's id, and the role that renews the function's grant.
        "iam:GetRole",
        "iam:CreateRole",
        "iam:TagRole",
        "iam:DeleteRole",
    )

    def resources(self, deployment: Deployment, artifacts: Artifacts) -> Iterator[Resource]:
        config = deployment.config
        # Creation needs only a role that it can assume. Its policy and the role that it passes must outlive it.
        creation_dependencies, deletion_dependencies = (
            (("lambda_role",), ("lambda_policy",)) if config.iam.lambda_role.managed else ((), ())
        )
        passed = ("sagemaker_role", "sagemaker_policy") if config.iam.sagemaker_role.managed else ()
        for function in deployment.functions:
            if function.is_used:
                yield self._used(function.key, function.name, deployment.function_arn_of(function))
                continue
            settings, package = function.settings, artifacts.packages.get(function.package)
            code = ("bucket",) if package and package.is_large else ()
            # Lambda refuses these settings until the role has the rights that they need.
            needs_policy = settings.vpc is not None or settings.tracing == "Active"
            policy = deletion_dependencies if needs_policy else ()
            spec = FunctionSpec(
                name=function.name,
                role_arn=deployment.lambda_role_arn,
                handler=function.handler,
                runtime=settings.runtime,
                timeout=function.timeout,
                memory=function.memory,
                environment=function.environment,
                package=package,
                tags=deployment.tags,
                managed_role=config.iam.lambda_role.name if config.iam.lambda_role.managed else "",
                role_id=deployment.role_ids.get(config.iam.lambda_role.name),
                iam_path=deployment.iam_path,
                permissions_boundary=config.iam.permissions_boundary,
                image_uri=settings.image_uri or "",
                settings=_settings(settings, function.is_worker),
                code_bucket=config.bucket.name,
                code_prefix=deployment.code_prefix,
            )
            yield Resource(
                self,
                function.key,
                function.name,
                "function",
                spec,
                (*creation_dependencies, *code, *policy),
                (*deletion_dependencies, *passed, function.log_group_key),
            )

        for named in artifacts.named:
            if named.step_type == "Lambda":
                name = named.place.partition(":function:")[2]
                yield self._used(f"named_function.{name}", name, named.place, named.named_by)

    def _used(self, key: str, name: str, arn: str, named_by: str = "") -> Resource:
        """Returns a function that is only used. It is read by its ARN, and nothing else of it matters."""
        spec = FunctionSpec(arn, "", "", "", 0, 0, {}, None, {}, key=key)
        return Resource(self, key, name, "function", spec, is_used=True, named_by=named_by)

    def orphan_from_arn(self, deployment: Deployment, arn: str) -> Resource | None:
        prefix = deployment.account.arn("lambda", "function:")
        if not arn.startswith(prefix):
            return None
        name = arn.removeprefix(prefix)
        spec = FunctionSpec(name, "", "", "", 0, 0, {}, None, deployment.tags)
        return Resource(self, f"left-behind-function-{name}", name, "function", spec)

    def sections(self, config: Config) -> Iterator[Section]:
        functions = "function" if len(config.every_function) < 2 else "functions"
        yield Section("function", f"Setting up the Lambda {functions} for the pipeline.", block=1)

    def describe_result(self, resource: Resource, identity: str, result: str) -> str:
        return f"Lambda ready with ARN {identity} ({result})."

    def obstacles(self, spec: FunctionSpec, seen: Mapping[str, Observed | None]) -> Iterator[str]:
        observed = seen.get(spec.key)
        if observed is not None and observed.attributes.get("state", _READY) != _READY:
            yield f"it is {observed.attributes['state']}"

    def arn(self, account: Account, resource: Resource) -> str:
        return account.arn("lambda", f"function:{resource.name}")

    def console_page(self, account: Account, resource: Resource) -> str:
        return f"lambda/home?region={account.region}#/functions/{resource.name}"

    def desired(self, spec: FunctionSpec) -> Attributes:
        return {
            "code": _desired_code(spec),
            "role": spec.role_arn,
            "handler": "" if spec.image_uri else spec.handler,
            "runtime": "" if spec.image_uri else spec.runtime,
            "timeout": spec.timeout,
            "memory": spec.memory,
            "environment": _comparable(spec.environment),
            "state": _READY,
            "tags": dict(spec.tags),
            **spec.settings,
        } | ({} if spec.role_id is None else {"role_id": spec.role_id or _AFTER_APPLY})

    def compare(self, spec: FunctionSpec, observed: Observed) -> tuple[Change, ...]:
        """The role's id counts only where it is known."""
        changes = super().compare(spec, observed)
        return tuple(change for change in changes if change.path != "role_id" or spec.role_id is not None)

    def warnings(self, spec: FunctionSpec) -> Iterator[str]:
        machine = _MACHINES[spec.settings.get("architecture", _DEFAULT_ARCHITECTURE)]
        for name in spec.package.files if spec.package else ():
            problem = _foreign_build(name, spec.runtime, machine)
            # What pip has installed fits this run's target.
            if problem and spec.package and name not in spec.package.installed:
                version = spec.runtime.removeprefix("python")
                yield (
                    f"function.source holds {name}, built for {problem}, but the function runs {spec.runtime} on Linux "
                    f"{machine}. Its import will fail. Name its package in function.requirements, or install for the "
                    f"function: pip install --only-binary=:all: --python-version {version} --platform "
                    f"manylinux2014_{machine} --target FOLDER PACKAGE"
                )
                return  # one of many such files says it all

    def observe(self, aws: Aws, spec: FunctionSpec) -> Observed | None:
        response = none_if_not_found(lambda: aws.client("lambda").get_function(FunctionName=spec.name))
        if response is None or response["Configuration"].get("State") == "Deleting":
            return None
        configuration = response["Configuration"]
        if spec.key:
            facts = {"state": failure(configuration) or _READY, "timeout": configuration["Timeout"]}
            return Observed(configuration["FunctionArn"], facts, {})
        tags = _tags(response)
        attributes = {
            "code": _observed_code(response, spec),
            "role": configuration["Role"],
            "handler": configuration.get("Handler", ""),  # a container image has neither
            "runtime": configuration.get("Runtime", ""),
            "timeout": configuration["Timeout"],
            "memory": configuration["MemorySize"],
            "environment": _comparable(_variables(configuration)),
            "state": failure(configuration) or _READY,
            "tags": our_tags(spec.tags, tags),
            **{name: value for name, value in _observed_settings(response).items() if name in spec.settings},
        } | ({"role_id": tags[ROLE_ID_TAG]} if ROLE_ID_TAG in tags else {})
        return Observed(configuration["FunctionArn"], attributes, tags, ready=is_idle(configuration))

    def create(self, aws: Aws, spec: FunctionSpec) -> str:
        """A function that is being deleted counts as absent, but keeps its name until the deletion ends."""
        try:
            arn = self._create(aws, spec)
        except ClientError as error:
            if error_code(error) != "ResourceConflictException" or state(aws, spec.name) not in ("Deleting", "gone"):
                raise
            wait_until_deleted(aws, spec.name)
            arn = self._create(aws, spec)
        wait_until_active(aws, spec.name)
        if "reserved_concurrency" in spec.settings:
            self._reserve(aws.client("lambda"), spec)
        return arn

    def _create(self, aws: Aws, spec: FunctionSpec) -> str:
        client, tags, code = aws.client("lambda"), _all_tags(aws, spec), _upload(aws, spec)
        response = aws.retrier.call(
            ROLE_NOT_READY,
            lambda: client.create_function(
                FunctionName=spec.name,
                Code=code,
                PackageType=_package_type(spec),
                Tags=tags,
                **_machines(spec, {}),
                **_configuration(spec),
            ),
        )
        return str(response["FunctionArn"])

    def update(self, aws: Aws, spec: FunctionSpec, observed: Observed, changes: tuple[Change, ...]) -> None:
        """Write the code, then the configuration, and wait after each: Lambda refuses simultaneous changes."""
        client = aws.client("lambda")
        # Not until it is active: its failure may be what is to be fixed.
        configuration = wait_until_idle(aws, spec.name)
        if configuration.get("PackageType", "Zip") != _package_type(spec):
            raise RefusedError(
                f"Lambda cannot turn a function from package type {configuration['PackageType']} into "
                f"{_package_type(spec)}.",
                f"Delete the function {spec.name} and run again, or choose another `function.name`.",
            )
        configured = touches(
            changes, "role", "handler", "runtime", "timeout", "memory", "environment", "state", *_OPTIONS
        )
        if touches(changes, "code", "architecture", "state"):
            code, machines = _upload(aws, spec), _machines(spec, configuration)
            aws.retrier.call(
                UPDATE_IN_PROGRESS,
                lambda: client.update_function_code(FunctionName=spec.name, **code, **machines),
            )
            # If the code fails because of the configuration, that is written next.
            wait = wait_until_idle if configured else wait_until_active
            wait(aws, spec.name)
        recreated = any(change.path == "role_id" and change.old is not MISSING for change in changes)
        if recreated and not touches(changes, "role"):
            self._renew_grant(aws, client, spec)
        elif configured:
            self._configure(aws, client, spec)
            wait_until_active(aws, spec.name)
        if touches(changes, "reserved_concurrency"):
            self._reserve(client, spec)
        if touches(changes, "tags", "role_id"):
            client.tag_resource(Resource=observed.identity, Tags=_all_tags(aws, spec))

    def _reserve(self, client: Any, spec: FunctionSpec) -> None:
        client.put_function_concurrency(
            FunctionName=spec.name, ReservedConcurrentExecutions=spec.settings["reserved_concurrency"]
        )

    def _renew_grant(self, aws: Aws, client: Any, spec: FunctionSpec) -> None:
        """Give the function a role without rights, and then its own again, in its configuration as it should be."""
        iam, name = aws.client("iam"), f"{spec.managed_role[:_ROOM_FOR_ROLE]}-renewal"
        trust = {"Effect": "Allow", "Action": ["sts:AssumeRole"], "Principal": {"Service": ["lambda.amazonaws.com"]}}
        boundary = {"PermissionsBoundary": spec.permissions_boundary} if spec.permissions_boundary else {}
        role = none_if_not_found(lambda: iam.get_role(RoleName=name)) or iam.create_role(
            RoleName=name,
            Path=spec.iam_path,
            AssumeRolePolicyDocument=to_json(document(trust)),
            Tags=tag_list(spec.tags),
            **boundary,
        )
        try:
            for arn in (role["Role"]["Arn"], spec.role_arn):
                self._configure(aws, client, replace(spec, role_arn=arn))
                wait_until_active(aws, spec.name)
        finally:
            ignore_not_found(lambda: iam.delete_role(RoleName=name))

    def _configure(self, aws: Aws, client: Any, spec: FunctionSpec) -> None:
        def write() -> Any:
            return client.update_function_configuration(FunctionName=spec.name, **_configuration(spec))

        aws.retrier.call(ROLE_NOT_READY, lambda: aws.retrier.call(UPDATE_IN_PROGRESS, write))

    def wait_until_ready(self, aws: Aws, spec: FunctionSpec, observed: Observed) -> None:
        """Wait until Lambda accepts invocations."""
        wait_until_active(aws, spec.name)

    def delete(self, aws: Aws, spec: FunctionSpec, observed: Observed) -> None:
        ignore_not_found(lambda: aws.client("lambda").delete_function(FunctionName=spec.name))


def _all_tags(aws: Aws, spec: FunctionSpec) -> dict[str, str]:
    """Returns the tags of the deployment and, for a managed role, the tag with the role's id as it is now."""
    if not spec.managed_role:
        return dict(spec.tags)
    role_id = spec.role_id or aws.client("iam").get_role(RoleName=spec.managed_role)["Role"]["RoleId"]
    return {**spec.tags, ROLE_ID_TAG: role_id}


def _foreign_build(name: str, runtime: str, machine: str) -> str | None:
    """Returns what a compiled module was built for, where the function's runtime cannot load it."""
    built = _COMPILED.search(name)
    if built is None:
        return None
    version = f"3.{built['minor']}" if built["minor"] else ""
    platform = built["platform"] or ""
    if version and runtime != f"python{version}":
        return f"Python {version}"
    if platform and platform != f"{machine}-linux-gnu":
        return platform
    return None


def _tags(response: Mapping[str, Any]) -> dict[str, str]:
    """Returns the tags. A caller who may not read them gets an error in their place, not a function without tags."""
    _check(response.get("TagsError"), "tags", "lambda:ListTags must be allowed")
    return dict(response.get("Tags", {}))


def _variables(configuration: Mapping[str, Any]) -> dict[str, str]:
    """Returns the environment. A caller who may not use its KMS key gets an error in its place."""
    environment = configuration.get("Environment", {})
    _check(environment.get("Error"), "environment", "kms:Decrypt must be allowed for its key")
    return dict(environment.get("Variables", {}))


def _check(problem: Mapping[str, str] | None, what: str, needed: str) -> None:
    if problem:
        raise AwsError(
            f"GetFunction did not return the {what}: {problem.get('ErrorCode')}: {problem.get('Message')}",
            f"{needed}; docs/reference/permissions.md lists what the caller needs.",
        )


def _code(sha256: str, files: Mapping[str, str]) -> dict[str, Any]:
    return {"sha256": sha256, "files": {name: digest[:12] for name, digest in files.items()}}


def _package_type(spec: FunctionSpec) -> str:
    return "Image" if spec.image_uri else "Zip"


def _desired_code(spec: FunctionSpec) -> dict[str, Any] | None:
    if spec.image_uri:
        return {"image": spec.image_uri}
    return _code(spec.package.sha256, spec.package.files) if spec.package else None


def _observed_code(response: Mapping[str, Any], spec: FunctionSpec) -> dict[str, Any] | None:
    """Returns the code file by file, or its image. The zip is fetched only if its hash differs."""
    if spec.image_uri:
        return {"image": response.get("Code", {}).get("ImageUri", "")}
    if spec.package is None:
        return None
    sha256 = response["Configuration"]["CodeSha256"]
    content = None if sha256 == spec.package.sha256 else fetch(response.get("Code", {}).get("Location", ""))
    files = file_hashes(content) if content else spec.package.files
    # Another version of zlib gives other bytes for the same files.
    is_same_code = content is not None and files == spec.package.files
    return _code(spec.package.sha256 if is_same_code else sha256, files)


def _configuration(spec: FunctionSpec) -> dict[str, Any]:
    in_a_zip = {} if spec.image_uri else {"Handler": spec.handler, "Runtime": spec.runtime}
    options = {
        name: convert(spec.settings[setting])
        for setting, (name, convert) in _OPTIONS.items()
        if setting in spec.settings
    }
    return {
        "Role": spec.role_arn,
        **in_a_zip,
        "Timeout": spec.timeout,
        "MemorySize": spec.memory,
        "Environment": {"Variables": dict(spec.environment)},
        **options,
    }


def _settings(function: FunctionConfig, is_worker: bool) -> dict[str, Any]:
    """Returns the optional settings that the configuration names. Workers have a limit of their own."""
    vpc = function.vpc
    settings = {
        "architecture": function.architecture,
        "layers": None if function.layers is None else list(function.layers),
        "vpc": None if vpc is None else _network(vpc.subnet_ids, vpc.security_group_ids),
        "ephemeral_storage": function.ephemeral_storage,
        "reserved_concurrency": None if is_worker else function.reserved_concurrency,
        "tracing": function.tracing,
        "kms_key": function.kms_key,
    }
    return {name: value for name, value in settings.items() if value is not None}


def _observed_settings(response: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the optional settings as GetFunction has them, in the form of `_settings`."""
    configuration = response["Configuration"]
    vpc = configuration.get("VpcConfig", {})
    return {
        "architecture": configuration.get("Architectures", [_DEFAULT_ARCHITECTURE])[0],
        "layers": [layer["Arn"] for layer in configuration.get("Layers", [])],
        "vpc": _network(vpc.get("SubnetIds", []), vpc.get("SecurityGroupIds", [])),
        "ephemeral_storage": configuration.get("EphemeralStorage", {}).get("Size", _DEFAULT_STORAGE),
        "reserved_concurrency": response.get("Concurrency", {}).get("ReservedConcurrentExecutions"),
        "tracing": configuration.get("TracingConfig", {}).get("Mode", "PassThrough"),
        "kms_key": configuration.get("KMSKeyArn", ""),
    }


def _network(subnets: Iterable[str], security_groups: Iterable[str]) -> dict[str, list[str]]:
    """Returns a VPC's settings; AWS does not keep their order."""
    return {"subnet_ids": sorted(subnets), "security_group_ids": sorted(security_groups)}


def _machines(spec: FunctionSpec, configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the processor for a call that writes code. Lambda takes x86_64 where it is left out."""
    if "architecture" in spec.settings:
        return {"Architectures": [spec.settings["architecture"]]}
    return {"Architectures": configuration["Architectures"]} if configuration.get("Architectures") else {}


def _upload(aws: Aws, spec: FunctionSpec) -> dict[str, Any]:
    """Returns the code as Lambda takes it. A large zip is put into the bucket first, unless it is there already."""
    if spec.image_uri:
        return {"ImageUri": spec.image_uri}
    if spec.package is None:
        raise AwsError(f"The zip of {spec.name} was not built.")
    if not spec.package.is_large:
        return {"ZipFile": spec.package.content}
    digest = base64.b64decode(spec.package.sha256).hex()
    key = f"{spec.code_prefix}{digest}.zip"
    place, s3 = {"Bucket": spec.code_bucket, "Key": key}, aws.client("s3")
    head = none_if_not_found(lambda: s3.head_object(**place, ChecksumMode="ENABLED"))
    if head is None or stored_sha256(head) != spec.package.sha256:
        content = spec.package.content
        put = partial(s3.put_object, **place, Body=content, ChecksumAlgorithm="SHA256", ContentType="application/zip")
        aws.retrier.call(NOT_YET_KNOWN, put)
    return {"S3Bucket": spec.code_bucket, "S3Key": key}


def _comparable(variables: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables, with account and name for a queue's URL: its host and port may be written differently."""
    return {
        name: "/".join(value.split("/")[-2:]) if name in _QUEUE_VARIABLES else value
        for name, value in variables.items()
    }
