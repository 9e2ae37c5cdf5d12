"""The log group of each function, created before the function so that its retention holds from the first line.

Otherwise Lambda creates it, without retention and without tags, and keeps it when the function is deleted. Therefore it
is owned through the function: it has the function's name, and only the function writes to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from ..aws.not_found import ignore_not_found
from ..deployment import Deployment
from .base import Artifacts, Attributes, Change, Kind, Observed, Resource, our_tags, touches

if TYPE_CHECKING:
    from ..aws.account import Account
    from ..aws.clients import Aws


@dataclass(frozen=True)
class LogGroupSpec:
    name: str
    arn: str
    retention_days: int
    tags: Mapping[str, str]
    function: str = ""
    """The key of the function that writes to it; "" for an orphan of an earlier configuration."""


class LogGroup(Kind[LogGroupSpec]):
    """CreateLogGroup, PutRetentionPolicy, TagResource."""

    name = "log_group"
    label = "log group"
    paint = "rights"
    permissions = (
        "logs:DescribeLogGroups",
        "logs:CreateLogGroup",
        "logs:PutRetentionPolicy",
        "logs:ListTagsForResource",
        "logs:TagResource",
        "logs:DeleteLogGroup",
    )

    def resources(self, deployment: Deployment, artifacts: Artifacts) -> Iterator[Resource]:
        for function in deployment.managed_functions:
            spec = LogGroupSpec(
                name=function.log_group,
                arn=deployment.account.arn("logs", f"log-group:{function.log_group}"),
                retention_days=function.settings.log_retention_days,
                tags=deployment.tags,
                function=function.key,
            )
            yield Resource(self, function.log_group_key, spec.name, "function", spec)

    def orphan_from_arn(self, deployment: Deployment, arn: str) -> Resource | None:
        prefix = deployment.account.arn("logs", "log-group:")
        if not arn.startswith(prefix):
            return None
        arn = arn.removesuffix(":*")
        name = arn.removeprefix(prefix)
        spec = LogGroupSpec(name, arn, 0, deployment.tags)
        return Resource(self, f"left-behind-log-group-{name}", name, "function", spec)

    def arn(self, account: Account, resource: Resource) -> str:
        return str(resource.spec.arn)

    def console_page(self, account: Account, resource: Resource) -> str:
        # This page decodes its address twice.
        group = quote(resource.spec.name, safe="").replace("%", "$25")
        return f"cloudwatch/home?region={account.region}#logsV2:log-groups/log-group/{group}"

    def desired(self, spec: LogGroupSpec) -> Attributes:
        return {"retention_days": spec.retention_days, "tags": dict(spec.tags)}

    def observe(self, aws: Aws, spec: LogGroupSpec) -> Observed | None:
        logs = aws.client("logs")
        groups = logs.describe_log_groups(logGroupNamePrefix=spec.name)["logGroups"]
        group = next((entry for entry in groups if entry["logGroupName"] == spec.name), None)
        if group is None:
            return None
        tags = logs.list_tags_for_resource(resourceArn=spec.arn).get("tags", {})
        attributes = {"retention_days": group.get("retentionInDays"), "tags": our_tags(spec.tags, tags)}
        # Without a tag, Lambda may have created it for the function of this name.
        return Observed(spec.arn, attributes, tags, owned_by=spec.function)

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
        ignore_not_found(lambda: aws.client("logs").delete_log_group(logGroupName=spec.name))
