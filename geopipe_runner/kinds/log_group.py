"""The function's log group, made before the function so that its retention holds from the first line.

Lambda would make it itself, without end of retention and without tags, and leaves it behind when the function goes.
It is therefore owned through the function: it has the function's name, and no one else writes to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..aws.gone import ignore_gone
from .base import Attributes, Change, Deployment, Kind, Observed, Resource, our_tags, touches

if TYPE_CHECKING:
    from ..aws.clients import Aws


@dataclass(frozen=True)
class LogGroupSpec:
    name: str
    arn: str
    retention_days: int
    tags: Mapping[str, str]


class LogGroup(Kind[LogGroupSpec]):
    """CreateLogGroup, PutRetentionPolicy, TagResource."""

    name = "log_group"
    label = "log group"

    def resources(self, deployment: Deployment) -> Iterator[Resource]:
        function = deployment.config.function
        spec = LogGroupSpec(
            name=function.log_group,
            arn=deployment.account.arn("logs", f"log-group:{function.log_group}"),
            retention_days=function.log_retention_days,
            tags=deployment.tags,
        )
        yield Resource(self, "log_group", spec.name, "function", spec)

    def left_behind(self, deployment: Deployment, arn: str) -> Resource | None:
        prefix = deployment.account.arn("logs", "log-group:")
        if not arn.startswith(prefix):
            return None
        arn = arn.removesuffix(":*")
        name = arn.removeprefix(prefix)
        spec = LogGroupSpec(name, arn, 0, deployment.tags)
        return Resource(self, f"left-behind-log-group-{name}", name, "function", spec)

    def desired(self, spec: LogGroupSpec) -> Attributes:
        return {"retention_days": spec.retention_days, "tags": dict(spec.tags)}

    def observe(self, aws: Aws, spec: LogGroupSpec) -> Observed | None:
        logs = aws.client("logs")
        groups = logs.describe_log_groups(logGroupNamePrefix=spec.name)["logGroups"]
        found = next((group for group in groups if group["logGroupName"] == spec.name), None)
        if found is None:
            return None
        tags = logs.list_tags_for_resource(resourceArn=spec.arn).get("tags", {})
        attributes = {"retention_days": found.get("retentionInDays"), "tags": our_tags(spec.tags, tags)}
        # Without a tag it may have been made by Lambda for the function of this name.
        return Observed(spec.arn, attributes, tags, through="function")

    def create(self, aws: Aws, spec: LogGroupSpec) -> str:
        logs = aws.client("logs")
        logs.create_log_group(logGroupName=spec.name, tags=dict(spec.tags))
        self._retain(aws, spec)
        return spec.arn

    def update(self, aws: Aws, spec: LogGroupSpec, observed: Observed, changes: tuple[Change, ...]) -> None:
        if touches(changes, "retention_days"):
            self._retain(aws, spec)
        if touches(changes, "tags"):
            aws.client("logs").tag_resource(resourceArn=spec.arn, tags=dict(spec.tags))

    def _retain(self, aws: Aws, spec: LogGroupSpec) -> None:
        aws.client("logs").put_retention_policy(logGroupName=spec.name, retentionInDays=spec.retention_days)

    def delete(self, aws: Aws, spec: LogGroupSpec, observed: Observed) -> None:
        ignore_gone(lambda: aws.client("logs").delete_log_group(logGroupName=spec.name))
