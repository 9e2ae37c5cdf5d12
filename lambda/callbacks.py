"""The callback contract: every waiting pipeline step is answered exactly when its job is final.

A callback step puts a message with a token into the queue and waits, for weeks if no response comes. So a message is
acknowledged, and thereby deleted, only when its step has been answered or can never be:

    the job is final            success or failure, as the job's `check` says
    still running               the message comes again after a sixth of its age, 5 to 60 s
    past the deadline           stop the job, then failure
    execution is stopping       stop the job, then failure: the execution is Stopped only after that
    in the dead-letter queue    stop the job, then failure
    malformed message           failure if it has a token, otherwise only a log line
    an AWS error                the message comes again, unless the error says that this can never help

A message that must come again is reported in batchItemFailures, alone. It is never sent again: Lambda stops functions
that feed their own queue. A message can also be delivered twice, so a token that is used or unknown is acknowledged.

The contract knows nothing of the job. The job is any module or object with the two functions of `JobApi`.
"""

import hashlib
import json
import re
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from aws import AwsError, ErrorKind, InvocationContext, error_kind
from log import redact

# A job that has run for long is checked less often, but its end is seen within a minute. A sixth of the age: a job of
# two minutes is seen within 20 s, and 16 hours take no more than the 1,000 receives that the queue allows.
_MIN_SECONDS = 5
_MAX_SECONDS = 60
_CHECKS_PER_AGE = 6

# The limits of SendPipelineExecutionStepSuccess and -Failure.
_MAX_REASON = 256
_MAX_OUTPUT = 1024

_PIPELINE_ARN = re.compile(r"arn:aws[a-z-]*:sagemaker:([a-z]{2}(?:-[a-z]+)+-[0-9]):[0-9]{12}:pipeline/.+", re.I)
_TOKEN_IN_BROKEN_JSON = re.compile(r'"token\\*"\s*:\s*\\*"([A-Za-z0-9]+)', re.I)


@dataclass(frozen=True)
class Verdict:
    """What to send for a callback, and why. `status` is the job's status that it rests on.

    `seconds` says when to check a running job again; None means a sixth of the message's age. `stop_job` asks to stop
    the job first, because no step waits for it any more.
    """

    outcome: Literal["success", "failure", "still running"]
    reason: str
    status: str = ""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    seconds: int | None = None
    stop_job: bool = False


def success(reason: str, outputs: Mapping[str, Any], status: str = "") -> Verdict:
    return Verdict("success", reason, status, outputs)


def failure(reason: str, status: str = "") -> Verdict:
    return Verdict("failure", reason, status)


def still_running(reason: str, status: str = "", seconds: int | None = None) -> Verdict:
    return Verdict("still running", reason, status, seconds=seconds)


def _give_up(reason: str, status: str = "") -> Verdict:
    return Verdict("failure", reason, status, stop_job=True)


class MalformedInputError(ValueError):
    """What the pipeline passed on cannot be used. The text names the key."""


@dataclass(frozen=True)
class Callback:
    """A pipeline step that waits. `arguments` have lower-case keys; `problem` says why they cannot be used.

    `region` is the pipeline's; it is empty, meaning the function's own, where the message does not name it.
    """

    token: str = field(repr=False)
    region: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    stopping: bool = False
    problem: str = ""

    @property
    def step_id(self) -> str:
        """The same text for every message of one waiting step; it does not reveal the token."""
        return hashlib.sha256(self.token.encode()).hexdigest()


class JobApi(Protocol):
    """What the contract needs of a job."""

    def check(self, callback: Callback, invocation: InvocationContext) -> Verdict:
        """Returns the verdict on the job that `callback.arguments` name.

        Raises:
            MalformedInputError: the arguments name no job; the step fails.
        """

    def stop(self, callback: Callback, invocation: InvocationContext) -> None:
        """Stop the job. An error is logged; the step is answered all the same."""


@dataclass(frozen=True)
class Record:
    """An SQS message as the event source mapping passes it on. `sent` is in seconds; None where it is not given.

    `is_repeated`: it was received before, and the worker that had it may have been ended.
    """

    message_id: str
    receipt_handle: str
    queue_arn: str
    sent: float | None
    body: str
    is_repeated: bool = False

    def age(self, now: float) -> float:
        return max(0.0, now - self.sent) if self.sent is not None else 0.0


def answer_batch(records: Sequence[Any], job: JobApi, invocation: InvocationContext) -> dict[str, Any]:
    """Returns what Lambda expects for a batch: the ids of the messages that must come again, and no others."""
    again = [record.message_id for record in map(read_record, records) if not _settle(record, job, invocation)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}


def _settle(record: Record, job: JobApi, invocation: InvocationContext) -> bool:
    """Returns whether the message may be deleted. Raises nothing: one message must not fail its whole batch."""
    log, seconds = invocation.log, None
    log.hide(record.receipt_handle)
    if not invocation.has_time():
        log.warning("no time left for this message", message_id=record.message_id)
        return False
    try:
        callback = read_callback(record.body)
        log.hide(callback.token)
        if not callback.token:
            log.error("malformed message", message_id=record.message_id, problem=callback.problem, token_found=False)
            return True
        verdict = _judge(callback, record, job, invocation)
        log.info(
            "callback",
            message_id=record.message_id,
            arguments=redact(callback.arguments, log.hide),
            status=verdict.status,
            outcome=verdict.outcome,
            reason=verdict.reason,
        )
        if verdict.stop_job:
            _stop(callback, job, invocation)
        if verdict.outcome != "still running" and _send(verdict, callback, invocation):
            return True
        seconds = verdict.seconds
    except Exception:  # noqa: BLE001 - an error that is not AWS's: only this message comes again
        log.error("unexpected error", message_id=record.message_id, traceback=traceback.format_exc())
    _show_again(record, seconds, invocation)
    return False


def _judge(callback: Callback, record: Record, job: JobApi, invocation: InvocationContext) -> Verdict:
    """Returns the job's verdict, unless the message, the queue or the clock decides."""
    try:
        if callback.problem:
            raise MalformedInputError(callback.problem)
        if callback.stopping:
            return _give_up("The pipeline execution is being stopped")
        if invocation.settings.is_dead_letter_queue(record.queue_arn):
            return _give_up("The callback could not be answered and reached the dead-letter queue")
        verdict = job.check(callback, invocation)
    except MalformedInputError as error:
        invocation.log.error("malformed message", message_id=record.message_id, problem=str(error), token_found=True)
        return failure(f"The callback message is malformed: {error}")
    deadline = invocation.settings.callback_deadline_seconds
    if verdict.outcome == "still running" and record.age(invocation.now()) > deadline:
        return _give_up(f"The callback deadline of {deadline} s has passed: {verdict.reason}", verdict.status)
    return verdict


def _stop(callback: Callback, job: JobApi, invocation: InvocationContext) -> None:
    try:
        job.stop(callback, invocation)
    except Exception as error:  # noqa: BLE001 - no error of the job may keep the step waiting
        invocation.log.warning("the job could not be stopped", error=str(error))


def _send(verdict: Verdict, callback: Callback, invocation: InvocationContext) -> bool:
    """Answer the step. Returns whether the message may be deleted: answered, or refused for good."""
    log = invocation.log
    try:
        client = invocation.client("sagemaker", callback.region)
        if verdict.outcome == "success":
            outputs = [
                {"Name": name, "Value": truncate(str(value), _MAX_OUTPUT)} for name, value in verdict.outputs.items()
            ]
            client.send_pipeline_execution_step_success(CallbackToken=callback.token, OutputParameters=outputs)
        else:
            reason = truncate(verdict.reason, _MAX_REASON)
            client.send_pipeline_execution_step_failure(CallbackToken=callback.token, FailureReason=reason)
    except AwsError as error:
        kind = error_kind(error)
        if kind in (ErrorKind.NOT_FOUND, ErrorKind.CONFLICT):
            log.warning("the callback is unknown or already answered", error=str(error))
            return True
        if kind is not ErrorKind.INVALID:
            log.warning("the callback could not be answered and is tried again later", error=str(error))
            return False
        if verdict.outcome == "success":
            log.warning("the success was refused, a failure is sent instead", error=str(error))
            return _send(failure(f"The success was refused: {error}"), callback, invocation)
        log.error("the callback cannot be answered", error=str(error))
    return True


def _show_again(record: Record, seconds: int | None, invocation: InvocationContext) -> None:
    """Make the message visible sooner than its queue would. If that fails, the queue's visibility timeout holds."""
    queue_url = invocation.settings.queue_url_of(record.queue_arn)
    if not queue_url or not record.receipt_handle or not invocation.has_time():
        return
    if seconds is None:
        seconds = int(min(max(record.age(invocation.now()) / _CHECKS_PER_AGE, _MIN_SECONDS), _MAX_SECONDS))
    try:
        invocation.client("sqs", record.queue_arn.split(":")[3]).change_message_visibility(
            QueueUrl=queue_url, ReceiptHandle=record.receipt_handle, VisibilityTimeout=seconds
        )
    except Exception as error:  # noqa: BLE001 - after any error the message comes again, and only this one
        invocation.log.warning("the message keeps its visibility", message_id=record.message_id, error=str(error))


def truncate(text: str, length: int) -> str:
    """Returns the text cut to a length, with … at the end of a cut text, and never cut inside a character.

    Counts UTF-16 units, the largest of the counts a service may use. Half a surrogate pair, which has no encoding,
    becomes a question mark.
    """
    units = text.encode("utf-16-le", "replace")
    if len(units) <= 2 * length:
        return units.decode("utf-16-le")
    return units[: 2 * (length - 1)].decode("utf-16-le", "ignore") + "…"


# Reading what the pipeline passed on: values are JSON text or objects, keys differ in capitals, absent values are null.


def read_record(raw: Any) -> Record:
    """Returns the record as it is; missing parts are empty."""
    fields = lowercase_keys(raw) if isinstance(raw, dict) else {}
    attributes, body = fields.get("attributes"), fields.get("body")
    try:
        sent = int(attributes["SentTimestamp"]) / 1000 if isinstance(attributes, dict) else None
    except (KeyError, TypeError, ValueError, OverflowError):
        sent = None
    received = attributes.get("ApproximateReceiveCount", "1") if isinstance(attributes, dict) else "1"
    return Record(
        message_id=optional_text(fields, "messageid"),
        receipt_handle=optional_text(fields, "receipthandle"),
        queue_arn=optional_text(fields, "eventsourcearn"),
        sent=sent,
        body=body if isinstance(body, str) else json.dumps(body),
        is_repeated=received != "1",
    )


def read_callback(body: str) -> Callback:
    """Returns the callback in a message body, with its token even where the rest cannot be read."""
    try:
        fields = lowercase_keys(as_mapping(body, "the message body"))
    except MalformedInputError as error:
        found = _TOKEN_IN_BROKEN_JSON.search(body)
        return Callback(found[1] if found else "", problem=str(error))
    pipeline = _PIPELINE_ARN.fullmatch(optional_text(fields, "pipelineexecutionarn"))
    token, region = optional_text(fields, "token"), pipeline[1].lower() if pipeline else ""
    stopping = optional_text(fields, "status").lower() == "stopping"
    try:
        required_text(fields, "token")
        arguments = lowercase_keys(as_mapping(fields.get("arguments"), "arguments"))
    except MalformedInputError as error:
        return Callback(token, region, stopping=stopping, problem=str(error))
    return Callback(token, region, arguments, stopping)


def lowercase_keys(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the mapping with lower-case keys, without nulls. A key that is lower-case already wins."""
    present = {key: value for key, value in mapping.items() if value is not None}
    exact = {key: value for key, value in present.items() if key == key.lower()}
    return {key.lower(): value for key, value in present.items()} | exact


def as_mapping(value: Any, name: str) -> dict[str, Any]:
    """Returns the value as a dict, whether it came as one or as JSON text. Raises MalformedInputError."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise MalformedInputError(f"{name} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise MalformedInputError(f"{name} must be a JSON object, not {type(value).__name__}")
    return value


def required_text(fields: Mapping[str, Any], key: str) -> str:
    """Returns the text under a key. Raises MalformedInputError where there is none."""
    text = optional_text(fields, key)
    if not text:
        raise MalformedInputError(f"{key} is missing or is not text")
    return text


def optional_text(fields: Mapping[str, Any], key: str) -> str:
    """Returns the text under a key, or an empty text."""
    value = fields.get(key)
    return value.strip() if isinstance(value, str) else ""
