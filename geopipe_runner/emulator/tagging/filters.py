"""What GetResources is asked to leave out. Pure: requests in, yes or no for a resource out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ServiceError

_TYPE = re.compile(r"[a-z0-9-]+(:[A-Za-z0-9/_-]+)?")
_MOST_TYPES = 100


@dataclass(frozen=True)
class TagFilter:
    """Has the tag `key`, with one of `values` if any are given."""

    key: str
    values: frozenset[str]

    def accepts(self, tags: Mapping[str, str]) -> bool:
        return self.key in tags and (not self.values or tags[self.key] in self.values)


def read_tag_filters(request: Mapping[str, Any]) -> tuple[TagFilter, ...]:
    """All of them must hold."""
    found = []
    for given in request.get("TagFilters", ()):
        if "Key" not in given:
            raise invalid("Each TagFilter must have a Key.")
        found.append(TagFilter(given["Key"], frozenset(given.get("Values", ()))))
    return tuple(found)


def read_type_filters(request: Mapping[str, Any]) -> tuple[str, ...]:
    """`service` or `service:resourceType`; none at all means every type."""
    given: tuple[str, ...] = tuple(request.get("ResourceTypeFilters", ()))
    if len(given) > _MOST_TYPES:
        raise invalid(f"At most {_MOST_TYPES} ResourceTypeFilters may be given, not {len(given)}.")
    for wanted in given:
        if not _TYPE.fullmatch(wanted):
            raise invalid(f"ResourceTypeFilters: {wanted!r} is not of the form service[:resourceType].")
    return given


def accepts_type(filters: tuple[str, ...], resource_type: str) -> bool:
    """Whether resources of `resource_type` ("sqs:queue") are asked for."""
    service = resource_type.partition(":")[0]
    return not filters or service in filters or resource_type in filters


def invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterException", message)
