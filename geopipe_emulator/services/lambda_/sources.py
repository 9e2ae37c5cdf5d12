"""Queues as event sources: whether AWS accepts one for a function, and whose credentials read it."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from ...protocol.errors import ServiceError
from ...service import Environment, RequestContext
from .names import session_name
from .store import FunctionRecord

# The function's role must be allowed these before AWS accepts a mapping.
_ACTIONS = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")


class QueueSources:
    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    def check(self, queue_arn: str, function: FunctionRecord, context: RequestContext) -> None:
        """Raise AWS's error unless the queue can feed the function."""
        parts = queue_arn.split(":")
        if len(parts) != 6 or parts[2] != "sqs":
            raise _invalid("Unrecognized event source, must be an SQS queue in this emulator.")
        if (parts[3], parts[4]) != (context.region, context.account_id):
            raise _invalid("The event source must be in the same region and account as the function.")
        self._check_role(queue_arn, function)
        visibility = self._visibility_timeout(parts[5], context)
        timeout = function.configuration.timeout
        if visibility < timeout:
            raise _invalid(
                f"Queue visibility timeout: {visibility} seconds is less than Function timeout: {timeout} seconds"
            )

    def client_as(self, function: FunctionRecord) -> Any:
        """Return an SQS client with the function's role."""
        session = session_name(function.key.name)
        return self._environment.client_as(function.configuration.role, session, "sqs", function.key.region)

    def _check_role(self, queue_arn: str, function: FunctionRecord) -> None:
        required = [(f"sqs:{action}", queue_arn) for action in _ACTIONS]
        missing = self._environment.missing_permission(function.configuration.role, required)
        if missing:
            action = missing.removeprefix("sqs:")
            raise _invalid(f"The provided execution role does not have permissions to call {action} on SQS")

    def _visibility_timeout(self, queue_name: str, context: RequestContext) -> int:
        sqs = self._environment.client("sqs", context.region)
        try:
            url = sqs.get_queue_url(QueueName=queue_name)["QueueUrl"]
            attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]
        except ClientError as error:
            if "NonExistentQueue" not in error.response["Error"]["Code"]:
                raise
            raise _invalid(
                "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. "
                "SQS Error Message: The specified queue does not exist."
            ) from error
        return int(attributes["VisibilityTimeout"])


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterValueException", message)
