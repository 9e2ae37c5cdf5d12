"""Makes moto's CloudWatch Logs behave as AWS does: order of events, filter patterns, and tags of deleted groups.

AWS always interleaves the streams of a group; moto does so only on request. Each execution environment of a function
has its own stream, so without this the last lines would not be the latest ones. moto knows few filter patterns and
ignores the others; it keeps the tags of a deleted group for the next group with that name, and tags groups that do not
exist.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from ...http.request import Response
from ...protocol.error_response import render_error
from ...protocol.errors import ServiceError
from ...protocol.request_metadata import claimed_parameters
from .cold_events import reading, store_events_cold
from .filter_pattern import InvalidPatternError, Matches, parse_pattern

if TYPE_CHECKING:
    from ...gateway.call import Call, Forward

MAX_EVENTS = 10_000
_ON_TAGS = frozenset({"TagResource", "UntagResource", "ListTagsForResource"})
_GROUP = ":log-group:"


class LogsPatch:
    """The moto patch of CloudWatch Logs."""

    service = "logs"

    def handle(self, call: Call, forward: Forward) -> Response:
        if call.operation in ("FilterLogEvents", "GetLogEvents"):
            parameters = claimed_parameters(call.request)
            with reading(parameters.get("startTime"), parameters.get("endTime")):
                return self._filter(call, forward) if call.operation == "FilterLogEvents" else forward(call)
        if call.operation == "CreateLogStream":
            return self._create_stream(call, forward)
        if call.operation == "DeleteLogGroup":
            return self._delete_group(call, forward)
        if call.operation in _ON_TAGS:
            _require_group(call)
        return forward(call)

    def stop(self) -> None:
        """Do nothing: no call waits here."""

    def _filter(self, call: Call, forward: Forward) -> Response:
        parameters = claimed_parameters(call.request) | {"interleaved": True}
        pattern = parameters.pop("filterPattern", "")
        if not isinstance(pattern, str) or not pattern.strip():
            call.request.replace_body(json.dumps(parameters).encode())
            return forward(call)
        try:
            matches = parse_pattern(pattern)
        except InvalidPatternError as error:
            return render_error(
                call.request, "logs", ServiceError("InvalidParameterException", f"Invalid filter pattern: {error}")
            )
        return self._filter_pages(call, forward, parameters, matches)

    def _filter_pages(self, call: Call, forward: Forward, parameters: dict[str, Any], matches: Matches) -> Response:
        """Read without a pattern, and select from the first page, and from all others if that is not enough."""
        limit = parameters.get("limit") or MAX_EVENTS
        if not isinstance(limit, int) or not 1 <= limit <= MAX_EVENTS:
            call.request.replace_body(json.dumps(parameters).encode())
            return forward(call)
        call.request.replace_body(json.dumps(parameters | {"limit": MAX_EVENTS}).encode())
        response = forward(call)
        if response.status >= 300:
            return response
        content = json.loads(response.content())
        events = [event for event in content["events"] if matches(event["message"])]
        token = content.pop("nextToken", None)
        if token and len(events) <= limit:
            events += (event for event in _rest(call, parameters, token) if matches(event["message"]))
        if len(events) > limit:
            last = events[limit - 1]
            # moto's own form of a token: the event after which the next page begins.
            content["nextToken"] = f"{parameters['logGroupName']}@{last['logStreamName']}@{last['eventId']}"
        return response.with_content(json.dumps(content | {"events": events[:limit]}).encode())

    def restore(self, account_id: str) -> None:
        """Keep the events of restored streams in cold storage."""
        from moto.logs.models import logs_backends

        for backend in logs_backends[account_id].values():
            for group in backend.groups.values():
                for stream in group.streams.values():
                    store_events_cold(stream)

    def _create_stream(self, call: Call, forward: Forward) -> Response:
        response = forward(call)
        if response.status < 300:
            parameters = claimed_parameters(call.request)
            group = _backend(call).groups.get(parameters["logGroupName"])
            # Another request may have deleted it.
            if group is not None and (stream := group.streams.get(parameters["logStreamName"])):
                store_events_cold(stream)
        return response

    def _delete_group(self, call: Call, forward: Forward) -> Response:
        backend = _backend(call)
        group = backend.groups.get(claimed_parameters(call.request).get("logGroupName", ""))
        response = forward(call)
        if group is not None and response.status < 300:
            backend.tagger.delete_all_tags_for_resource(group.arn)
        return response


def _rest(call: Call, parameters: dict[str, Any], token: str) -> list[dict[str, Any]]:
    """Return all events after the page with this token: for each page, moto reads all of them."""
    group = _backend(call).groups.get(parameters["logGroupName"])
    if group is None:
        return []
    events: list[dict[str, Any]]
    events, _, _ = group.filter_log_events(
        parameters["logGroupName"],
        parameters.get("logStreamNames", []),
        parameters.get("startTime"),
        parameters.get("endTime"),
        limit=sys.maxsize,
        next_token=token,
        filter_pattern=None,
        interleaved=True,
    )
    return events


def _require_group(call: Call) -> None:
    """Raise AWS's error for the tags of a log group that does not exist. moto knows the tags of other resources."""
    arn = claimed_parameters(call.request).get("resourceArn", "")
    if _GROUP not in arn:
        return
    name = arn.partition(_GROUP)[2].removesuffix(":*")
    if name not in _backend(call).groups:
        raise ServiceError("ResourceNotFoundException", "The specified log group does not exist.", 400)


def _backend(call: Call) -> Any:
    from moto.logs.models import logs_backends

    return logs_backends[call.context.account_id][call.context.region]
