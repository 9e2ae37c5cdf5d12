"""Answers callbacks: each when its work is over, never earlier, never lost.

The pipeline waits until its token is answered, for weeks if nobody does it. So a message is let go, and thereby leaves
the queue, only when its step has been answered or can never be. Any other comes back, alone, by batchItemFailures; to
send it anew would look to Lambda like a function that feeds itself. What of the work can be repeated without harm is
the business of assignment.py.
"""

import hashlib
import json
import os
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

import assignment

SHORT = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard"})
SAGEMAKER = boto3.client("sagemaker", config=SHORT)
SQS = boto3.client("sqs", config=SHORT)

# Geopipe sets these three for every function.
QUEUE_URL = os.environ["QUEUE_URL"]
DEAD_LETTER_QUEUE_URL = os.environ["DEAD_LETTER_QUEUE_URL"]
DEADLINE_SECONDS = int(os.environ["CALLBACK_DEADLINE_SECONDS"])

GO_ON_SECONDS, TRY_AGAIN_SECONDS = 1, 20
REASON_LENGTH = 256
ALREADY_OVER, INVALID = ("ResourceNotFound", "ConflictException"), "ValidationException"
NEVER_THERE = ("NoSuchKey", "NoSuchBucket")


def answer_all(records, has_time):
    """What Lambda expects for a batch: the messages that must come again, and no others."""
    again = [record["messageId"] for record in records if not _settled(record, has_time)]
    return {"batchItemFailures": [{"itemIdentifier": message} for message in again]}


def _settled(record, has_time):
    """Whether the message may go."""
    try:
        message = json.loads(record["body"])
        token, status, order = str(message["token"]), message.get("status"), message.get("arguments")
    except (ValueError, KeyError, TypeError, AttributeError):  # nobody can be answered
        _log("not a callback", message=record["messageId"])
        return True
    try:
        if reason := _reason_to_give_up(record, status):
            return _answer(token, reason) and _end_work(order, token)
        return _worked(record, order, token, has_time)
    except (ClientError, BotoCoreError) as error:  # throttled, denied, unreachable: that may pass
        _log("tried again later", message=record["messageId"], error=str(error))
        return _come_back(record, order, TRY_AGAIN_SECONDS)


def _reason_to_give_up(record, status):
    if str(status).lower() == "stopping":
        return "The execution is being stopped"
    if _queue_url(record) == DEAD_LETTER_QUEUE_URL:
        return "The work was not done in as many deliveries as the queue allows"
    if time.time() - int(record["attributes"]["SentTimestamp"]) / 1000 > DEADLINE_SECONDS:
        return f"The work was not done within {DEADLINE_SECONDS} s"
    return ""


def _worked(record, order, token, has_time):
    try:
        over = has_time() and assignment.go_on(order, _name_of(token), has_time)
    except (KeyError, TypeError, ValueError) as error:  # of the order or the input: they will not get better
        return _answer(token, f"{type(error).__name__}: {error}")
    except ClientError as error:
        if error.response["Error"]["Code"] not in NEVER_THERE:
            raise
        return _answer(token, f"{order['input_uri']} cannot be read: {error}")
    if over:
        return _answer(token, outputs={"parts_uri": assignment.parts_uri(order)})
    return _come_back(record, order, GO_ON_SECONDS)


def _end_work(order, token):
    """Once a step is given up, its other message (the one that was doing the work) must not go on with it."""
    try:
        assignment.end(order, _name_of(token))
    except (ClientError, BotoCoreError, KeyError, TypeError) as error:  # a pity, but the step has its answer
        _log("the work was not ended", error=str(error))
    return True


def _name_of(token):
    """The same for every message of one waiting step, and it does not give the token away."""
    return hashlib.sha256(token.encode()).hexdigest()


def _answer(token, failure="", outputs=None):
    """Answer the step; answering it again in the same way is no error, thanks to the request token."""
    once = {"CallbackToken": token, "ClientRequestToken": _name_of(token)}
    try:
        if failure:
            SAGEMAKER.send_pipeline_execution_step_failure(**once, FailureReason=failure[:REASON_LENGTH])
        else:
            values = [{"Name": name, "Value": value} for name, value in outputs.items()]
            SAGEMAKER.send_pipeline_execution_step_success(**once, OutputParameters=values)
    except (ClientError, ParamValidationError) as error:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else INVALID
        if code == INVALID and not failure:
            return _answer(token, "The outputs of this step were refused")
        if code not in (*ALREADY_OVER, INVALID):
            raise
        _log("nobody waits for this answer", code=code)
    else:
        _log("answered", failure=failure)
    return True


def _come_back(record, order, seconds):
    """Show the message again soon; where that is refused, the queue's own visibility timeout holds."""
    _log("not yet", message=record["messageId"], order=order)
    try:
        SQS.change_message_visibility(
            QueueUrl=_queue_url(record), ReceiptHandle=record["receiptHandle"], VisibilityTimeout=seconds
        )
    except (ClientError, BotoCoreError) as error:
        _log("the visibility stays", error=str(error))
    return False


def _queue_url(record):
    name = record["eventSourceARN"].rpartition(":")[2]
    return DEAD_LETTER_QUEUE_URL if DEAD_LETTER_QUEUE_URL.endswith("/" + name) else QUEUE_URL


def _log(what, **facts):
    """A line for CloudWatch Logs. Tokens and receipt handles never go there: who has one can end the step."""
    print(json.dumps({"what": what, **facts}))
