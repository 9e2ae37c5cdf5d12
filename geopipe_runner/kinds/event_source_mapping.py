"""The event source mappings by which Lambda feeds both queues to the function.

Lambda knows a mapping only by a UUID of its own, and its listing is the only way to find one again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..aws.gone import ignore_gone, none_if_gone
from ..aws.polling import StateTable, TimedOut
from ..aws.retry import MAPPING_IN_USE, ROLE_NOT_READY, AnswerError, error_code
from ..errors import AwsError
from .base import Attributes, Change, Deployment, Kind, Observed, Resource, our_tags, touches

if TYPE_CHECKING:
    from ..aws.clients import Aws

_SETTLED = StateTable(
    thing="event source mapping",
    going_on=frozenset({"Creating", "Enabling", "Disabling", "Updating", "Deleting"}),
    succeeded=frozenset({"Enabled", "Disabled"}),
    failed=frozenset(),
)
_GONE = StateTable("event source mapping", _SETTLED.going_on | _SETTLED.succeeded, frozenset({"gone"}), frozenset())
_EVERY = 0.5
_WITHIN = 180.0


@dataclass(frozen=True)
class MappingSpec:
    queue_arn: str
    function: str
    batch_size: int
    tags: Mapping[str, str]
    uuid: str = ""
    """Known only of one that was left behind by an earlier configuration."""


class EventSourceMapping(Kind[MappingSpec]):
    """ListEventSourceMappings, CreateEventSourceMapping, UpdateEventSourceMapping."""

    name = "event_source_mapping"
    label = "event source mapping"

    def resources(self, deployment: Deployment) -> Iterator[Resource]:
        queues = {
            "mapping": ("queue", deployment.queue_arn),
            "dead_letter_mapping": ("dead_letter_queue", deployment.dead_letter_arn),
        }
        for key, (queue, arn) in queues.items():
            function = deployment.config.function
            spec = MappingSpec(arn, function.name, function.batch_size, deployment.tags)
            name = f"{arn.rsplit(':', 1)[-1]} -> {function.name}"
            # Lambda asks whether the role may read the queue, and logs from the first message on.
            rights = ("lambda_policy",) if deployment.config.iam.lambda_role.managed else ()
            needs = ("function", queue, "log_group", *rights)
            yield Resource(self, key, name, "function", spec, needs, also=("queue",))

    def left_behind(self, deployment: Deployment, arn: str) -> Resource | None:
        prefix = deployment.account.arn("lambda", "event-source-mapping:")
        if not arn.startswith(prefix):
            return None
        uuid = arn.removeprefix(prefix)
        spec = MappingSpec("", "", 0, deployment.tags, uuid)
        return Resource(self, f"left-behind-mapping-{uuid}", uuid, "function", spec)

    def desired(self, spec: MappingSpec) -> Attributes:
        return {
            "enabled": True,
            "batch_size": spec.batch_size,
            "batching_window": 0,
            "function_response_types": ["ReportBatchItemFailures"],
            "tags": dict(spec.tags),
        }

    def observe(self, aws: Aws, spec: MappingSpec) -> Observed | None:
        """One without a tag is owned through the function: it feeds nothing else."""
        client = aws.client("lambda")
        found = next((mapping for mapping in _listed(client, spec) if not _is_going(mapping)), None)
        if found is None:
            return None
        arn = found.get("EventSourceMappingArn") or aws.account.arn("lambda", f"event-source-mapping:{found['UUID']}")
        tags = (none_if_gone(lambda: client.list_tags(Resource=arn)) or {}).get("Tags", {})
        attributes = {
            "enabled": found["State"] not in ("Disabled", "Disabling"),
            "batch_size": found["BatchSize"],
            "batching_window": found.get("MaximumBatchingWindowInSeconds", 0),
            "function_response_types": found.get("FunctionResponseTypes", []),
            "tags": our_tags(spec.tags, tags),
        }
        settled = found["State"] in _SETTLED.succeeded
        return Observed(found["UUID"], attributes, tags, arn, through="function", settled=settled)

    def create(self, aws: Aws, spec: MappingSpec) -> str:
        """One that is being deleted is no mapping any more, but keeps its place until it is gone."""
        try:
            uuid = self._create(aws, spec)
        except AnswerError as error:
            going = [mapping["UUID"] for mapping in _listed(aws.client("lambda"), spec) if _is_going(mapping)]
            if error_code(error) != "ResourceConflictException" or not going:
                raise
            for old in going:
                _settle(aws, old, _GONE)
            uuid = self._create(aws, spec)
        _settle(aws, uuid, _SETTLED)
        return uuid

    def _create(self, aws: Aws, spec: MappingSpec) -> str:
        client = aws.client("lambda")
        answer = aws.retrier.call(
            ROLE_NOT_READY,
            lambda: client.create_event_source_mapping(
                EventSourceArn=spec.queue_arn, FunctionName=spec.function, Tags=dict(spec.tags), **_settings(spec)
            ),
        )
        return str(answer["UUID"])

    def update(self, aws: Aws, spec: MappingSpec, observed: Observed, changes: tuple[Change, ...]) -> None:
        client, uuid = aws.client("lambda"), observed.identity
        if touches(changes, "enabled", "batch_size", "batching_window", "function_response_types"):
            _settle(aws, uuid, _SETTLED)
            aws.retrier.call(
                MAPPING_IN_USE,
                lambda: client.update_event_source_mapping(UUID=uuid, FunctionName=spec.function, **_settings(spec)),
            )
            _settle(aws, uuid, _SETTLED)
        if touches(changes, "tags"):
            client.tag_resource(Resource=observed.arn, Tags=dict(spec.tags))

    def settle(self, aws: Aws, spec: MappingSpec, observed: Observed) -> None:
        _settle(aws, observed.identity, _SETTLED)

    def delete(self, aws: Aws, spec: MappingSpec, observed: Observed) -> None:
        """Waits until it is gone: a living mapping would go on reading a queue that is about to go."""
        client, uuid = aws.client("lambda"), observed.identity
        ignore_gone(lambda: _settle(aws, uuid, _SETTLED))
        ignore_gone(lambda: aws.retrier.call(MAPPING_IN_USE, lambda: client.delete_event_source_mapping(UUID=uuid)))
        _settle(aws, uuid, _GONE)


def _settle(aws: Aws, uuid: str, table: StateTable) -> None:
    client = aws.client("lambda")

    def state() -> str:
        found = none_if_gone(lambda: client.get_event_source_mapping(UUID=uuid))
        return str(found["State"]) if found else "gone"

    def terminal(state: str) -> bool:
        return state == "gone" or table.terminal(state)

    try:
        aws.retrier.poll(state, terminal, every=_EVERY, within=_WITHIN)
    except TimedOut as timeout:
        raise AwsError(f"Event source mapping {uuid} is still {timeout.last} after {_WITHIN:.0f} s.") from None


def _is_going(mapping: Mapping[str, Any]) -> bool:
    return bool(mapping["State"] == "Deleting")


def _listed(client: Any, spec: MappingSpec) -> list[dict[str, Any]]:
    if spec.uuid:
        found = none_if_gone(lambda: client.get_event_source_mapping(UUID=spec.uuid))
        return [found] if found else []
    listing = none_if_gone(
        lambda: client.list_event_source_mappings(EventSourceArn=spec.queue_arn, FunctionName=spec.function)
    )
    return list(listing["EventSourceMappings"]) if listing else []


def _settings(spec: MappingSpec) -> dict[str, Any]:
    return {
        "Enabled": True,
        "BatchSize": spec.batch_size,
        "MaximumBatchingWindowInSeconds": 0,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
    }
