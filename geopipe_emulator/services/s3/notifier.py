"""Sends the events of buckets to functions, queues, topics and EventBridge.

moto never sees a bucket's notification configuration: it would deliver to its own functions and past our queues.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ...events.delivery import Delivery, Dispatcher
from ...events.permissions import is_absent, may_deliver
from ...events.targets import Target, deliver
from ...http.request import Response
from ...protocol.errors import ServiceError
from ...service import Environment, ServiceEvent
from ...state.records import RecordTable
from .notifications import BucketNotifications, read_notifications, write_notifications
from .object_events import Sequencer, changes_of, event_bridge_detail, key_of, keys_to_delete, notification_message

if TYPE_CHECKING:
    from ...gateway.call import Call, Forward

PRINCIPAL = "s3.amazonaws.com"
_NOUNS = {"lambda": "function", "sqs": "queue", "sns": "topic"}
_DENIALS = {
    "lambda": "Not authorized to invoke function",
    "sqs": "Permissions on the destination queue do not allow S3 to publish notifications from this bucket",
    "sns": "Permissions on the destination topic do not allow S3 to publish notifications from this bucket",
}


class S3Notifier:
    """Keeps the notification configurations, and sends an event for each change that one covers."""

    def __init__(self, environment: Environment, dispatcher: Dispatcher, kept: RecordTable[str, str]) -> None:
        """`kept` has the configurations as XML, by bucket."""
        self._environment = environment
        self._dispatcher = dispatcher
        self._kept = kept
        self._configurations = {bucket: read_notifications(text.encode()) for bucket, text in kept.items()}
        self._sequencer = Sequencer()

    def forget(self, bucket: str) -> None:
        """Forget the configuration of a bucket that was deleted."""
        self._configurations.pop(bucket, None)
        self._kept.pop(bucket, None)

    def get(self, bucket: str) -> str:
        """Return the bucket's configuration as XML."""
        return write_notifications(self._configurations.get(bucket, BucketNotifications()))

    def put(self, call: Call, bucket: str, region: str) -> None:
        """Replace the bucket's configuration. Raises AWS's error if a target is missing or does not allow it.

        Each new queue and topic gets a test event.
        """
        configuration = read_notifications(call.request.body)
        if call.request.header("x-amz-skip-destination-validation").lower() != "true":
            for notification in configuration.notifications:
                self._check_target(notification.target_arn, bucket, region, call)
        before = self._configurations.get(bucket, BucketNotifications())
        known = {notification.target_arn for notification in before.notifications}
        self._configurations[bucket] = configuration
        self._kept[bucket] = write_notifications(configuration)
        for arn in dict.fromkeys(notification.target_arn for notification in configuration.notifications):
            if arn not in known and ":lambda:" not in arn:
                self._send_test_event(arn, bucket, call)

    def follow(self, call: Call, forward: Forward, bucket: str, key: str, moto_bucket: Any) -> Response:
        """Forward a call, and send the events of what it has changed."""
        configuration = self._configurations.get(bucket)
        if configuration is None or moto_bucket is None or call.request.method in ("GET", "HEAD"):
            return forward(call)
        key, deleted = key_of(call, key), keys_to_delete(call, moto_bucket, key)
        response = forward(call)
        if response.status >= 300:
            return response
        context = replace(call.context, region=moto_bucket.region_name)
        address = str(call.request.environ.get("REMOTE_ADDR", "127.0.0.1"))
        for change in changes_of(call, response, moto_bucket, key, deleted, self._sequencer):
            for notification in configuration.notifications:
                if notification.covers(change.event, change.key):
                    message = notification_message(change, bucket, notification.id, context, address)
                    target = self._target(notification.target_arn, bucket, call)
                    self._dispatcher.send(Delivery(target, json.dumps(message)))
            if configuration.event_bridge:
                self._environment.emit(
                    ServiceEvent(
                        "aws.s3",
                        change.detail_type,
                        context.region,
                        (_arn(bucket, call),),
                        event_bridge_detail(change, bucket, context, address),
                    )
                )
        return response

    def _check_target(self, arn: str, bucket: str, region: str, call: Call) -> None:
        _, _, service, target_region, account, *_ = arn.split(":")
        try:
            if (target_region, account) != (region, call.context.account_id):
                reason = "The notification destination service region is not valid for the bucket location constraint"
            elif may_deliver(self._environment, PRINCIPAL, _arn(bucket, call), arn):
                return
            else:
                reason = _DENIALS[service]
        except ClientError as error:
            if not is_absent(error):
                raise
            reason = f"The destination {_NOUNS[service]} does not exist"
        message = "Unable to validate the following destination configurations"
        raise ServiceError("InvalidArgument", message, 400, {"ArgumentName1": f"{arn}, null", "ArgumentValue1": reason})

    def _send_test_event(self, arn: str, bucket: str, call: Call) -> None:
        message = {
            "Service": "Amazon S3",
            "Event": "s3:TestEvent",
            "Time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "Bucket": bucket,
            "RequestId": call.context.request_id,
            "HostId": call.context.request_id,
        }
        deliver(self._environment, self._target(arn, bucket, call), json.dumps(message), call.context.request_id)

    def _target(self, arn: str, bucket: str, call: Call) -> Target:
        return Target(arn, PRINCIPAL, _arn(bucket, call))


def _arn(bucket: str, call: Call) -> str:
    return f"arn:{call.context.partition}:s3:::{bucket}"
