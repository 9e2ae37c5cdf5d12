"""Holds callers that act as a role to that role's policies, where the settings ask for it."""

from __future__ import annotations

from ...authorization.authorizer import Authorizer
from ...http.request import Response
from ...service import HasResourcePolicies, NamesResources
from ..call import Call, Forward


class AuthorizationHandler:
    """Refuses what a role may not do. The user's own credentials may do everything."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def handle(self, call: Call, forward: Forward) -> Response:
        """Pass on a call that is allowed. Raises AWS's ServiceError for any other."""
        if not self._authorizer.enforces:
            return forward(call)
        service = call.target.service if call.target is not None and call.target.handler is not None else None
        resource = policy = None
        if isinstance(service, NamesResources):
            resource = service.resource_of(call.operation, call.parameters, call.context)
        if isinstance(service, HasResourcePolicies):
            policy = service.resource_policy(call.operation, call.parameters, call.context)
        if resource is None:
            self._authorizer.check(call.request, call.context, call.service, call.operation, call.parameters, policy)
        elif resource:
            self._authorizer.check_resource(call.request, call.context, call.service, call.operation, resource)
        response = forward(call)
        self._authorizer.check_absence(call.request, call.context, call.service, response)
        return response
