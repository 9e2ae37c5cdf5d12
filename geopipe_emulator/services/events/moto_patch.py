"""EventBridge: moto keeps rules and targets, and here they are checked, matched and run.

Only what can be delivered is accepted: rules with targets that the emulator has. Archives, connections and the like
would have no effect.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ...events.input import check_target_input
from ...events.pattern import is_pattern, matches
from ...events.schedule import InvalidScheduleError, Rate, parse_schedule
from ...events.timetable import Timetable
from ...http.request import Response
from ...protocol.errors import ServiceError, not_emulated
from ...state.records import RecordTable
from .bus import DEFAULT_BUS, EventBus, is_enabled

if TYPE_CHECKING:
    from ...gateway.call import Call, Forward
    from ...protocol.wire import Protocol

MAX_TARGETS = 5
_LARGEST_BATCH = 262_144
_CONTENT_TYPE = "application/x-amz-json-1.1"
_NOT_EMULATED = (
    "ActivateEventSource",
    "CreateApiDestination",
    "CreateArchive",
    "CreateConnection",
    "CreatePartnerEventSource",
    "PutPartnerEvents",
    "StartReplay",
)
# What the account's own services accept as a target; each with what its parameters are called.
_TARGETS = {"lambda": "", "sqs": "SqsParameters", "sns": "", "logs": "", "sagemaker": "SageMakerPipelineParameters"}
_PARAMETERS = (
    "KinesisParameters",
    "RunCommandParameters",
    "EcsParameters",
    "BatchParameters",
    "HttpParameters",
    "RedshiftDataParameters",
    "AppSyncParameters",
)


class EventsPatch:
    """The moto patch of EventBridge."""

    service = "events"

    def __init__(self, bus: EventBus, timetable: Timetable, starts: RecordTable[str, tuple[str, str]]) -> None:
        """`starts` has the schedule of each rule and the time from which it counts, by the rule's ARN."""
        self._bus = bus
        self._timetable = timetable
        self._starts = starts
        self._expressions: dict[str, str] = {}
        self._wire: Protocol | None = None

    def resume(self) -> None:
        """Run the schedules of the rules that moto has now. Call it after moto's state was replaced."""
        for rule in self._bus.all_rules():
            self._follow_schedule(rule)

    def handle(self, call: Call, forward: Forward) -> Response:
        """Check rules and targets, send events, and forward the rest."""
        if call.operation in _NOT_EMULATED:
            raise not_emulated(call.service, call.operation)
        request = self._parameters(call)
        match call.operation:
            case "PutEvents":
                return self._put_events(call, request)
            case "TestEventPattern":
                return _test_pattern(request)
            case "PutTargets":
                _check_targets(call, request)
            case "PutRule":
                _check_rule(request)
        response = forward(call)
        if response.status < 300 and call.operation in ("PutRule", "EnableRule", "DisableRule", "DeleteRule"):
            self._follow_rule(call, request["Name"])
        return response

    def stop(self) -> None:
        """Nothing waits here."""

    def _parameters(self, call: Call) -> dict[str, Any]:
        """Return the parameters. Raises AWS's ValidationException for those that break the model."""
        from ...protocol.wire import Protocol

        if self._wire is None:
            self._wire = Protocol("events")
        match = self._wire.match(call.request)
        return self._wire.parse(match, call.request) if match else {}

    def _put_events(self, call: Call, request: Mapping[str, Any]) -> Response:
        if request.get("EndpointId"):
            raise ServiceError("NotImplemented", "PutEvents of events does not support EndpointId.", 501)
        entries = request["Entries"]
        if sum(len(str(value).encode()) for entry in entries for value in entry.values()) > _LARGEST_BATCH:
            raise ServiceError("ValidationException", "Total size of the entries in the request is over the limit.")
        results: list[dict[str, str]] = []
        for entry in entries:
            bus = _bus_name(entry.get("EventBusName"))
            if bus not in _backend(call).event_buses:
                raise ServiceError("ResourceNotFoundException", f"Event bus {bus} does not exist.")
            problem = _problem_of(entry)
            if problem:
                results.append({"ErrorCode": problem[0], "ErrorMessage": problem[1]})
                continue
            event = self._bus.event(
                call.context.region,
                entry["Source"],
                entry["DetailType"],
                json.loads(entry["Detail"]),
                list(entry.get("Resources") or ()),
                entry.get("Time"),
            )
            self._bus.put(call.context.region, bus, event)
            results.append({"EventId": event["id"]})
        failed = sum("ErrorCode" in result for result in results)
        return _json({"FailedEntryCount": failed, "Entries": results})

    def _follow_rule(self, call: Call, name: str) -> None:
        rule = _backend(call).event_buses[DEFAULT_BUS].rules.get(name)
        if rule is not None:
            self._follow_schedule(rule)
            return
        root = f"arn:{call.context.partition}:events:{call.context.region}:{call.context.account_id}:rule"
        self._end_schedule(f"{root}/{name}")

    def _follow_schedule(self, rule: Any) -> None:
        """Run the rule's schedule as it is now. One that has not changed keeps its times."""
        expression = rule.scheduled_expression or ""
        if not expression or not is_enabled(rule):
            self._end_schedule(rule.arn)
        elif self._expressions.get(rule.arn) != expression:
            self._expressions[rule.arn] = expression
            schedule, now = parse_schedule(expression), datetime.now(UTC)
            first = None
            known, start = self._starts.get(rule.arn, ("", ""))
            if known != expression:
                self._starts[rule.arn] = (expression, now.isoformat())
            elif isinstance(schedule, Rate):
                # It ran in an earlier process.
                first = schedule.next_since(datetime.fromisoformat(start), now)
            self._timetable.put(rule.arn, schedule, lambda moment: self._run(rule, moment), first)

    def _run(self, rule: Any, moment: datetime) -> None:
        """Run moto's present rule of that name: PutRule replaces the object."""
        current = [each for each in self._bus.rules(rule.region_name, DEFAULT_BUS) if each.name == rule.name]
        for each in current:
            self._bus.run(each, moment)

    def _end_schedule(self, rule_arn: str) -> None:
        self._expressions.pop(rule_arn, None)
        self._starts.pop(rule_arn, None)
        self._timetable.remove(rule_arn)


def check_pattern(text: str) -> dict[str, Any]:
    """Return an event pattern. Raises AWS's error for a text that is none."""
    try:
        pattern = json.loads(text)
    except ValueError as problem:
        raise _invalid_pattern("Invalid JSON") from problem
    if not isinstance(pattern, dict) or not is_pattern(pattern):
        raise _invalid_pattern("It must be an object of lists of values and of comparisons that EventBridge has")
    return pattern


def check_target_arn(call: Call, arn: str) -> str:
    """Return the service of a target. Raises an error with status 501 for one that is not emulated."""
    parts = arn.split(":")
    if len(parts) < 6 or parts[0] != "arn":
        reason = "Provided Arn is not in correct format."
        raise ServiceError("ValidationException", f"Parameter {arn} is not valid. Reason: {reason}")
    service, region, account, resource = parts[2], parts[3], parts[4], parts[5]
    is_wrong_kind = (service == "sagemaker" and not resource.startswith("pipeline/")) or (
        service == "logs" and (resource != "log-group" or len(parts) < 7)
    )
    if service not in _TARGETS or is_wrong_kind:
        raise _no_target(call, f"{service} ({arn})")
    if account != call.context.account_id:
        raise _no_target(call, f"account {account}; the emulated account is {call.context.account_id}")
    if service == "sns" and resource.endswith(".fifo"):
        raise _no_target(call, "FIFO topics")
    if region != call.context.region:
        reason = "The target must be in the region of the rule or the schedule."
        raise ServiceError("ValidationException", f"Parameter {arn} is not valid. Reason: {reason}")
    return service


def _check_rule(request: Mapping[str, Any]) -> None:
    if request.get("EventPattern"):
        check_pattern(request["EventPattern"])
    if request.get("ScheduleExpression"):
        try:
            parse_schedule(request["ScheduleExpression"])
        except InvalidScheduleError as problem:
            raise ServiceError("ValidationException", "Parameter ScheduleExpression is not valid.") from problem


def _check_targets(call: Call, request: Mapping[str, Any]) -> None:
    for target in request["Targets"]:
        service = check_target_arn(call, target["Arn"])
        for name in _PARAMETERS:
            if target.get(name):
                raise _no_target(call, f"what needs {name}")
        for name in filter(None, _TARGETS.values()):
            if target.get(name) and name != _TARGETS[service]:
                raise ServiceError("ValidationException", f"{name} is not valid for target {target['Id']}.")
        if service == "logs" and target.get("InputTransformer"):
            raise _no_target(call, "log groups with an InputTransformer")
        if service == "sagemaker" and not target.get("RoleArn"):
            raise ServiceError("ValidationException", f"RoleArn is required for target {target['Arn']}.")
        problem = check_target_input(target)
        if problem:
            raise ServiceError("ValidationException", problem)
        dead_letters = (target.get("DeadLetterConfig") or {}).get("Arn") or "arn:aws:sqs:"
        if ":sqs:" not in dead_letters or dead_letters.endswith(".fifo"):
            raise ServiceError("ValidationException", "A dead-letter queue must be a standard SQS queue.")
    rule = _rule(call, request)
    ids = {target["Id"] for target in request["Targets"]} | {target["Id"] for target in rule.targets}
    if len(ids) > MAX_TARGETS:
        raise ServiceError("LimitExceededException", "The requested resource exceeds the maximum number allowed.")


def _rule(call: Call, request: Mapping[str, Any]) -> Any:
    bus = _backend(call).event_buses.get(_bus_name(request.get("EventBusName")))
    rule = bus.rules.get(request["Rule"]) if bus else None
    if rule is None:
        name = _bus_name(request.get("EventBusName"))
        message = f"Rule {request['Rule']} does not exist on EventBus {name}."
        raise ServiceError("ResourceNotFoundException", message)
    return rule


def _problem_of(entry: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return code and message of what is wrong with an entry of PutEvents."""
    for name in ("Source", "DetailType", "Detail"):
        if not entry.get(name):
            message = f"Parameter {name} is not valid. Reason: {name} is a required argument."
            return "InvalidArgument", message
    if entry["Source"].startswith("aws."):
        return "NotAuthorizedForSourceException", "Not authorized for the source."
    try:
        detail = json.loads(entry["Detail"])
    except ValueError:
        detail = None
    return None if isinstance(detail, dict) else ("MalformedDetail", "Detail is malformed.")


def _test_pattern(request: Mapping[str, Any]) -> Response:
    pattern = check_pattern(request["EventPattern"])
    try:
        event = json.loads(request["Event"])
    except ValueError as problem:
        raise ServiceError("ValidationException", "Parameter Event is not valid.") from problem
    return _json({"Result": isinstance(event, dict) and matches(pattern, event)})


def _bus_name(name_or_arn: str | None) -> str:
    return (name_or_arn or DEFAULT_BUS).rpartition("/")[2]


def _invalid_pattern(reason: str) -> ServiceError:
    return ServiceError("InvalidEventPatternException", f"Event pattern is not valid. Reason: {reason}")


def _no_target(call: Call, what: str) -> ServiceError:
    message = f"{not_emulated(call.service, call.operation).message} It does not deliver events to {what}."
    return ServiceError("NotImplemented", message, 501)


def _json(content: Mapping[str, Any]) -> Response:
    body = json.dumps(content).encode()
    return Response(200, [("Content-Type", _CONTENT_TYPE), ("Content-Length", str(len(body)))], body)


def _backend(call: Call) -> Any:
    from moto.events.models import events_backends

    return events_backends[call.context.account_id][call.context.region]
