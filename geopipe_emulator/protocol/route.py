"""Finds the operation of a service model that a request calls, in REST and JSON protocols. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from botocore.model import OperationModel, ServiceModel

from ..http.request import Request

_LABEL = re.compile(r"\{(?P<name>[^}+]+)(?P<greedy>\+?)\}")


@dataclass(frozen=True)
class Match:
    operation: OperationModel
    labels: Mapping[str, str]


@dataclass(frozen=True)
class _Route:
    name: str
    path: re.Pattern[str]
    labels: tuple[str, ...]
    query: tuple[tuple[str, str], ...]
    needed_query: frozenset[str]
    needed_headers: frozenset[str]
    literal_length: int

    def accepts(self, request: Request) -> bool:
        if not self.needed_query <= request.query.keys():
            return False
        if any(not request.header(name) for name in self.needed_headers):
            return False
        # A bare `?policy` in the model means presence; `?list-type=2` means that value.
        return all(name in request.query and (not value or value in request.query[name]) for name, value in self.query)

    @property
    def rank(self) -> tuple[int, int]:
        return (self.literal_length, len(self.query) * 2 + len(self.needed_query) + len(self.needed_headers))


class RestRouter:
    """Routes by method, raw path and query, the most specific operation first."""

    def __init__(self, model: ServiceModel) -> None:
        self._model = model
        self._routes: dict[str, list[_Route]] = {}
        for name in model.operation_names:
            operation = model.operation_model(name)
            self._routes.setdefault(operation.http["method"], []).append(_route(operation))
        for routes in self._routes.values():
            routes.sort(key=lambda route: route.rank, reverse=True)

    def match(self, request: Request) -> Match | None:
        for route in self._routes.get(request.method, ()):
            path = route.path.fullmatch(request.path)
            if path and route.accepts(request):
                labels = dict(zip(route.labels, map(unquote, path.groups()), strict=True))
                return Match(self._model.operation_model(route.name), labels)
        return None


class TargetRouter:
    """Routes by the X-Amz-Target header."""

    def __init__(self, model: ServiceModel) -> None:
        self._model = model
        self._prefix = model.metadata["targetPrefix"] + "."

    def match(self, request: Request) -> Match | None:
        target = request.header("X-Amz-Target")
        name = target.removeprefix(self._prefix)
        if not target.startswith(self._prefix) or name not in self._model.operation_names:
            return None
        return Match(self._model.operation_model(name), {})


def router_for(model: ServiceModel) -> RestRouter | TargetRouter:
    return TargetRouter(model) if model.metadata["protocol"] == "json" else RestRouter(model)


def _route(operation: OperationModel) -> _Route:
    path, _, query = operation.http["requestUri"].partition("?")
    needed: dict[str, set[str]] = {"querystring": set(), "header": set()}
    shape = operation.input_shape
    for name in shape.required_members if shape else ():
        serialization = shape.members[name].serialization
        if serialization.get("location") in needed:
            needed[serialization["location"]].add(serialization.get("name", name))
    # In a REST-JSON service a missing required member is a validation error, not another route. In S3 it is what
    # distinguishes UploadPart from PutObject.
    distinguishes = operation.service_model.metadata["protocol"] == "rest-xml"
    return _Route(
        name=operation.name,
        path=_path_pattern(path),
        labels=tuple(label["name"] for label in _LABEL.finditer(path)),
        query=tuple(parse_qsl(query, keep_blank_values=True)),
        needed_query=frozenset(needed["querystring"] if distinguishes else ()),
        needed_headers=frozenset(needed["header"] if distinguishes else ()),
        literal_length=len(_LABEL.sub("", path)),
    )


def _path_pattern(path: str) -> re.Pattern[str]:
    pattern, position = "", 0
    for label in _LABEL.finditer(path):
        pattern += re.escape(path[position : label.start()])
        pattern += "(.+)" if label["greedy"] else "([^/]+)"
        position = label.end()
    return re.compile(pattern + re.escape(path[position:].rstrip("/")) + "/?")
