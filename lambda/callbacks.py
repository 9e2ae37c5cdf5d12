"""Answers the callbacks in a batch of SQS records: each exactly when its job is over.

The pipeline waits for an answer, for weeks if none comes, so a message is given up (and thereby deleted) only when its
step has been answered or can never be. Every other message goes back to its queue, alone, by batchItemFailures;
sending it anew is not done, since Lambda stops functions that feed their own queue.
"""

import traceback
from collections.abc import Sequence
from typing import Any

import answers
from decisions import Decision, Outcome, decide, failure, give_up, not_yet
from faults import AwsError, Fault, fault_of
from invocation import Invocation
from messages import Callback, MalformedMessageError, Record, read_callback, read_record

# A job that has run for long is looked at less often, but one that is over is seen within a minute.
# A sixth of its age: a job of two minutes is seen within 20 s, and 16 hours take no more than the 1,000 receives that
# the queue allows.
_SOONEST_SECONDS = 5
_LATEST_SECONDS = 60
_LOOKS_PER_AGE = 6


def answer_batch(raw_records: Sequence[Any], invocation: Invocation) -> dict[str, Any]:
    """What Lambda expects for a batch: the ids of the messages that must come again, and of no others."""
    records = [read_record(raw) for raw in raw_records]
    again = [record.message_id for record in records if not _settle(record, invocation)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}


def _settle(record: Record, invocation: Invocation) -> bool:
    invocation.log.hide(record.receipt_handle)
    if not invocation.has_time():
        invocation.log.warning("no time left for this message", message_id=record.message_id)
        return False
    try:
        settled = _answer(record, invocation)
    except Exception:  # noqa: BLE001 - one message nobody foresaw must not take the rest of its batch with it
        invocation.log.error("unforeseen", message_id=record.message_id, traceback=traceback.format_exc())
        settled = False
    if not settled:
        _come_back_soon(record, invocation)
    return settled


def _answer(record: Record, invocation: Invocation) -> bool:
    """Whether the message may be deleted."""
    try:
        callback = read_callback(record.body)
    except MalformedMessageError as malformed:
        return _answer_malformed(malformed, record, invocation)
    invocation.log.hide(callback.token)
    decision = _judge(callback, record, invocation)
    invocation.log.info(
        "callback",
        message_id=record.message_id,
        job=callback.job_arn,
        status=decision.status,
        outcome=decision.outcome.value,
        reason=decision.reason,
    )
    if decision.stop_job:
        _stop_job(callback, invocation)
    if decision.outcome is Outcome.NOT_YET:
        return False
    return answers.send(decision, callback.token, callback.pipeline_region, invocation)


def _answer_malformed(malformed: MalformedMessageError, record: Record, invocation: Invocation) -> bool:
    invocation.log.hide(malformed.token)
    invocation.log.error(
        "malformed message", message_id=record.message_id, problem=str(malformed), token_found=bool(malformed.token)
    )
    if not malformed.token:
        return True
    reason = f"The callback message is malformed: {malformed}"
    return answers.send(failure(reason), malformed.token, malformed.pipeline_region, invocation)


def _judge(callback: Callback, record: Record, invocation: Invocation) -> Decision:
    """The decision, with what the queue and the clock say about it."""
    if callback.stopping:
        return give_up("The pipeline execution is being stopped")  # It is Stopped when this is answered, not before.
    if invocation.settings.is_dead_letter(record.queue_arn):
        return give_up("The callback could not be answered and reached the dead-letter queue")
    decision = _look(callback, invocation)
    deadline = invocation.settings.callback_deadline_seconds
    if decision.outcome is Outcome.NOT_YET and record.age(invocation.now()) > deadline:
        return give_up(f"The callback deadline of {deadline} s has passed: {decision.reason}", decision.status)
    return decision


def _look(callback: Callback, invocation: Invocation) -> Decision:
    """The decision by the job's state; what a failed look can still come to is "not yet", not a failure."""
    family = callback.family
    try:
        client = invocation.client(family.service, callback.job_region)
        job = family.read(family.get(client, callback.job_arn))
    except AwsError as error:
        if fault_of(error) in (Fault.GONE, Fault.INVALID):
            return failure(f"The {family.title} cannot be found: {error}")
        return not_yet(f"the {family.title} could not be looked at: {error}")
    return decide(family, job, callback.phase)


def _stop_job(callback: Callback, invocation: Invocation) -> None:
    """Stop a job nobody waits for; whatever the answer, the step is answered next."""
    family = callback.family
    try:
        family.stop(invocation.client(family.service, callback.job_region), callback.job_arn)
    except AwsError as error:
        invocation.log.warning("the job could not be stopped", job=callback.job_arn, error=str(error))


def _come_back_soon(record: Record, invocation: Invocation) -> None:
    """Show the message again well before the queue would; if that is refused, the queue's own time holds."""
    queue_url = invocation.settings.queue_url_of(record.queue_arn)
    if not queue_url or not record.receipt_handle or not invocation.has_time():
        return
    seconds = int(min(max(record.age(invocation.now()) / _LOOKS_PER_AGE, _SOONEST_SECONDS), _LATEST_SECONDS))
    try:
        invocation.client("sqs", record.region).change_message_visibility(
            QueueUrl=queue_url, ReceiptHandle=record.receipt_handle, VisibilityTimeout=seconds
        )
    except AwsError as error:
        invocation.log.warning("the message keeps its visibility", message_id=record.message_id, error=str(error))
