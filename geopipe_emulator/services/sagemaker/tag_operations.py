"""Tags of pipelines. SageMaker's tag operations serve every type of resource; moto handles the other types."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...protocol.errors import ServiceError
from ...service import FallThrough, Handler, RequestContext
from .paging import page
from .requests import is_pipeline_arn
from .store import Pipeline, Store

TAG_LIMIT = 50


class TagOperations:
    def __init__(self, store: Store) -> None:
        self._store = store

    def handlers(self) -> dict[str, Handler]:
        return {"AddTags": self.add, "ListTags": self.list, "DeleteTags": self.delete}

    def add(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        def change(old: Pipeline) -> Pipeline:
            tags = {**old.tags, **{tag["Key"]: tag["Value"] for tag in request["Tags"]}}
            if len(tags) > TAG_LIMIT:
                raise ServiceError("ResourceLimitExceeded", f"A resource can have at most {TAG_LIMIT} tags.")
            return replace(old, tags=tags)

        changed = self._store.change_pipeline(_ours(request), change)
        return {"Tags": _shape(changed)}

    def list(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        tags = _shape(self._store.pipeline(_ours(request)))
        items, next_token = page(tags, lambda tag: tag["Key"], request, default=TAG_LIMIT)
        return {"Tags": list(items), **next_token}

    def delete(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        removed = set(request["TagKeys"])
        self._store.change_pipeline(
            _ours(request), lambda old: replace(old, tags={k: v for k, v in old.tags.items() if k not in removed})
        )
        return {}


def _ours(request: dict[str, Any]) -> str:
    arn: str = request["ResourceArn"]
    if not is_pipeline_arn(arn):
        raise FallThrough
    return arn


def _shape(pipeline: Pipeline) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in pipeline.tags.items()]
