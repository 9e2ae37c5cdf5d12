"""What the caller may write, as IAM's policy simulator says it. Nothing is changed.

The simulator knows the policies and the boundary of the caller and the policies of the organization. It does not know
policies of resources, and a condition on a value that only a real call has is left out of account here. So a denial is
worth a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..aws.error_codes import is_denied
from ..aws.errors import AWS_ERRORS, reason
from ..aws.parallel import in_parallel
from ..context import Context
from ..events import CheckDone
from ..kinds.base import Resource
from ..kinds.registry import KINDS

if TYPE_CHECKING:
    from ..aws.clients import Aws

# Only some deployments need these, and the resources of the first three are not the deployment's own.
_SELDOM = re.compile(
    r"iam:(DetachUserPolicy|DetachGroupPolicy|RemoveRoleFromInstanceProfile|\w+RolePermissionsBoundary)"
    r"|lambda:(PutFunctionConcurrency|GetLayerVersion)"
)
_ASSUMED_ROLE = re.compile(r"arn:[\w-]+:sts::\d{12}:assumed-role/([^/]+)/.+")
_IDENTITY = re.compile(r"arn:[\w-]+:iam::\d{12}:(user|role)/.+")
_ROOT = re.compile(r"arn:[\w-]+:iam::\d{12}:root")
# AWS knows no resource for these, or none that exists before.
_ON_ANYTHING = re.compile(r"lambda:\w*EventSourceMapping\w*|logs:Describe\w+|tag:\w+")
_OBJECT_ACTION = re.compile(r"s3:(\w+Object\w*|AbortMultipartUpload)")


def check_writes(context: Context) -> Iterator[CheckDone]:
    """Ask the simulator about every action of the deployment's kinds, on the resources that they are for."""
    caller = context.aws.account.caller_arn
    if context.config.target == "local":
        yield CheckDone("permissions", "ok", "The emulator lets its user change everything.")
        return
    if _ROOT.fullmatch(caller):
        yield CheckDone("permissions", "ok", "The root user may change everything.")
        return
    try:
        identity = _identity_of(context.aws, caller)
        if identity is None:
            finding = "What may be changed is not known: the simulator does not know callers of this kind."
            yield CheckDone("permissions", "skipped", finding)
            return
        simulate = partial(_denied, context.aws, identity)
        actions = _actions_by_arn(context)
        denied = in_parallel({arn: partial(simulate, arn, names) for arn, names in actions.items()})
    except AWS_ERRORS as error:
        advice = "Allow iam:SimulatePrincipalPolicy on yourself to know it before a run." if is_denied(error) else ""
        yield CheckDone("permissions", "skipped", f"What may be changed is not known. {reason(error)}", advice)
        return
    found = {arn: names for arn, names in denied.items() if names}
    for arn, names in found.items():
        finding = f"By IAM's simulator, {identity} is not allowed {', '.join(names)} on {arn}."
        yield CheckDone("permissions", "warning", finding, "Allow it, unless a policy of the resource does.")
    if not found:
        number = sum(map(len, actions.values()))
        yield CheckDone("permissions", "ok", f"By IAM's simulator, all {number} actions of a run are allowed.")


def _identity_of(aws: Aws, caller: str) -> str | None:
    """Return the ARN of the user or role with the policies; None for a caller that is neither."""
    assumed = _ASSUMED_ROLE.fullmatch(caller)
    if assumed:
        arn: str = aws.client("iam").get_role(RoleName=assumed[1])["Role"]["Arn"]
        return arn
    return caller if _IDENTITY.fullmatch(caller) else None


def _actions_by_arn(context: Context) -> Mapping[str, list[str]]:
    """Return what a run, a change and a clean-up call, by the ARN of the resource."""
    resources = [resource for resource in context.blueprint.resources if not resource.is_used]
    kinds = [kind for kind in KINDS if any(resource.kind is kind for resource in resources)]
    actions = {action for kind in kinds for action in kind.permissions if not _SELDOM.fullmatch(action)}
    found = {"*": sorted(filter(_ON_ANYTHING.fullmatch, actions))}
    actions -= {*found["*"]}
    for resource in resources:
        arn = resource.kind.arn(context.aws.account, resource)
        fitting = sorted(action for action in actions if _is_on(action, resource, arn))
        if fitting:
            found.setdefault(arn, fitting)
    return found


def _is_on(action: str, resource: Resource, arn: str) -> bool:
    """Whether an action has resources like this one."""
    service = action.partition(":")[0]
    if not arn.startswith("arn:") or arn.split(":")[2] != service:
        return False
    if service == "iam":  # AttachRolePolicy is a right on the role
        return ("Role" in action) == resource.kind.is_role
    if service == "s3":
        return bool(_OBJECT_ACTION.fullmatch(action)) == ("/" in arn)
    return action in resource.kind.permissions


def _denied(aws: Aws, identity: str, arn: str, actions: list[str]) -> list[str]:
    """Return those of the actions that the policies deny, or do not allow."""
    # CloudWatch Logs takes the ARN of a group with `:*` for most actions, and without it for tags.
    forms = [arn, f"{arn}:*"] if ":log-group:" in arn else [arn]
    denied = set(actions)
    for form in forms:
        pages = (
            aws.client("iam")
            .get_paginator("simulate_principal_policy")
            .paginate(PolicySourceArn=identity, ActionNames=actions, ResourceArns=[form])
        )
        results: list[dict[str, Any]] = [result for page in pages for result in page["EvaluationResults"]]
        allowed = (r for r in results if r["EvalDecision"] == "allowed" or r.get("MissingContextValues"))
        denied -= {result["EvalActionName"] for result in allowed}
    return sorted(denied)
