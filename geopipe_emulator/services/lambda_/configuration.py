"""A function's settings: from a request to a checked `Configuration`. It calls no other service."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ...protocol.errors import ServiceError
from .runtimes import runtime_for
from .store import Configuration

MAX_TIMEOUT = 900
MAX_MEMORY = 10_240
MAX_ENVIRONMENT_BYTES = 4096
RESERVED_VARIABLES = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
    }
)
# They would have no effect here and a large one on AWS, so they are refused by name.
_NOT_EMULATED = (
    "VpcConfig",
    "FileSystemConfigs",
    "ImageConfig",
    "CodeSigningConfigArn",
    "TenancyConfig",
    "CapacityProviderConfig",
    "DurableConfig",
    "PublishTo",
)
_FIELDS = {
    "Runtime": "runtime",
    "Handler": "handler",
    "Role": "role",
    "Timeout": "timeout",
    "MemorySize": "memory_size",
    "Description": "description",
    "KMSKeyArn": "kms_key_arn",
}


def of_new_function(request: Mapping[str, Any]) -> Configuration:
    if request.get("PackageType", "Zip") != "Zip":
        raise ServiceError("InvalidParameterValueException", "Container images are not emulated; use PackageType Zip")
    if not request.get("Runtime") or not request.get("Handler"):
        message = "Runtime and Handler are mandatory parameters for functions created with deployment packages."
        raise ServiceError("InvalidParameterValueException", message)
    bare = Configuration(runtime=request["Runtime"], handler=request["Handler"], role=request["Role"])
    return changed(bare, request)


def changed(configuration: Configuration, request: Mapping[str, Any]) -> Configuration:
    """Return the configuration with the settings of a request, checked. Settings that it leaves out stay."""
    refuse_unsupported(request)
    changes: dict[str, Any] = {name: request[key] for key, name in _FIELDS.items() if request.get(key) is not None}
    if "Environment" in request:
        # An empty Environment removes the variables.
        changes["environment"] = request["Environment"].get("Variables")
    if "DeadLetterConfig" in request:
        # An empty ARN removes the queue or topic.
        changes["dead_letter_arn"] = request["DeadLetterConfig"].get("TargetArn") or None
    if request.get("EphemeralStorage"):
        changes["ephemeral_storage"] = request["EphemeralStorage"]["Size"]
    if request.get("LoggingConfig"):
        changes["logging"] = request["LoggingConfig"]
    if request.get("TracingConfig"):
        changes["tracing_mode"] = request["TracingConfig"].get("Mode", "PassThrough")
    result = replace(configuration, **changes)
    _check(result)
    return result


def refuse_unsupported(request: Mapping[str, Any]) -> None:
    for name in _NOT_EMULATED:
        value = request.get(name)
        if any(value.values()) if isinstance(value, Mapping) else value:
            raise ServiceError("InvalidParameterValueException", f"{name} is not emulated")
    if (request.get("SnapStart") or {}).get("ApplyOn", "None") != "None":
        raise ServiceError("InvalidParameterValueException", "SnapStart is not emulated")


def _check(configuration: Configuration) -> None:
    runtime_for(configuration.runtime)
    _check_at_most("timeout", configuration.timeout, MAX_TIMEOUT)
    _check_at_most("memorySize", configuration.memory_size, MAX_MEMORY)
    _check_environment(configuration.environment or {})


def _check_at_most(name: str, value: int, limit: int) -> None:
    if value > limit:
        message = (
            f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: "
            f"Member must have value less than or equal to {limit}"
        )
        raise ServiceError("ValidationException", message)


def _check_environment(variables: Mapping[str, str]) -> None:
    prefix = (
        "Lambda was unable to configure your environment variables because the environment variables you have provided "
    )
    reserved = sorted(RESERVED_VARIABLES & variables.keys())
    if reserved:
        message = (
            f"{prefix}contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
        raise ServiceError("InvalidParameterValueException", message)
    measured = json.dumps(dict(variables), ensure_ascii=False, separators=(",", ":"))
    if len(measured.encode()) > MAX_ENVIRONMENT_BYTES:
        message = f"{prefix}exceeded the 4KB limit. String measured: {measured}"
        raise ServiceError("InvalidParameterValueException", message)
