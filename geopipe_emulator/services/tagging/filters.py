"""The filters of GetResources. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...protocol.errors import ServiceError

_TYPE = re.compile(r"[a-z0-9-]+(:[A-Za-z0-9/_-]+)?")
_MOST_TYPES = 100


@dataclass(frozen=True)
class TagFilter:
    """Accepts resources that have the tag `key`, with one of `values` if there are any."""

    key: str
    values: frozenset[str]

    def accepts(self, tags: Mapping[str, str]) -> bool:
        return self.key in tags and (not self.values or tags[self.key] in self.values)


def read_tag_filters(request: Mapping[str, Any]) -> tuple[TagFilter, ...]:
    """Return the filters of a request, all of which a resource must satisfy."""
    filters = []
    for tag_filter in request.get("TagFilters", ()):
        if "Key" not in tag_filter:
            raise invalid("Each TagFilter must have a Key.")
        filters.append(TagFilter(tag_filter["Key"], frozenset(tag_filter.get("Values", ()))))
    return tuple(filters)


def read_type_filters(request: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the types of a request, `service` or `service:resourceType`. None means every type."""
    types: tuple[str, ...] = tuple(request.get("ResourceTypeFilters", ()))
    if len(types) > _MOST_TYPES:
        raise invalid(f"At most {_MOST_TYPES} ResourceTypeFilters may be given, not {len(types)}.")
    for type_filter in types:
        if not _TYPE.fullmatch(type_filter):
            raise invalid(f"ResourceTypeFilters: {type_filter!r} is not of the form service[:resourceType].")
    return types


def accepts_type(filters: tuple[str, ...], resource_type: str) -> bool:
    """Return whether the filters accept `resource_type`, such as "sqs:queue"."""
    service = resource_type.partition(":")[0]
    return not filters or service in filters or resource_type in filters


def invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterException", message)
