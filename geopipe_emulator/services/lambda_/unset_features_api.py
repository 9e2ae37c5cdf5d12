"""Operations on features that no function has here. They say so as AWS does, and refuse to set them.

Tools call them at each refresh: Terraform, for instance, reads the recursion configuration of every function.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...protocol.errors import ServiceError
from ...service import Handler, RequestContext
from . import names
from .aliases import AliasStore
from .store import FunctionStore

_MAX_CONCURRENCY = 1000
_MAX_CODE_BYTES = 75 * 1024**3
_MAX_UNZIPPED_BYTES = 250 * 1024**2
_MAX_ZIPPED_BYTES = 50 * 1024**2


class UnsetFeaturesApi:
    """Provisioned concurrency, code signing, recursion and runtime modes; and the limits of the account."""

    def __init__(self, functions: FunctionStore, aliases: AliasStore) -> None:
        self._functions = functions
        self._aliases = aliases

    @property
    def operations(self) -> Mapping[str, Handler]:
        return {
            "GetAccountSettings": self.get_account_settings,
            "GetProvisionedConcurrencyConfig": self.get_provisioned,
            "ListProvisionedConcurrencyConfigs": self.list_provisioned,
            "ListCodeSigningConfigs": lambda request, context: {"CodeSigningConfigs": []},
            "DeleteFunctionCodeSigningConfig": self.delete_code_signing,
            "GetFunctionRecursionConfig": self.get_recursion,
            "PutFunctionRecursionConfig": self.put_recursion,
            "PutRuntimeManagementConfig": self.put_runtime_management,
        }

    def get_account_settings(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        functions = self._functions.in_region(context.region)
        versions = [version for function in functions for version in self._functions.versions(function.key)]
        reserved = sum(function.reserved_concurrency or 0 for function in functions)
        return {
            "AccountLimit": {
                "TotalCodeSize": _MAX_CODE_BYTES,
                "CodeSizeUnzipped": _MAX_UNZIPPED_BYTES,
                "CodeSizeZipped": _MAX_ZIPPED_BYTES,
                "ConcurrentExecutions": _MAX_CONCURRENCY,
                "UnreservedConcurrentExecutions": max(0, _MAX_CONCURRENCY - reserved),
            },
            "AccountUsage": {
                "TotalCodeSize": sum(version.package.size for version in versions),
                "FunctionCount": len(functions),
            },
        }

    def get_provisioned(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        self._require(request, context)
        message = "No Provisioned Concurrency Config found for this function"
        raise ServiceError("ProvisionedConcurrencyConfigNotFoundException", message, 404)

    def list_provisioned(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        self._require(request, context)
        return {"ProvisionedConcurrencyConfigs": []}

    def delete_code_signing(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        self._require(request, context)
        return {}

    def get_recursion(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        self._require(request, context)
        return {"RecursiveLoop": "Terminate"}

    def put_recursion(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        self._require(request, context)
        if request["RecursiveLoop"] != "Terminate":
            raise ServiceError("InvalidParameterValueException", "RecursiveLoop Allow is not emulated")
        return {"RecursiveLoop": "Terminate"}

    def put_runtime_management(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        function_arn = self._require(request, context)
        if request["UpdateRuntimeOn"] != "Auto":
            message = (
                f"UpdateRuntimeOn {request['UpdateRuntimeOn']} is not emulated: functions run on this machine's version"
            )
            raise ServiceError("InvalidParameterValueException", message)
        return {"UpdateRuntimeOn": "Auto", "FunctionArn": function_arn}

    def _require(self, request: Mapping[str, Any], context: RequestContext) -> str:
        """Return the ARN of the function, version or alias that a request names; raise AWS's error if there is none."""
        name = names.requested(request, context)
        arn = names.function_arn(name.key.name, context, name.qualifier)
        if self._aliases.find(name) is None:
            raise names.not_found(arn)
        return arn
