"""EventBridge Scheduler: moto keeps schedules and groups, and here they are checked and run.

Only what can be delivered is accepted: schedules for functions, queues, topics and SageMaker pipelines.
"""

from __future__ import annotations

import contextlib
import json
import sys
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from ...events.delivery import DeadLetters, Delivery, Dispatcher, RetryLimits
from ...events.permissions import may_assume
from ...events.schedule import InvalidScheduleError, Once, Rate, Schedule, parse_schedule
from ...events.targets import Target
from ...events.timetable import Timetable
from ...http.request import Response
from ...protocol.errors import ServiceError, not_emulated
from ...service import Environment
from ...state.records import RecordTable

if TYPE_CHECKING:
    from ...gateway.call import Call, Forward
    from ...protocol.wire import Protocol

PRINCIPAL = "scheduler.amazonaws.com"
DEFAULT_GROUP = "default"
_TARGETS = ("lambda", "sqs", "sns", "sagemaker")
_PARAMETERS = (
    "EcsParameters",
    "EventBridgeParameters",
    "EventBridgePutEventsV2Parameters",
    "EventBridgePutRawEventsParameters",
    "KinesisParameters",
)


class SchedulerPatch:
    """The moto patch of EventBridge Scheduler."""

    service = "scheduler"

    def __init__(
        self, environment: Environment, dispatcher: Dispatcher, timetable: Timetable, runs: RecordTable[str, str]
    ) -> None:
        """`runs` has the time at which each one-time schedule ran, by its ARN."""
        self._environment = environment
        self._dispatcher = dispatcher
        self._timetable = timetable
        self._runs = runs
        self._wire: Protocol | None = None

    def resume(self) -> None:
        """Run the schedules that moto has now. Call it after moto's state was replaced."""
        backends = getattr(sys.modules.get("moto.scheduler.models"), "scheduler_backends", None)
        for backend in list((backends or {}).get(self._environment.settings.account_id, {}).values()):
            for schedule in _schedules(backend):
                if schedule.state == "ENABLED" and schedule.schedule_expression.startswith("at("):
                    self._resume_once(backend, schedule)
                else:
                    self._follow(backend, schedule, _moment(schedule.creation_date))

    def handle(self, call: Call, forward: Forward) -> Response:
        """Check schedules, forward the call, and run what it has changed."""
        from ...protocol.wire import Protocol

        if self._wire is None:
            self._wire = Protocol("scheduler")
        match = self._wire.match(call.request)
        operation = match.operation.name if match else ""
        if match is None or operation not in ("CreateSchedule", "UpdateSchedule", "DeleteSchedule"):
            response = forward(call)
            if operation == "DeleteScheduleGroup" and response.status < 300:
                self._forget_deleted(call)
            return response
        request = self._wire.parse(match, call.request)
        if operation != "DeleteSchedule":
            self._check(call, operation, request)
        response = forward(call)
        if response.status >= 300:
            return response
        if operation == "DeleteSchedule":
            self._forget_deleted(call)
            return response
        schedule = _group(call, request).schedules[request["Name"]]
        # moto does not know their defaults, and does not take the second one from an update.
        schedule.state = request.get("State", "ENABLED")
        schedule.action_after_completion = request.get("ActionAfterCompletion", "NONE")
        self._runs.pop(schedule.arn, None)
        self._follow(_backend(call), schedule)
        return response

    def stop(self) -> None:
        """Nothing waits here."""

    def _check(self, call: Call, operation: str, request: Mapping[str, Any]) -> None:
        if _group(call, request) is None:
            name = request.get("GroupName") or DEFAULT_GROUP
            raise ServiceError("ResourceNotFoundException", f"Schedule group {name} does not exist.", 404)
        _read_schedule(request["ScheduleExpression"], request.get("ScheduleExpressionTimezone") or "UTC")
        window = request["FlexibleTimeWindow"]
        if (window["Mode"] == "FLEXIBLE") != ("MaximumWindowInMinutes" in window):
            raise _invalid("FlexibleTimeWindow: MaximumWindowInMinutes is for the mode FLEXIBLE, and required there.")
        target = request["Target"]
        _check_target(call, operation, target)
        if not may_assume(self._environment, PRINCIPAL, _group_arn(call, request), target["RoleArn"]):
            raise _invalid("The execution role you provide must allow AWS EventBridge Scheduler to assume the role.")

    def _resume_once(self, backend: Any, schedule: Any) -> None:
        """Run a one-time schedule that has not run yet, even if its time has passed since it was set."""
        expression = _read_schedule(schedule.schedule_expression, schedule.schedule_expression_timezone)
        assert isinstance(expression, Once)
        if self._runs.get(schedule.arn) == _text(expression.moment):
            if schedule.action_after_completion == "DELETE":
                self._delete(backend, schedule)
            return
        changed = _moment(schedule.last_modified_date)
        is_missed = changed is not None and changed < expression.moment <= datetime.now(UTC)
        self._follow(backend, schedule, first=expression.moment if is_missed else None)

    def _follow(
        self, backend: Any, schedule: Any, created: datetime | None = None, first: datetime | None = None
    ) -> None:
        """Run the schedule as it is now.

        `created` is of one that ran in an earlier process, and `first` is a time that has passed.
        """
        if schedule.state != "ENABLED":
            self._timetable.remove(schedule.arn)
            return
        expression = _read_schedule(schedule.schedule_expression, schedule.schedule_expression_timezone)
        deletes = schedule.action_after_completion == "DELETE"
        self._timetable.put(
            schedule.arn,
            expression,
            partial(self._run, schedule, isinstance(expression, Once)),
            first or _first(expression, _moment(schedule.start_date), created),
            None if isinstance(expression, Once) else _moment(schedule.end_date),
            partial(self._delete, backend, schedule) if deletes else None,
        )

    def _delete(self, backend: Any, schedule: Any) -> None:
        """Delete a schedule after its last time, through the API: a state folder keeps what calls have changed."""
        group = backend.schedule_groups.get(schedule.group_name)
        if group is not None and group.schedules.get(schedule.name) is schedule:
            with contextlib.suppress(ClientError, BotoCoreError):
                scheduler = self._environment.client("scheduler", schedule.arn.split(":")[3])
                scheduler.delete_schedule(Name=schedule.name, GroupName=schedule.group_name)

    def _forget_deleted(self, call: Call) -> None:
        """End every schedule that moto no longer has."""
        part, arns = f":scheduler:{call.context.region}:", {each.arn for each in _schedules(_backend(call))}
        self._timetable.keep(part, arns)
        for arn in [arn for arn in list(self._runs) if part in arn and arn not in arns]:
            self._runs.pop(arn, None)

    def _run(self, schedule: Any, is_once: bool, moment: datetime) -> None:
        target, execution = schedule.target, str(uuid.uuid4())
        retries, defaults = target.get("RetryPolicy") or {}, RetryLimits()
        dead_letter_arn = (target.get("DeadLetterConfig") or {}).get("Arn")
        group_arn = schedule.arn.rpartition("/")[0].replace(":schedule/", ":schedule-group/")
        source = {"SCHEDULE_ARN": schedule.arn, "TARGET_ARN": target["Arn"], "SCHEDULED_TIME": _text(moment)}
        delivery = Delivery(
            Target(
                target["Arn"],
                PRINCIPAL,
                group_arn,
                role_arn=target["RoleArn"],
                message_group=(target.get("SqsParameters") or {}).get("MessageGroupId") or "",
                parameters=(target.get("SageMakerPipelineParameters") or {}).get("PipelineParameterList") or (),
            ),
            _payload(schedule, moment, execution),
            RetryLimits(
                retries.get("MaximumRetryAttempts", defaults.attempts),
                retries.get("MaximumEventAgeInSeconds", defaults.seconds),
            ),
            DeadLetters(dead_letter_arn, source, target["RoleArn"]) if dead_letter_arn else None,
            execution,
        )
        with self._environment.tables.together():
            self._dispatcher.send(delivery)
            if is_once:
                self._runs[schedule.arn] = _text(moment)


def _check_target(call: Call, operation: str, target: Mapping[str, Any]) -> None:
    """Raise an error with status 501 for a target that is not emulated, and AWS's error for one that is wrong."""
    parts = target["Arn"].split(":")
    if len(parts) < 6 or parts[0] != "arn":
        raise _invalid(f"Provided Arn is not in correct format: {target['Arn']}")
    service, region, account, resource = parts[2:6]
    if service not in _TARGETS or (service == "sagemaker" and not resource.startswith("pipeline/")):
        raise _not_delivered(operation, f"{service} ({target['Arn']})")
    if account != call.context.account_id:
        raise _not_delivered(operation, f"account {account}; the emulated account is {call.context.account_id}")
    if region != call.context.region:
        raise _invalid(f"The target must be in the region of the schedule: {target['Arn']}")
    for name in _PARAMETERS:
        if target.get(name):
            raise _not_delivered(operation, f"what needs {name}")
    if target["Arn"].endswith(".fifo") and not (target.get("SqsParameters") or {}).get("MessageGroupId"):
        raise _invalid("SqsParameters with a MessageGroupId are required for a FIFO queue.")


def _read_schedule(expression: str, zone: str) -> Schedule:
    try:
        return parse_schedule(expression, zone, allows_once=True)
    except InvalidScheduleError as problem:
        what = f"Timezone {zone}" if str(problem) == zone else f"Schedule Expression {expression}"
        raise _invalid(f"Invalid {what}.") from problem


def _first(schedule: Schedule, start: datetime | None, created: datetime | None) -> datetime | None:
    """Return the first time of a schedule, or None for the next one.

    A rate without a start begins immediately. One that was created in an earlier process keeps its times.
    """
    now = datetime.now(UTC)
    if isinstance(schedule, Once):
        return None
    if isinstance(schedule, Rate):
        if start is not None and start > now:
            return start
        begin = start or created
        if created is None or begin is None:
            return now
        return schedule.next_since(begin, now)
    return schedule.next_after(start) if start is not None and start > now else None


def _payload(schedule: Any, moment: datetime, execution: str) -> str:
    """Return the input of the target, or the default event."""
    text = schedule.target.get("Input")
    if not text:
        account, region = schedule.arn.split(":")[4], schedule.arn.split(":")[3]
        event = {
            "version": "0",
            "id": execution,
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": account,
            "time": _text(moment),
            "region": region,
            "resources": [schedule.arn],
            "detail": "{}",
        }
        return json.dumps(event)
    values = {"schedule-arn": schedule.arn, "scheduled-time": _text(moment), "execution-id": execution}
    for name, value in {**values, "attempt-number": "1"}.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return str(text)


def _schedules(backend: Any) -> Iterator[Any]:
    for group in list(backend.schedule_groups.values()):
        yield from list(group.schedules.values())


def _moment(value: Any) -> datetime | None:
    """Return a date of moto's, which is in seconds since 1970 as a number or a text."""
    if value in (None, ""):
        return None
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except ValueError:
        parsed = datetime.fromisoformat(str(value))
        return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _group(call: Call, request: Mapping[str, Any]) -> Any:
    return _backend(call).schedule_groups.get(request.get("GroupName") or DEFAULT_GROUP)


def _group_arn(call: Call, request: Mapping[str, Any]) -> str:
    context, name = call.context, request.get("GroupName") or DEFAULT_GROUP
    return f"arn:{context.partition}:scheduler:{context.region}:{context.account_id}:schedule-group/{name}"


def _not_delivered(operation: str, what: str) -> ServiceError:
    message = f"{not_emulated('scheduler', operation).message} It does not deliver scheduled events to {what}."
    return ServiceError("NotImplemented", message, 501)


def _invalid(message: str) -> ServiceError:
    return ServiceError("ValidationException", message)


def _backend(call: Call) -> Any:
    from moto.scheduler.models import scheduler_backends

    return scheduler_backends[call.context.account_id][call.context.region]
