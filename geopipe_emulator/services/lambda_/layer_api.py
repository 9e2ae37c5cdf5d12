"""The operations on layers, and the layers that functions ask for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ...protocol.errors import ServiceError
from ...service import Environment, Handler, RequestContext
from . import packages
from .downloads import Downloads
from .layers import MAX_LAYERS, LayerStore, LayerVersion, describe
from .packages import DeploymentPackage
from .paging import page

_PAGE = 50
_LAYER = re.compile(
    r"(?:arn:aws[a-z-]*:lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):layer:)?"
    r"(?P<name>[a-zA-Z0-9_-]{1,140})(?::(?P<number>\d+))?"
)


class LayerApi:
    def __init__(self, environment: Environment, layers: LayerStore, downloads: Downloads) -> None:
        self._environment = environment
        self._layers = layers
        self._downloads = downloads

    @property
    def operations(self) -> Mapping[str, Handler]:
        return {
            "PublishLayerVersion": self.publish,
            "GetLayerVersion": self.get,
            "GetLayerVersionByArn": self.get_by_arn,
            "ListLayers": self.list_layers,
            "ListLayerVersions": self.list_versions,
            "DeleteLayerVersion": self.delete,
        }

    def publish(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        name = _named(request["LayerName"], context)["name"]
        package = packages.from_request(request["Content"], "PublishLayerVersion", self._s3(context))
        layer = LayerVersion(
            region=context.region,
            name=name,
            layer_arn=f"arn:{context.partition}:lambda:{context.region}:{context.account_id}:layer:{name}",
            number=self._layers.take_number(context.region, name),
            package=package,
            description=request.get("Description") or "",
            runtimes=tuple(request.get("CompatibleRuntimes") or ()),
            architectures=tuple(request.get("CompatibleArchitectures") or ()),
            license=request.get("LicenseInfo") or "",
        )
        self._layers.add(layer)
        return self._describe_with_content(layer)

    def get(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        name, number = _named(request["LayerName"], context)["name"], int(request["VersionNumber"])
        layer = self._layers.find(context.region, name, number)
        if layer is None:
            raise ServiceError("ResourceNotFoundException", "The resource you requested does not exist.", 404)
        return self._describe_with_content(layer)

    def get_by_arn(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        parts = _named(request["Arn"], context)
        return self.get({"LayerName": parts["name"], "VersionNumber": parts["number"] or 0}, context)

    def list_layers(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        """Return each layer with its newest version that is compatible."""
        newest: dict[str, LayerVersion] = {}
        for layer in self._compatible(self._layers.in_region(context.region), request):
            newest.setdefault(layer.name, layer)
        limit = min(request.get("MaxItems") or _PAGE, _PAGE)
        items, marker = page(list(newest.values()), lambda layer: layer.name, request.get("Marker"), limit)
        response: dict[str, Any] = {
            "Layers": [
                {"LayerName": layer.name, "LayerArn": layer.layer_arn, "LatestMatchingVersion": describe(layer)}
                for layer in items
            ]
        }
        return response | ({"NextMarker": marker} if marker else {})

    def list_versions(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        name = _named(request["LayerName"], context)["name"]
        versions = [layer for layer in self._layers.in_region(context.region) if layer.name == name]
        limit = min(request.get("MaxItems") or _PAGE, _PAGE)
        # The newest first.
        items, marker = page(
            self._compatible(versions, request),
            lambda layer: f"{10**12 - layer.number:012}",
            request.get("Marker"),
            limit,
        )
        response: dict[str, Any] = {"LayerVersions": [describe(layer) for layer in items]}
        return response | ({"NextMarker": marker} if marker else {})

    def delete(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        """Delete a version. Functions that have it keep it, as on AWS."""
        self._layers.remove(context.region, _named(request["LayerName"], context)["name"], request["VersionNumber"])
        return {}

    def named(self, arns: Iterable[str], context: RequestContext) -> tuple[LayerVersion, ...]:
        """Return the versions with these ARNs, in their order. Raises AWS's error for what a function cannot have."""
        found: list[LayerVersion] = []
        for arn in arns:
            parts = _named(arn, context)
            if not arn.startswith("arn:") or parts["number"] is None:
                raise _invalid(f"{arn} is not the ARN of a version of a layer")
            layer = self._layers.find(context.region, str(parts["name"]), int(parts["number"]))
            if layer is None:
                raise _invalid(f"Layer version {arn} does not exist.")
            if layer.name in [other.name for other in found]:
                raise _invalid(f"Two different versions of the same layer are not allowed to be referenced: {arn}")
            found.append(layer)
        if len(found) > MAX_LAYERS:
            raise _invalid(f"Cannot reference more than {MAX_LAYERS} layers.")
        return tuple(found)

    def _describe_with_content(self, layer: LayerVersion) -> dict[str, Any]:
        content = {
            "Location": self._downloads.url_of(layer.package),
            "CodeSha256": layer.package.sha256,
            "CodeSize": layer.package.size,
        }
        return describe(layer) | {"LayerArn": layer.layer_arn, "Content": content}

    def _compatible(self, layers: Iterable[LayerVersion], request: Mapping[str, Any]) -> list[LayerVersion]:
        runtime, architecture = request.get("CompatibleRuntime"), request.get("CompatibleArchitecture")
        return [
            layer
            for layer in layers
            if (not runtime or runtime in layer.runtimes) and (not architecture or architecture in layer.architectures)
        ]

    def _s3(self, context: RequestContext) -> Callable[[], Any]:
        return lambda: self._environment.client("s3", context.region)


def check_size(package: DeploymentPackage, layers: Iterable[LayerVersion]) -> None:
    """Raise AWS's error if a function and its layers are too large when they are unpacked."""
    size = sum(packages.unzipped_size(each) for each in (package, *(layer.package for layer in layers)))
    if size > packages.UNZIPPED_LIMIT:
        raise _invalid(
            f"Function code combined with layers exceeds the maximum allowed size of {packages.UNZIPPED_LIMIT} bytes. "
            f"The actual size is {size} bytes."
        )


def _named(spelling: str, context: RequestContext) -> Mapping[str, Any]:
    """Return the parts of a layer's name or ARN, which must be of the caller's account and region."""
    match = _LAYER.fullmatch(spelling)
    if match is None:
        raise _invalid(f"{spelling!r} is not the name or the ARN of a layer")
    if match["region"] and (match["region"], match["account"]) != (context.region, context.account_id):
        raise ServiceError(
            "AccessDeniedException",
            f"{spelling} is in another account or region; the emulator knows layers of {context.account_id} in "
            f"{context.region} only. Publish a copy of it.",
            403,
        )
    return match.groupdict()


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValueException", message)
