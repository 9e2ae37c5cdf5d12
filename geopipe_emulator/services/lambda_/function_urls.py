"""The URLs of functions: their settings, and the requests that they get."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ...authorization.policy_statements import Access
from ...authorization.principals import principals_of
from ...authorization.resource_policies import is_allowed
from ...http.request import Request, Response, json_response
from ...protocol.errors import ServiceError
from ...service import Authorize, Environment, Handler, RequestContext
from . import names, url_cors
from .aliases import AliasStore
from .function_policies import FunctionPolicyApi
from .invoker import Invoker
from .names import LATEST, FunctionName
from .paging import page
from .qualified import QualifiedStore
from .url_requests import url_event, url_response

PATH = "/_lambda-url/"
_LARGEST_REQUEST = 6 * 1024**2
_ID_ALPHABET = string.ascii_lowercase + string.digits
_FORBIDDEN = (
    "Forbidden. For troubleshooting Function URL authorization issues, see: "
    "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
)


@dataclass(frozen=True)
class FunctionUrl:
    """The settings of one URL. It belongs to a function or to an alias, and keeps its id."""

    id: str
    function_arn: str
    auth_type: str
    created: str
    modified: str
    cors: Mapping[str, Any] | None = None


class FunctionUrlApi:
    def __init__(
        self,
        environment: Environment,
        aliases: AliasStore,
        urls: QualifiedStore[FunctionUrl],
        policies: FunctionPolicyApi,
        invoker: Invoker,
    ) -> None:
        self._environment = environment
        self._aliases = aliases
        self._urls = urls
        self._policies = policies
        self._invoker = invoker

    @property
    def operations(self) -> Mapping[str, Handler]:
        return {
            "CreateFunctionUrlConfig": self.create,
            "GetFunctionUrlConfig": self.get,
            "UpdateFunctionUrlConfig": self.update,
            "DeleteFunctionUrlConfig": self.delete,
            "ListFunctionUrlConfigs": self.list_urls,
        }

    def create(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        name = self._existing_function(request, context)
        _refuse_streaming(request)
        arn = names.function_arn(name.key.name, context, name.qualifier)
        now = _now()
        identifier = "".join(secrets.choice(_ID_ALPHABET) for _ in range(32))
        url = FunctionUrl(identifier, arn, request["AuthType"], now, now, request.get("Cors"))
        with self._urls.lock:
            if self._urls.get(name) is not None:
                message = (
                    f"Failed to create function url config for [functionArn = {arn}]. Error message:  "
                    "FunctionUrlConfig exists for this Lambda function"
                )
                raise ServiceError("ResourceConflictException", message, 409)
            self._urls.put(name, url)
        description = self._describe(url)
        del description["LastModifiedTime"]
        return description

    def get(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        return self._describe(self._existing(self._existing_function(request, context)))

    def update(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        name = self._existing_function(request, context)
        _refuse_streaming(request)
        with self._urls.lock:
            url = self._existing(name)
            url = replace(
                url,
                auth_type=request.get("AuthType", url.auth_type),
                cors=request.get("Cors", url.cors),
                modified=_now(),
            )
            self._urls.put(name, url)
        return self._describe(url)

    def delete(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        name = self._existing_function(request, context)
        self._existing(name)
        self._urls.remove(name)
        return {}

    def list_urls(self, request: dict[str, Any], context: RequestContext) -> dict[str, Any]:
        urls = list(self._urls.of(self._existing_function(request, context).key).values())
        limit = min(request.get("MaxItems") or 50, 50)
        items, marker = page(urls, lambda url: url.function_arn, request.get("Marker"), limit)
        response: dict[str, Any] = {"FunctionUrlConfigs": [self._describe(url) for url in items]}
        return response | ({"NextMarker": marker} if marker else {})

    def respond(self, request: Request, context: RequestContext, authorize: Authorize) -> Response:
        """Return the response of the function whose URL was called.

        A web page may call it only if the URL's Cors says so. On AWS, the browser would keep the response from the
        page; here, the function does not even run, because it runs on the user's own machine.
        """
        identifier, _, path = request.path.removeprefix(PATH).partition("/")
        name, url = self._find(identifier)
        origin = request.header("Origin")
        if url is None or name is None:
            return _denial(404, "ResourceNotFoundException", "Not Found")
        if origin and not url_cors.allows_origin(url.cors, origin):
            message = f"The Cors of this function URL does not allow requests of web pages of {origin}."
            return json_response({"Message": message}, 403)
        if url_cors.is_preflight(request):
            return Response(200, [*url_cors.preflight_headers(url.cors, request), ("Content-Length", "0")], b"")
        try:
            self._authorize(url, name, context, authorize)
        except ServiceError:
            return _denial(403, "AccessDeniedException", _FORBIDDEN)
        if len(request.body) > _LARGEST_REQUEST:
            return json_response({"Message": "Request Entity Too Large"}, 413)
        event = url_event(request, context, url.id, f"/{path}", is_signed=url.auth_type == "AWS_IAM")
        try:
            result = self._invoker.invoke(name, url.function_arn, event, None, context.request_id)
        except ServiceError as error:
            status = error.status if error.status == 429 else 502
            return _denial(status, error.code, "Too Many Requests" if status == 429 else "Internal Server Error")
        response = url_response(result, context.request_id)
        response.headers += url_cors.response_headers(url.cors, origin)
        return response

    def _authorize(self, url: FunctionUrl, name: FunctionName, context: RequestContext, authorize: Authorize) -> None:
        """Raise AWS's error unless the caller may use the URL. Both permissions are needed since October 2025."""
        region = name.key.region
        where = replace(context, region=region)
        policy = self._policies.document_of({"FunctionName": url.function_arn}, where)
        if url.auth_type == "AWS_IAM":
            if not context.access_key_id:
                raise ServiceError("AccessDeniedException", _FORBIDDEN, 403)
            parameters = {"FunctionName": url.function_arn, "AuthType": url.auth_type}
            authorize("InvokeFunctionUrl", parameters, policy)
            return
        facts = {"lambda:functionurlauthtype": url.auth_type, "lambda:invokedviafunctionurl": "true"}
        for action in ("lambda:InvokeFunctionUrl", "lambda:InvokeFunction"):
            access = Access(action, url.function_arn, principals_of(context), facts)
            if policy is None or not is_allowed(policy, access):
                raise ServiceError("AccessDeniedException", _FORBIDDEN, 403)

    def _find(self, identifier: str) -> tuple[FunctionName | None, FunctionUrl | None]:
        for name, url in self._urls.all():
            if secrets.compare_digest(url.id, identifier):
                return name, url
        return None, None

    def _describe(self, url: FunctionUrl) -> dict[str, Any]:
        description = {
            "FunctionUrl": f"{self._environment.endpoint_url}{PATH}{url.id}/",
            "FunctionArn": url.function_arn,
            "AuthType": url.auth_type,
            "CreationTime": url.created,
            "LastModifiedTime": url.modified,
            "InvokeMode": "BUFFERED",
        }
        return description if url.cors is None else description | {"Cors": dict(url.cors)}

    def _existing(self, name: FunctionName) -> FunctionUrl:
        url = self._urls.get(name)
        if url is None:
            raise ServiceError("ResourceNotFoundException", "The resource you requested does not exist.", 404)
        return url

    def _existing_function(self, request: Mapping[str, Any], context: RequestContext) -> FunctionName:
        """Return the function or alias. A version has no URL."""
        name = names.requested(request, context)
        if self._aliases.find(name) is None:
            raise names.not_found(names.function_arn(name.key.name, context, name.qualifier))
        if name.qualifier and (name.qualifier == LATEST or name.qualifier.isdigit()):
            message = f"Function URLs are for functions and aliases, not for the version {name.qualifier}."
            raise ServiceError("ValidationException", message)
        return name


def _refuse_streaming(request: Mapping[str, Any]) -> None:
    if request.get("InvokeMode", "BUFFERED") != "BUFFERED":
        message = "The emulator does not answer function URLs with InvokeMode RESPONSE_STREAM of lambda."
        raise ServiceError("NotImplemented", message, 501)


def _denial(status: int, code: str, message: str) -> Response:
    response = json_response({"Message": message}, status)
    response.headers.append(("x-amzn-ErrorType", code))
    return response


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
