"""What the policies of functions, queues, topics and roles allow an AWS service to do.

A service that acts on its own behalf has no policies of its own. So these policies count at every setting of `iam`, as
a bucket's policy does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from ..authorization.policy_statements import Access
from ..authorization.resource_policies import is_allowed
from ..service import Environment

_LATEST = ":$LATEST"
_ABSENT = ("ResourceNotFoundException", "NotFound", "NonExistentQueue", "QueueDoesNotExist", "NoSuchEntity")


def is_absent(error: ClientError) -> bool:
    """Return whether the error says that the resource does not exist."""
    return any(name in error.response["Error"]["Code"] for name in _ABSENT)


def queue_url(environment: Environment, queue_arn: str) -> str:
    """Return the URL of a queue of the account, whether it exists or not."""
    account, name = queue_arn.split(":")[4:6]
    return f"{environment.endpoint_url}/{account}/{name}"


def may_deliver(environment: Environment, principal: str, source_arn: str, target_arn: str) -> bool:
    """Return whether the policy of a function, queue or topic, or one for log groups, lets a service deliver to it.

    Args:
        environment: The surroundings of the service.
        principal: The service, such as s3.amazonaws.com.
        source_arn: What sends: a bucket, a rule or a topic.
        target_arn: The function, queue, topic or log group.

    Raises:
        ClientError: The target does not exist.
    """
    service, region = target_arn.split(":")[2:4]
    client = environment.client(service, region)
    if service == "lambda":
        action, policy = "lambda:InvokeFunction", _function_policy(client, target_arn)
    elif service == "sqs":
        url = queue_url(environment, target_arn)
        attributes = client.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]).get("Attributes", {})
        action, policy = "sqs:SendMessage", attributes.get("Policy", "")
    elif service == "logs":
        return _may_write_log(environment, client, principal, source_arn, target_arn)
    else:
        action, policy = "sns:Publish", client.get_topic_attributes(TopicArn=target_arn)["Attributes"]["Policy"]
    access = Access(action, target_arn.removesuffix(_LATEST), frozenset({principal}), _facts(environment, source_arn))
    return bool(policy) and is_allowed(json.loads(policy), access)


def may_assume(environment: Environment, principal: str, source_arn: str, role_arn: str) -> bool:
    """Return whether the role exists and its trust policy lets a service assume it for this source."""
    try:
        role = environment.client("iam").get_role(RoleName=role_arn.rpartition("/")[2])["Role"]
    except ClientError as error:
        if is_absent(error):
            return False
        raise
    trust: Mapping[str, Any] = role["AssumeRolePolicyDocument"]
    access = Access("sts:AssumeRole", role_arn, frozenset({principal}), _facts(environment, source_arn))
    return role["Arn"] == role_arn and is_allowed(trust, access)


def _may_write_log(environment: Environment, client: Any, principal: str, source_arn: str, group_arn: str) -> bool:
    """Return whether one of the account's resource policies of CloudWatch Logs allows it."""
    resource = f"{group_arn.removesuffix(':*')}:log-stream:events"
    access = Access("logs:PutLogEvents", resource, frozenset({principal}), _facts(environment, source_arn))
    policies = client.describe_resource_policies()["resourcePolicies"]
    return any(is_allowed(json.loads(policy["policyDocument"]), access) for policy in policies)


def _function_policy(client: Any, function_arn: str) -> str:
    """Return the policy of a function, version or alias; "" if it has none. Raises ClientError if it is absent."""
    try:
        policy: str = client.get_policy(FunctionName=function_arn.removesuffix(_LATEST))["Policy"]
    except ClientError as error:
        if not is_absent(error):
            raise
        client.get_function_configuration(FunctionName=function_arn)
        return ""
    return policy


def _facts(environment: Environment, source_arn: str) -> dict[str, str]:
    """The condition keys that AWS sets when a service calls for one of the account's resources."""
    account = environment.settings.account_id
    return {"aws:sourcearn": source_arn, "aws:sourceaccount": account, "aws:securetransport": "true"}
