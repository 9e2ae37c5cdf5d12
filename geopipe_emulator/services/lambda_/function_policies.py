"""The resource policies of functions: who else may invoke them. Each version and alias has its own policy."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...protocol.errors import ServiceError
from ...service import Handler, RequestContext
from . import names
from .aliases import AliasStore
from .names import LATEST, FunctionName
from .qualified import QualifiedStore
from .store import refuse_changed

# It permits calls by skills of Alexa, which are not emulated.
_NOT_EMULATED = ("EventSourceToken",)


@dataclass(frozen=True)
class FunctionPolicy:
    """The statements by their ids, in the order in which they were added."""

    statements: Mapping[str, Mapping[str, Any]]
    revision_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def document(self) -> dict[str, Any]:
        return {"Version": "2012-10-17", "Id": "default", "Statement": list(self.statements.values())}


class FunctionPolicyApi:
    def __init__(self, aliases: AliasStore, policies: QualifiedStore[FunctionPolicy]) -> None:
        self._aliases = aliases
        self._policies = policies

    @property
    def operations(self) -> Mapping[str, Handler]:
        return {"AddPermission": self.add, "RemovePermission": self.remove, "GetPolicy": self.get}

    def document_of(self, request: Mapping[str, Any], context: RequestContext) -> dict[str, Any] | None:
        """Return the policy that an invocation is about, if there is one."""
        policy = self._policies.get(names.requested(request, context))
        return policy.document if policy else None

    def add(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        name = self._existing(request, context)
        for parameter in _NOT_EMULATED:
            if request.get(parameter):
                raise ServiceError("InvalidParameterValueException", f"{parameter} is not emulated")
        if request.get("FunctionUrlAuthType") and request["Action"] != "lambda:InvokeFunctionUrl":
            message = "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action"
            raise ServiceError("InvalidParameterValueException", message)
        if name.qualifier == LATEST:
            message = f"We currently do not support adding policies for {LATEST}."
            raise ServiceError("InvalidParameterValueException", message)
        sid = request["StatementId"]
        statement = _statement(request, names.function_arn(name.key.name, context, name.qualifier), context)
        with self._policies.lock:
            policy = self._policies.get(name) or FunctionPolicy({})
            refuse_changed(request.get("RevisionId"), policy.revision_id)
            if sid in policy.statements:
                message = (
                    f"The statement id ({sid}) provided already exists. Please provide a new statement id, or remove "
                    "the existing statement."
                )
                raise ServiceError("ResourceConflictException", message, 409)
            self._policies.put(name, FunctionPolicy({**policy.statements, sid: statement}))
        return {"Statement": json.dumps(statement)}

    def remove(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        name, sid = self._existing(request, context), request["StatementId"]
        with self._policies.lock:
            policy = self._policies.get(name)
            if policy is None:
                raise ServiceError("ResourceNotFoundException", "No policy is associated with the given resource.", 404)
            if sid not in policy.statements:
                message = f"Statement {sid} is not found in resource policy."
                raise ServiceError("ResourceNotFoundException", message, 404)
            refuse_changed(request.get("RevisionId"), policy.revision_id)
            remaining = {other: statement for other, statement in policy.statements.items() if other != sid}
            if remaining:
                self._policies.put(name, FunctionPolicy(remaining))
            else:
                self._policies.remove(name)
        return {}

    def get(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        policy = self._policies.get(self._existing(request, context))
        if policy is None:
            raise ServiceError("ResourceNotFoundException", "The resource you requested does not exist.", 404)
        return {"Policy": json.dumps(policy.document), "RevisionId": policy.revision_id}

    def _existing(self, request: Mapping[str, Any], context: RequestContext) -> FunctionName:
        name = names.requested(request, context)
        if self._aliases.find(name) is None:
            raise names.not_found(names.function_arn(name.key.name, context, name.qualifier))
        return name


def _statement(request: Mapping[str, Any], resource: str, context: RequestContext) -> dict[str, Any]:
    conditions: dict[str, dict[str, str]] = {}
    if request.get("SourceArn"):
        conditions["ArnLike"] = {"AWS:SourceArn": request["SourceArn"]}
    if request.get("SourceAccount"):
        conditions.setdefault("StringEquals", {})["AWS:SourceAccount"] = request["SourceAccount"]
    if request.get("PrincipalOrgID"):
        conditions.setdefault("StringEquals", {})["aws:PrincipalOrgID"] = request["PrincipalOrgID"]
    if request.get("FunctionUrlAuthType"):
        conditions.setdefault("StringEquals", {})["lambda:FunctionUrlAuthType"] = request["FunctionUrlAuthType"]
    if request.get("InvokedViaFunctionUrl"):
        conditions["Bool"] = {"lambda:InvokedViaFunctionUrl": "true"}
    statement: dict[str, Any] = {
        "Sid": request["StatementId"],
        "Effect": "Allow",
        "Principal": _principal(request["Principal"], context),
        "Action": request["Action"],
        "Resource": resource,
    }
    return statement | ({"Condition": conditions} if conditions else {})


def _principal(principal: str, context: RequestContext) -> Any:
    if principal == "*":
        return principal
    if re.fullmatch(r"\d{12}", principal):
        return {"AWS": f"arn:{context.partition}:iam::{principal}:root"}
    return {"AWS" if principal.startswith("arn:") else "Service": principal}
