"""One SQS record, and the callback it carries: reading only, nothing here calls AWS or decides anything."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import payloads
from jobs import FAMILIES, JobFamily, Phase, family_with, job_arn, region_of

_PIPELINE_ARN = re.compile(r"arn:aws[a-z-]*:sagemaker:([a-z]{2}(?:-[a-z]+)+-[0-9]):[0-9]{12}:pipeline/.+", re.I)
_TOKEN_IN_RUBBLE = re.compile(r'"token\\*"\s*:\s*\\*"([A-Za-z0-9]+)', re.I)


@dataclass(frozen=True)
class Record:
    """An SQS message as the event source mapping hands it over. `sent` is in seconds, None when not told."""

    message_id: str
    receipt_handle: str
    queue_arn: str
    sent: float | None
    body: str

    @property
    def region(self) -> str:
        parts = self.queue_arn.split(":")
        return parts[3] if len(parts) == 6 else ""

    def age(self, now: float) -> float:
        return max(0.0, now - self.sent) if self.sent is not None else 0.0


@dataclass(frozen=True)
class Callback:
    """A step of a pipeline that waits for a job."""

    token: str
    pipeline_region: str
    family: JobFamily
    job_arn: str
    job_region: str
    phase: Phase | None
    stopping: bool


class MalformedMessageError(Exception):
    """The body is no callback that we know; with its token, if it has one, the step can at least be failed."""

    def __init__(self, problem: str, token: str = "", pipeline_region: str = "") -> None:
        super().__init__(problem)
        self.token = token
        self.pipeline_region = pipeline_region


def read_record(raw: Any) -> Record:
    """The record as it is; what is missing stays empty."""
    fields = payloads.fold(raw) if isinstance(raw, dict) else {}
    attributes = fields.get("attributes")
    body = fields.get("body")
    return Record(
        message_id=payloads.optional_text(fields, "messageid"),
        receipt_handle=payloads.optional_text(fields, "receipthandle"),
        queue_arn=payloads.optional_text(fields, "eventsourcearn"),
        sent=_seconds(attributes.get("SentTimestamp")) if isinstance(attributes, dict) else None,
        body=body if isinstance(body, str) else json.dumps(body),
    )


def read_callback(body: str) -> Callback:
    """The callback in a message body; keys in any case. Raises MalformedMessageError."""
    try:
        fields = payloads.fold(payloads.as_mapping(body, "the message body"))
    except ValueError as problem:
        rubble = _TOKEN_IN_RUBBLE.search(body)
        raise MalformedMessageError(str(problem), rubble[1] if rubble else "") from problem
    token = payloads.optional_text(fields, "token")
    if not token:
        raise MalformedMessageError("the message has no token")
    pipeline_region = _pipeline_region(fields)
    try:
        return _callback(token, pipeline_region, fields)
    except ValueError as problem:
        raise MalformedMessageError(str(problem), token, pipeline_region) from problem


def _callback(token: str, pipeline_region: str, fields: Mapping[str, Any]) -> Callback:
    arguments = payloads.fold(payloads.as_mapping(fields.get("arguments"), "arguments"))
    family = family_with(arguments, "arn")
    if family is None:
        raise ValueError(f"arguments has none of {', '.join(known.key('arn') for known in FAMILIES)}")
    arn = job_arn(family, arguments)
    return Callback(
        token=token,
        pipeline_region=pipeline_region,
        family=family,
        job_arn=arn,
        job_region=region_of(arguments, arn),
        phase=_phase(arguments),
        stopping=payloads.optional_text(fields, "status").lower() == "stopping",
    )


def _phase(arguments: Mapping[str, Any]) -> Phase | None:
    """Which wait the definition says this is; AWS's sample definition says nothing."""
    if "phase" not in arguments:
        return None
    given = payloads.text(arguments, "phase").lower()
    try:
        return Phase(given)
    except ValueError:
        known = " or ".join(phase.value for phase in Phase)
        raise ValueError(f"phase must be {known}, not {given!r}") from None


def _pipeline_region(fields: Mapping[str, Any]) -> str:
    """Where the callback is to be answered; empty, so the function's own region, when the message does not say."""
    found = _PIPELINE_ARN.fullmatch(payloads.optional_text(fields, "pipelineexecutionarn"))
    return found[1].lower() if found else ""


def _seconds(milliseconds: Any) -> float | None:
    try:
        return int(milliseconds) / 1000
    except (TypeError, ValueError, OverflowError):
        return None
