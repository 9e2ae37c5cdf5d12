"""Corrections of moto's S3: policies, notifications, owners, names, tags, conditions and defaults of new buckets.

moto checks the condition of a write before it writes, and another request may come in between, so writes take turns.
It evaluates a policy without its conditions, so it never sees one: policies are kept and evaluated here.
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from ...authorization.policy_statements import Access, statements_of, unknown_operators
from ...authorization.principals import principals_of
from ...authorization.resource_policies import is_denied, is_public
from ...http.request import Response
from ...protocol.errors import ServiceError, not_emulated
from ...settings import Settings
from ...state.records import RecordTables
from .bucket_names import action_of, is_valid_bucket_name
from .cold_objects import store_object_cold

if TYPE_CHECKING:
    from ...gateway.call import Call, Forward
    from ..event_patches import EventPatches
    from .notifier import S3Notifier

# Parts of the names of operations that moto does not know. It would take such a request for another one.
_MISTAKEN = (
    "Analytics",
    "IntelligentTiering",
    "Metrics",
    "Metadata",
    "Abac",
    "Annotation",
    "RequestPayment",
    "CreateSession",
    "DirectoryBuckets",
    "RenameObject",
    "UpdateObjectEncryption",
    "GetObjectRetention",
    "Torrent",
)

_DEFAULT_ENCRYPTION = {
    "Rule": {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": "false"}
}
# They change what a condition is about.
_OBJECT_WRITES = frozenset(
    {"PutObject", "CopyObject", "CompleteMultipartUpload", "DeleteObject", "DeleteObjects", "DeleteBucket"}
)
_NEW_CONTENTS = frozenset({"PutObject", "CopyObject", "CompleteMultipartUpload"})
_BLOCKED = dict.fromkeys(("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True)


class S3Patch:
    """The corrections of S3. The bucket policies and notifications are their only state; they end with the bucket."""

    service = "s3"

    def __init__(self, settings: Settings, events: EventPatches, tables: RecordTables) -> None:
        self._account_id = settings.account_id
        self._events = events
        self._notifier: S3Notifier | None = None
        self._policies: dict[str, dict[str, Any]] = tables.open("s3 policy")
        self._turn = threading.Lock()

    def handle(self, call: Call, forward: Forward) -> Response:
        """Check owner and policy, respond about policies, and forward the rest."""
        if any(part in call.operation for part in _MISTAKEN):
            raise not_emulated(call.service, call.operation)
        bucket, key = call.request.bucket_and_key
        if not bucket:
            return forward(call)
        if call.operation == "CreateBucket":
            return self._create_bucket(call, forward, bucket)
        self._check_owner(call, bucket)
        self._check_policy(call, bucket, key)
        match call.operation:
            case "PutBucketPolicy":
                return self._put_policy(call, bucket)
            case "GetBucketPolicy" | "GetBucketPolicyStatus" | "DeleteBucketPolicy":
                return self._respond_about_policy(call, bucket)
            case "DeleteObject" | "DeleteObjects":
                _let_markers_be_deleted()
            case "DeleteBucket":
                with self._turn:
                    return self._delete_bucket(call, forward, bucket)
            case "PutBucketNotification" | "PutBucketNotificationConfiguration":
                _require_bucket(call, bucket)
                self._notifications.put(call, bucket, _backend(call).buckets[bucket].region_name)
                return _empty(200)
            case "GetBucketNotification" | "GetBucketNotificationConfiguration":
                _require_bucket(call, bucket)
                return _content("application/xml", self._notifications.get(bucket))
        write = self._in_turn(forward, bucket, key) if call.operation in _OBJECT_WRITES else forward
        if self._notifier is None and not self._events.has_notifications:
            return write(call)
        return self._notifications.follow(call, write, bucket, key, _backend(call).buckets.get(bucket))

    def _in_turn(self, forward: Forward, bucket: str, key: str) -> Forward:
        def write(call: Call) -> Response:
            _ = call.request.body  # a slow sender must not keep the others waiting
            with self._turn:
                response = forward(call)
                existing = _backend(call).buckets.get(bucket)
                if call.operation in _NEW_CONTENTS and response.status < 300 and existing is not None:
                    store_object_cold(existing.keys.get(key))
                return response

        return write

    def restore(self, account_id: str) -> None:
        """Keep the contents of restored objects in cold storage."""
        from moto.s3.models import s3_backends

        for backend in s3_backends[account_id].values():
            for bucket in backend.buckets.values():
                for _, versions in bucket.keys._iterlists():
                    for version in versions:
                        store_object_cold(version)

    def stop(self) -> None:
        """Deliver no more events."""
        self._events.stop()

    @property
    def _notifications(self) -> S3Notifier:
        if self._notifier is None:
            self._notifier = self._events.notifier()
        return self._notifier

    def _create_bucket(self, call: Call, forward: Forward, bucket: str) -> Response:
        if not is_valid_bucket_name(bucket):
            raise ServiceError("InvalidBucketName", "The specified bucket is not valid.", 400, {"BucketName": bucket})
        backend = _backend(call)
        existed = bucket in backend.buckets
        tags = _tags_in(call.request.body)
        if existed and call.context.region == "us-east-1" and tags != _tags_of(backend, bucket):
            # The one region where creating one's own bucket again is fine, unless it would change something.
            raise ServiceError(
                "BucketAlreadyOwnedByYou",
                "Your previous request to create the named bucket succeeded and you already own it.",
                409,
                {"BucketName": bucket},
            )
        response = forward(call)
        if response.status < 300 and not existed:
            backend.put_bucket_encryption(bucket, _DEFAULT_ENCRYPTION)
            backend.put_public_access_block(bucket, _BLOCKED)
            if not backend.get_bucket_ownership_controls(bucket):
                backend.put_bucket_ownership_controls(bucket, "BucketOwnerEnforced")
            if tags:
                backend.put_bucket_tagging(bucket, tags)
        return response

    def _delete_bucket(self, call: Call, forward: Forward, bucket: str) -> Response:
        """Delete the bucket's tags too: moto keeps them by name, and a new bucket would get them."""
        existing = _backend(call).buckets.get(bucket)
        response = forward(call)
        if response.status < 300:
            self._policies.pop(bucket, None)
            if self._notifier is not None:
                self._notifier.forget(bucket)
            if existing is not None:
                _backend(call).tagger.delete_all_tags_for_resource(existing.arn)
        return response

    def _check_owner(self, call: Call, bucket: str) -> None:
        for header in ("x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"):
            owner = call.request.header(header)
            if not owner:
                continue
            if not (len(owner) == 12 and owner.isdigit()):
                message = "The value of the expected bucket owner parameter must be an AWS account ID"
                raise ServiceError("InvalidBucketOwnerAWSAccountID", message, 400)
            if owner != self._account_id and bucket in _backend(call).buckets:
                raise ServiceError("AccessDenied", "Access Denied", 403)

    def _check_policy(self, call: Call, bucket: str, key: str) -> None:
        policy = self._policies.get(bucket)
        if policy is None:
            return
        resource = f"arn:{call.context.partition}:s3:::{bucket}" + (f"/{key}" if key else "")
        access = Access(action_of(call.operation), resource, principals_of(call.context), self._facts(call))
        if is_denied(policy, access):
            message = (
                f"User: {max(access.principals, key=len, default='anonymous')} is not authorized to perform: "
                f'{access.action} on resource: "{resource}" with an explicit deny in a resource-based policy'
            )
            raise ServiceError("AccessDenied", message, 403)

    def _facts(self, call: Call) -> dict[str, str]:
        """The condition keys of the call. Loopback never leaves the machine, so it counts as secure transport."""
        request = call.request
        facts = {
            "aws:securetransport": "true",
            "s3:tlsversion": "1.3",
            "aws:sourceip": request.environ.get("REMOTE_ADDR", "127.0.0.1"),
            "aws:useragent": request.header("User-Agent"),
            "aws:resourceaccount": self._account_id,
            "s3:resourceaccount": self._account_id,
        }
        if call.context.access_key_id:
            facts["aws:principalaccount"] = self._account_id
        facts |= {f"s3:{name}": request.query[name][0] for name in ("prefix", "delimiter") if name in request.query}
        facts |= {f"s3:{name}": value for name, value in request.headers.items() if name.startswith("x-amz-")}
        return facts

    def _put_policy(self, call: Call, bucket: str) -> Response:
        _require_bucket(call, bucket)
        blocked = _backend(call).get_bucket(bucket).public_access_block
        policy = _checked_policy(call.request.body, bucket)
        if is_public(policy) and blocked is not None and blocked.block_public_policy:
            message = (
                f"User is not authorized to perform: s3:PutBucketPolicy on resource: "
                f'"arn:{call.context.partition}:s3:::{bucket}" because public policies are prevented by the '
                "BlockPublicPolicy setting in S3 Block Public Access."
            )
            raise ServiceError("AccessDenied", message, 403)
        self._policies[bucket] = policy
        return _empty(204)

    def _respond_about_policy(self, call: Call, bucket: str) -> Response:
        _require_bucket(call, bucket)
        policy = self._policies.get(bucket)
        if call.operation == "DeleteBucketPolicy":
            self._policies.pop(bucket, None)
            return _empty(204)
        if policy is None:
            raise ServiceError("NoSuchBucketPolicy", "The bucket policy does not exist", 404, {"BucketName": bucket})
        if call.operation == "GetBucketPolicy":
            return _content("application/json", json.dumps(policy, separators=(",", ":")))
        public = str(is_public(policy)).lower()
        return _content("application/xml", f"<PolicyStatus><IsPublic>{public}</IsPublic></PolicyStatus>")


def _checked_policy(body: bytes, bucket: str) -> dict[str, Any]:
    """The policy, if AWS would take it: JSON, complete statements, resources in this bucket, operators that exist."""
    try:
        policy = json.loads(body)
    except (ValueError, RecursionError):
        policy = None
    if not isinstance(policy, dict):
        raise _malformed("Policies must be valid JSON and the first byte must be '{'")
    if not statements_of(policy):
        raise _malformed("Missing required field Statement")
    for statement in statements_of(policy):
        if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
            raise _malformed("Invalid effect")
        for name in ("Principal", "Action", "Resource"):
            if name not in statement and f"Not{name}" not in statement:
                raise _malformed(f"Missing required field {name}")
        resources = statement.get("Resource", statement.get("NotResource"))
        for resource in resources if isinstance(resources, list) else [resources]:
            if str(resource).partition(":::")[2].partition("/")[0] != bucket:
                raise _malformed("Policy has invalid resource")
    unknown = unknown_operators(policy)
    if unknown:
        raise _malformed(f"Invalid Condition type : {unknown[0]}")
    return policy


def _malformed(message: str) -> ServiceError:
    return ServiceError("MalformedPolicy", message, 400)


def _require_bucket(call: Call, bucket: str) -> None:
    if bucket not in _backend(call).buckets:
        raise ServiceError("NoSuchBucket", "The specified bucket does not exist", 404, {"BucketName": bucket})


def _backend(call: Call) -> Any:
    from moto.s3.models import s3_backends

    return s3_backends[call.context.account_id][call.context.partition]


def _tags_in(body: bytes) -> dict[str, str]:
    """The tags in a CreateBucketConfiguration."""
    try:
        root = ElementTree.fromstring(body) if body else None
    except ElementTree.ParseError:
        return {}
    tags = {} if root is None else {_text(tag, "Key"): _text(tag, "Value") for tag in root.iter() if _is(tag, "Tag")}
    if any(key.lower().startswith("aws:") for key in tags):
        raise ServiceError("InvalidTag", "System tags cannot be added/updated by requester", 400)
    return tags


def _tags_of(backend: Any, bucket: str) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in backend.get_bucket_tagging(bucket)["Tags"]}


def _is(element: ElementTree.Element, name: str) -> bool:
    return element.tag.rpartition("}")[2] == name


def _text(parent: ElementTree.Element, name: str) -> str:
    return next((child.text or "" for child in parent if _is(child, name)), "")


def _empty(status: int) -> Response:
    return Response(status, [("Content-Length", "0")], b"")


def _content(content_type: str, text: str) -> Response:
    body = text.encode()
    return Response(200, [("Content-Type", content_type), ("Content-Length", str(len(body)))], body)


def _let_markers_be_deleted() -> None:
    """Give moto's delete markers the method that they lack, and that it calls when all versions of a key go."""
    from moto.s3.models import FakeDeleteMarker

    if not hasattr(FakeDeleteMarker, "dispose"):
        FakeDeleteMarker.dispose = lambda self, garbage=False: None
