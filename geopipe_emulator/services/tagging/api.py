"""The operations: find resources by their tags, list keys and values, and tag or untag resources by ARN.

It asks the sources one after the other: client and services share this process, so threads would only take turns
(12 to 17 ms for an empty account either way).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...protocol.models import service_model
from ...service import Environment, Handler, RequestContext
from .changes import change_tags, check_arns, check_keys
from .filters import accepts_type, invalid, read_tag_filters, read_type_filters
from .paging import after, cut, limit_of
from .sources import SOURCES, Caller, Tags

_KEYS_PER_PAGE = 1000
_MODEL = "resourcegroupstaggingapi"


@dataclass(frozen=True)
class _Tagged:
    arn: str
    tags: Tags


class TaggingService:
    """The service. It keeps nothing: each response comes from the services."""

    name = "tagging"
    model_name = _MODEL

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        _use_json()
        self.operations: Mapping[str, Handler] = {
            "GetResources": self._get_resources,
            "GetTagKeys": self._get_tag_keys,
            "GetTagValues": self._get_tag_values,
            "TagResources": self._tag,
            "UntagResources": self._untag,
        }

    def start(self) -> None:
        """Do nothing: no thread is needed."""

    def stop(self) -> None:
        """Do nothing: nothing runs."""

    def _get_resources(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        if request.get("IncludeComplianceDetails") or request.get("ExcludeCompliantResources"):
            raise invalid("Tag policies are not emulated, so there are no compliance details.")
        arns = _read_arns(request)
        filters, types = read_tag_filters(request), read_type_filters(request)
        resources = [
            tagged
            for tagged in self._tagged(context, types, arns)
            if all(tag_filter.accepts(tagged.tags) for tag_filter in filters)
        ]
        return _page(resources, request)

    def _get_tag_keys(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        return _strings("TagKeys", {key for tagged in self._tagged(context) for key in tagged.tags}, request)

    def _get_tag_values(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        key = request["Key"]
        values = {tagged.tags[key] for tagged in self._tagged(context) if key in tagged.tags}
        return _strings("TagValues", values, request)

    def _tag(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        return self._change(request["ResourceARNList"], request["Tags"], (), context)

    def _untag(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        return self._change(request["ResourceARNList"], {}, request["TagKeys"], context)

    def _change(
        self, arns: Sequence[str], added: Mapping[str, str], removed: Sequence[str], context: RequestContext
    ) -> dict[str, Any]:
        check_arns(arns)
        check_keys([*added, *removed])
        caller = Caller(self._environment, context)
        failures = {arn: change_tags(caller, arn, added, removed) for arn in arns}
        return {"FailedResourcesMap": {arn: failure for arn, failure in failures.items() if failure}}

    def _tagged(
        self, context: RequestContext, types: tuple[str, ...] = (), arns: frozenset[str] | None = None
    ) -> Iterator[_Tagged]:
        """Yield every resource that has tags, from the sources that the request can be about."""
        caller = Caller(self._environment, context)
        for resource_type, source in SOURCES.items():
            if not accepts_type(types, resource_type) or not _may_hold(resource_type, arns):
                continue
            for resource in source(caller):
                if arns is None or resource.arn in arns:
                    tags = resource.tags()
                    if tags:
                        yield _Tagged(resource.arn, tags)


def _read_arns(request: Mapping[str, Any]) -> frozenset[str] | None:
    arns = request.get("ResourceARNList")
    if not arns:
        return None
    others = ("TagFilters", "ResourceTypeFilters", "ResourcesPerPage", "TagsPerPage", "PaginationToken")
    present = [name for name in others if request.get(name)]
    if present:
        raise invalid(f"ResourceARNList cannot be combined with {', '.join(present)}.")
    return frozenset(arns)


def _may_hold(resource_type: str, arns: frozenset[str] | None) -> bool:
    service = resource_type.partition(":")[0]
    return arns is None or any(arn.split(":")[2:3] == [service] for arn in arns)


def _page(resources: Iterable[_Tagged], request: Mapping[str, Any]) -> dict[str, Any]:
    left = after(resources, _arn_of, request.get("PaginationToken"))
    # Named resources are never paged: there are at most a hundred.
    limit = len(left) if request.get("ResourceARNList") else limit_of(request, [len(item.tags) for item in left])
    page, token = cut(left, _arn_of, limit)
    return {"PaginationToken": token, "ResourceTagMappingList": [_described(tagged) for tagged in page]}


def _strings(member: str, strings: set[str], request: Mapping[str, Any]) -> dict[str, Any]:
    page, token = cut(after(strings, str, request.get("PaginationToken")), str, _KEYS_PER_PAGE)
    return {"PaginationToken": token, member: page}


def _described(tagged: _Tagged) -> dict[str, Any]:
    tags = [{"Key": key, "Value": value} for key, value in tagged.tags.items()]
    return {"ResourceARN": tagged.arn, "Tags": tags}


def _arn_of(tagged: _Tagged) -> str:
    return tagged.arn


def _use_json() -> None:
    """Choose JSON, as botocore's clients do. The model names CBOR first, and our parser would use that."""
    service_model(_MODEL).metadata["protocol"] = "json"
