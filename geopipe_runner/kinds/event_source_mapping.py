"""The event source mappings through which Lambda passes the messages of the queues to the functions.

Lambda identifies a mapping by a UUID that it chooses. Listing is the only way to find a mapping.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..aws.error_codes import ClientError, error_code
from ..aws.not_found import ignore_not_found, none_if_not_found
from ..aws.poll import StateTable, TimedOut
from ..aws.retry import MAPPING_IN_USE, ROLE_NOT_READY
from ..deployment import Deployment
from ..errors import AwsError
from .base import Artifacts, Attributes, Change, Kind, Observed, Resource, our_tags, touches

if TYPE_CHECKING:
    from ..aws.account import Account
    from ..aws.clients import Aws

_READY = StateTable(
    thing="event source mapping",
    running=frozenset({"Creating", "Enabling", "Disabling", "Updating", "Deleting"}),
    succeeded=frozenset({"Enabled", "Disabled"}),
    failed=frozenset(),
)
_GONE = StateTable("event source mapping", _READY.running | _READY.succeeded, frozenset({"gone"}), frozenset())
_EVERY = 0.5
# Seconds; Terraform waits as long.
_READY_WITHIN = 600.0
_GONE_WITHIN = 300.0


@dataclass(frozen=True)
class MappingSpec:
    queue_arn: str
    function: str
    batch_size: int
    tags: Mapping[str, str]
    uuid: str = ""
    """Set only for an orphan of an earlier configuration."""
    maximum_concurrency: int | None = None
    """How many invocations may run at the same time. None: this is not managed."""
    function_key: str = ""
    """The key of the function's resource; "" for an orphan."""
    queue_key: str = ""
    """The key of the queue's resource; "" for an orphan."""
    visibility_timeout: int | None = None
    """Of the queue, in seconds; None for one that is only used, which says so itself."""
    function_timeout: int | None = None
    """Of the function, in seconds; None for one that is only used."""


class EventSourceMapping(Kind[MappingSpec]):
    """ListEventSourceMappings, CreateEventSourceMapping, UpdateEventSourceMapping."""

    name = "event_source_mapping"
    label = "event source mapping"
    paint = "queue"
    shape = "arrow"
    permissions = (
        "lambda:ListEventSourceMappings",
        "lambda:CreateEventSourceMapping",
        "lambda:GetEventSourceMapping",
        "lambda:UpdateEventSourceMapping",
        "lambda:DeleteEventSourceMapping",
        "lambda:TagResource",
        "lambda:ListTags",
    )

    def resources(self, deployment: Deployment, artifacts: Artifacts) -> Iterator[Resource]:
        for mapping in deployment.mappings:
            queue, function = deployment.queue(mapping.queue), deployment.function(mapping.function)
            spec = MappingSpec(
                deployment.queue_arn_of(queue),
                function.name,
                mapping.batch_size,
                deployment.tags,
                maximum_concurrency=mapping.maximum_concurrency,
                function_key=function.key,
                queue_key=queue.key,
                visibility_timeout=None if queue.is_used else queue.visibility_timeout,
                function_timeout=None if function.is_used else function.timeout,
            )
            # Lambda checks that the role may read the queue. The function logs from the first message.
            rights = ("lambda_policy",) if deployment.config.iam.lambda_role.managed else ()
            needs = () if function.is_used else (function.log_group_key, *rights)
            yield Resource(
                self,
                mapping.key,
                f"{queue.name} -> {function.name}",
                "function",
                spec,
                (function.key, queue.key, *needs),
                cleanup_groups=("queue",),
                section="queue",
                may_be_others=function.is_used,
            )

    def obstacles(self, spec: MappingSpec, seen: Mapping[str, Observed | None]) -> Iterator[str]:
        """Lambda refuses a queue that shows a message again before the function's time is over."""
        visibility, timeout = spec.visibility_timeout, spec.function_timeout
        if visibility is None:
            visibility = _read(seen.get(spec.queue_key), "visibility_timeout")
        if timeout is None:
            timeout = _read(seen.get(spec.function_key), "timeout")
        if visibility is not None and timeout is not None and visibility < timeout:
            yield (
                f"the queue's visibility timeout ({visibility} s) is shorter than the function's timeout "
                f"({timeout} s), which Lambda refuses"
            )

    def orphan_from_arn(self, deployment: Deployment, arn: str) -> Resource | None:
        prefix = deployment.account.arn("lambda", "event-source-mapping:")
        if not arn.startswith(prefix):
            return None
        uuid = arn.removeprefix(prefix)
        spec = MappingSpec("", "", 0, deployment.tags, uuid)
        return Resource(self, f"left-behind-mapping-{uuid}", uuid, "function", spec)

    def console_page(self, account: Account, resource: Resource) -> str:
        return f"lambda/home?region={account.region}#/functions/{resource.spec.function}?tab=configure"

    def desired(self, spec: MappingSpec) -> Attributes:
        return {
            "enabled": True,
            "batch_size": spec.batch_size,
            "batching_window": 0,
            "function_response_types": ["ReportBatchItemFailures"],
            "tags": dict(spec.tags),
        } | ({"maximum_concurrency": spec.maximum_concurrency} if spec.maximum_concurrency else {})

    def observe(self, aws: Aws, spec: MappingSpec) -> Observed | None:
        """A mapping without tags is owned through the function, which alone it serves."""
        client = aws.client("lambda")
        mapping = next((entry for entry in _listed(aws, spec) if not _is_going(entry)), None)
        if mapping is None:
            return None
        arn = mapping.get("EventSourceMappingArn") or aws.account.arn(
            "lambda", f"event-source-mapping:{mapping['UUID']}"
        )
        tags = (none_if_not_found(lambda: client.list_tags(Resource=arn)) or {}).get("Tags", {})
        attributes = {
            "enabled": mapping["State"] not in ("Disabled", "Disabling"),
            "batch_size": mapping["BatchSize"],
            "batching_window": mapping.get("MaximumBatchingWindowInSeconds", 0),
            "function_response_types": mapping.get("FunctionResponseTypes", []),
            "tags": our_tags(spec.tags, tags),
        }
        if spec.maximum_concurrency:
            attributes["maximum_concurrency"] = mapping.get("ScalingConfig", {}).get("MaximumConcurrency")
        ready = mapping["State"] in _READY.succeeded
        return Observed(mapping["UUID"], attributes, tags, arn, owned_by=spec.function_key, ready=ready)

    def create(self, aws: Aws, spec: MappingSpec) -> str:
        """A mapping that is being deleted counts as absent, but a new one has to wait for the end of the deletion."""
        try:
            uuid = self._create(aws, spec)
        except ClientError as error:
            going = [mapping["UUID"] for mapping in _listed(aws, spec) if _is_going(mapping)]
            if error_code(error) != "ResourceConflictException" or not going:
                raise
            for old in going:
                _wait_for_state(aws, old, _GONE)
            uuid = self._create(aws, spec)
        _wait_for_state(aws, uuid, _READY)
        return uuid

    def _create(self, aws: Aws, spec: MappingSpec) -> str:
        client = aws.client("lambda")

        def make() -> str:
            response = client.create_event_source_mapping(
                EventSourceArn=spec.queue_arn, FunctionName=spec.function, Tags=dict(spec.tags), **_settings(spec)
            )
            return str(response["UUID"])

        # The role of a function that is only used has been there before: waiting gives it no more rights.
        return aws.retrier.call(ROLE_NOT_READY, make) if spec.function_timeout is not None else make()

    def update(self, aws: Aws, spec: MappingSpec, observed: Observed, changes: tuple[Change, ...]) -> None:
        client, uuid = aws.client("lambda"), observed.identity
        if touches(
            changes, "enabled", "batch_size", "batching_window", "function_response_types", "maximum_concurrency"
        ):
            _wait_for_state(aws, uuid, _READY)
            aws.retrier.call(
                MAPPING_IN_USE,
                lambda: client.update_event_source_mapping(UUID=uuid, FunctionName=spec.function, **_settings(spec)),
            )
            _wait_for_state(aws, uuid, _READY)
        if touches(changes, "tags"):
            client.tag_resource(Resource=observed.arn, Tags=dict(spec.tags))

    def wait_until_ready(self, aws: Aws, spec: MappingSpec, observed: Observed) -> None:
        _wait_for_state(aws, observed.identity, _READY)

    def delete(self, aws: Aws, spec: MappingSpec, observed: Observed) -> None:
        """Delete it and wait for the end: until then it reads a queue that is deleted next."""
        client, uuid = aws.client("lambda"), observed.identity
        if not observed.ready:
            ignore_not_found(lambda: _wait_for_state(aws, uuid, _READY))
        ignore_not_found(
            lambda: aws.retrier.call(MAPPING_IN_USE, lambda: client.delete_event_source_mapping(UUID=uuid))
        )
        _wait_for_state(aws, uuid, _GONE)


def _read(observed: Observed | None, attribute: str) -> int | None:
    return observed.attributes.get(attribute) if observed else None


def _wait_for_state(aws: Aws, uuid: str, table: StateTable) -> None:
    client = aws.client("lambda")
    within = _GONE_WITHIN if table is _GONE else _READY_WITHIN

    def state() -> str:
        mapping = none_if_not_found(lambda: client.get_event_source_mapping(UUID=uuid))
        return str(mapping["State"]) if mapping else "gone"

    def terminal(state: str) -> bool:
        return state == "gone" or table.is_final(state)

    try:
        aws.retrier.poll(state, terminal, every=_EVERY, within=within)
    except TimedOut as timeout:
        raise AwsError(f"Event source mapping {uuid} is still {timeout.last} after {within:.0f} s.") from None


def _is_going(mapping: Mapping[str, Any]) -> bool:
    return bool(mapping["State"] == "Deleting")


def _listed(aws: Aws, spec: MappingSpec) -> list[dict[str, Any]]:
    client = aws.client("lambda")
    if spec.uuid:
        mapping = none_if_not_found(lambda: client.get_event_source_mapping(UUID=spec.uuid))
        return [mapping] if mapping else []

    def read() -> list[dict[str, Any]]:
        pages = client.get_paginator("list_event_source_mappings").paginate(FunctionName=spec.function)
        return none_if_not_found(lambda: [entry for page in pages for entry in page["EventSourceMappings"]]) or []

    # The queue of a function and its dead-letter queue both have a mapping to it.
    mappings = aws.read_once(("mappings", spec.function), read)
    return [mapping for mapping in mappings if mapping.get("EventSourceArn") == spec.queue_arn]


def _settings(spec: MappingSpec) -> dict[str, Any]:
    scaling = {"ScalingConfig": {"MaximumConcurrency": spec.maximum_concurrency}} if spec.maximum_concurrency else {}
    return {
        "Enabled": True,
        "BatchSize": spec.batch_size,
        "MaximumBatchingWindowInSeconds": 0,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        **scaling,
    }
