"""Tags of functions and mappings, by ARN."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ...protocol.errors import ServiceError
from ...service import Handler, RequestContext
from . import names
from .mappings import MappingStore
from .store import FunctionStore

MAX_TAGS = 50
_MAPPING = ":event-source-mapping:"
Change = Callable[[dict[str, str]], dict[str, str]]


def checked(tags: Mapping[str, str]) -> dict[str, str]:
    if any(key.lower().startswith("aws:") for key in tags):
        raise ServiceError("InvalidParameterValueException", "Tag keys cannot start with aws:")
    if len(tags) > MAX_TAGS:
        raise ServiceError("InvalidParameterValueException", f"A resource can have at most {MAX_TAGS} tags")
    return dict(tags)


class TagApi:
    def __init__(self, functions: FunctionStore, mappings: MappingStore, clock: Callable[[], float]) -> None:
        self._functions = functions
        self._mappings = mappings
        self._clock = clock

    @property
    def operations(self) -> Mapping[str, Handler]:
        return {"TagResource": self.tag, "UntagResource": self.untag, "ListTags": self.list}

    def tag(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        self._change(request["Resource"], context, lambda tags: checked(tags | request["Tags"]))
        return {}

    def untag(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        gone = set(request["TagKeys"])
        self._change(request["Resource"], context, lambda tags: {key: tags[key] for key in tags if key not in gone})
        return {}

    def list(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        return {"Tags": self._change(request["Resource"], context, dict)}

    def _change(self, arn: str, context: RequestContext, change: Change) -> dict[str, str]:
        """Change the tags of the resource `arn` and return the new ones."""
        if _MAPPING in arn:
            return self._change_mapping(arn, context, change)
        name = names.parse(arn, context)
        with self._functions.lock:
            function = self._functions.find(name.key)
            if function is None:
                raise names.not_found(arn)
            function = replace(function, tags=change(dict(function.tags)))
            self._functions.put(function)
            return dict(function.tags)

    def _change_mapping(self, arn: str, context: RequestContext, change: Change) -> dict[str, str]:
        with self._mappings.lock:
            mapping = self._mappings.find(context.region, arn.rsplit(":", 1)[-1], self._clock())
            if mapping is None or mapping.arn != arn:
                raise ServiceError("ResourceNotFoundException", "The resource you requested does not exist.", 404)
            mapping = replace(mapping, tags=change(dict(mapping.tags)))
            self._mappings.put(mapping)
            return dict(mapping.tags)
