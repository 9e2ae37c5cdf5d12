"""Event buses: which rules an event matches, and what their targets get. moto keeps buses, rules and targets."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from ...events.delivery import DeadLetters, Delivery, Dispatcher, RetryLimits
from ...events.input import MISSING, find, input_of, is_path
from ...events.pattern import matches
from ...events.targets import Target
from ...service import ServiceEvent

PRINCIPAL = "events.amazonaws.com"
DEFAULT_BUS = "default"


class EventBus:
    """The buses of the account in all regions. Sending an event neither waits nor raises."""

    def __init__(self, account_id: str, dispatcher: Dispatcher) -> None:
        self._account_id = account_id
        self._dispatcher = dispatcher

    def emit(self, event: ServiceEvent) -> None:
        """Send an event of an AWS service, which goes to the default bus."""
        rules = list(self.rules(event.region, DEFAULT_BUS))
        if rules:
            self._send(
                rules,
                self.event(event.region, event.source, event.detail_type, event.detail, list(event.resources)),
            )

    def event(
        self,
        region: str,
        source: str,
        detail_type: str,
        detail: Mapping[str, Any],
        resources: list[str],
        moment: datetime | None = None,
    ) -> dict[str, Any]:
        """Return an event with all its fields; `moment` is now if it is left out."""
        time = (moment or datetime.now(UTC)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": detail_type,
            "source": source,
            "account": self._account_id,
            "time": time,
            "region": region,
            "resources": resources,
            "detail": dict(detail),
        }

    def put(self, region: str, bus: str, event: Mapping[str, Any]) -> None:
        """Send an event to the rules of a bus that match it."""
        self._send(list(self.rules(region, bus)), event)

    def run(self, rule: Any, moment: datetime) -> None:
        """Send the event of a rule's schedule to its targets."""
        event = self.event(rule.region_name, "aws.events", "Scheduled Event", {}, [rule.arn], moment)
        self._send_to_targets(rule, event)

    def rules(self, region: str, bus: str) -> Iterator[Any]:
        """Yield moto's rules of a bus. Without any, moto's EventBridge is not even imported."""
        backend = self._backends().get(region)
        event_bus = backend.event_buses.get(bus) if backend else None
        yield from list(event_bus.rules.values()) if event_bus else ()

    def all_rules(self) -> Iterator[Any]:
        """Yield moto's rules of the default buses of all regions."""
        for region in list(self._backends()):
            yield from self.rules(region, DEFAULT_BUS)

    def _backends(self) -> Mapping[str, Any]:
        """moto's backends by region, without importing or making any."""
        backends = getattr(sys.modules.get("moto.events.models"), "events_backends", None)
        return (backends.get(self._account_id) if backends is not None else None) or {}

    def _send(self, rules: list[Any], event: Mapping[str, Any]) -> None:
        for rule in rules:
            pattern = rule.event_pattern.get_pattern()
            if pattern and is_enabled(rule) and matches(pattern, event):
                self._send_to_targets(rule, event)

    def _send_to_targets(self, rule: Any, event: Mapping[str, Any]) -> None:
        for target in list(rule.targets):
            self._dispatcher.send(_delivery(target, event, rule.arn))


def is_enabled(rule: Any) -> bool:
    """Return whether a rule of moto's runs. A second enabled state concerns events of CloudTrail."""
    return str(rule.state).startswith("ENABLED")


def _delivery(target: Mapping[str, Any], event: Mapping[str, Any], rule_arn: str) -> Delivery:
    parameters = (target.get("SageMakerPipelineParameters") or {}).get("PipelineParameterList") or ()
    retries = target.get("RetryPolicy") or {}
    dead_letter_arn = (target.get("DeadLetterConfig") or {}).get("Arn")
    defaults = RetryLimits()
    return Delivery(
        Target(
            target["Arn"],
            PRINCIPAL,
            rule_arn,
            role_arn=target.get("RoleArn") or "",
            message_group=(target.get("SqsParameters") or {}).get("MessageGroupId") or "",
            parameters=[{"Name": each["Name"], "Value": _parameter(each["Value"], event)} for each in parameters],
        ),
        input_of(target, event, rule_arn),
        RetryLimits(
            retries.get("MaximumRetryAttempts", defaults.attempts),
            retries.get("MaximumEventAgeInSeconds", defaults.seconds),
        ),
        DeadLetters(dead_letter_arn, {"RULE_ARN": rule_arn, "TARGET_ARN": target["Arn"]}) if dead_letter_arn else None,
        f"{event['id']} {rule_arn} {target['Id']}",
    )


def _parameter(value: str, event: Mapping[str, Any]) -> str:
    """Return the value of a pipeline's parameter. One that is a JSON path is taken from the event."""
    if not is_path(value) or value == "$":
        return value
    found = find(value, event)
    return value if found is MISSING else str(found)
