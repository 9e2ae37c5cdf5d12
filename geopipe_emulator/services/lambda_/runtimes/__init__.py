"""The runtimes that functions can have. A new one is a module here and a line in `_RUNTIMES`."""

from __future__ import annotations

import hashlib

from ....protocol.errors import ServiceError
from .base import RuntimeFamily
from .custom import CustomRuntime
from .nodejs import NodeRuntime
from .python import PythonRuntime

_RUNTIMES: tuple[RuntimeFamily, ...] = (PythonRuntime(), NodeRuntime(), CustomRuntime())


def runtime_for(name: str) -> RuntimeFamily:
    """Return the runtime of AWS's name, such as python3.12.

    Raises:
        ServiceError: the emulator has no such runtime, or this machine cannot run it.
    """
    for runtime in _RUNTIMES:
        if runtime.has(name):
            problem = runtime.problem(name)
            if problem:
                raise ServiceError("InvalidParameterValueException", problem)
            return runtime
    names = ", ".join(runtime.names for runtime in _RUNTIMES)
    message = f"Runtime {name} is not emulated: functions run on this machine's programs, so {names} only"
    raise ServiceError("InvalidParameterValueException", message)


def runtime_version_arn(name: str, function_arn: str) -> str:
    """Return the ARN of the version of a runtime, in the region of a function. A digest stands for AWS's version."""
    _, partition, _, region, *_ = function_arn.split(":")
    digest = hashlib.sha256(name.encode()).hexdigest()
    return f"arn:{partition}:lambda:{region}::runtime:{digest}"
