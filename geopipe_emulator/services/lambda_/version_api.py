"""The operations on published versions: publish and list. GetFunction and DeleteFunction know versions, too."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from ...protocol.errors import ServiceError
from ...service import Handler, RequestContext
from . import names
from .paging import page
from .store import FunctionRecord, FunctionStore, describe, refuse_changed, refuse_in_transition
from .versions import Versions

# botocore allows more, but AWS returns at most this many.
_PAGE = 50


class VersionApi:
    def __init__(
        self, functions: FunctionStore, versions: Versions, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._functions = functions
        self._versions = versions
        self._clock = clock

    @property
    def operations(self) -> Mapping[str, Handler]:
        return {"PublishVersion": self.publish_version, "ListVersionsByFunction": self.list}

    def publish_version(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        if request.get("PublishTo"):
            raise ServiceError("InvalidParameterValueException", "PublishTo is not emulated")
        with self._functions.lock:
            latest = self._latest(request, context)
            refuse_in_transition(latest, self._clock())
            refuse_changed(request.get("RevisionId"), latest.revision(self._clock()))
            if request.get("CodeSha256") not in (None, latest.package.sha256):
                message = (
                    f"CodeSHA256 ({request['CodeSha256']}) is different from current CodeSHA256 in $LATEST "
                    f"({latest.package.sha256}). Please try again with the CodeSHA256 in $LATEST."
                )
                raise ServiceError("InvalidParameterValueException", message)
            version = self.publish(latest, request.get("Description"))
        return describe(version, self._clock(), version.version)

    def publish(self, latest: FunctionRecord, description: str | None = None) -> FunctionRecord:
        """Return the version that is published for the latest one. The caller holds the lock of the functions."""
        if description is None:
            description = latest.configuration.description
        version, is_new = self._functions.publish(latest, description)
        if is_new:
            self._versions.deploy(version)
        return version

    def list(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        versions = self._functions.versions(self._latest(request, context).key)
        limit = min(request.get("MaxItems") or _PAGE, _PAGE)
        items, marker = page(versions, lambda version: version.key.rank, request.get("Marker"), limit)
        now = self._clock()
        response: dict[str, Any] = {"Versions": [describe(version, now, version.version) for version in items]}
        return response | ({"NextMarker": marker} if marker else {})

    def _latest(self, request: dict[str, Any], context: RequestContext) -> FunctionRecord:
        key = names.parse(request["FunctionName"], context).key
        function = self._functions.find(key)
        if function is None:
            raise names.not_found(names.function_arn(key.name, context))
        return function
