"""Rules that repeat AWS's own: names, tags, sizes. AWS would refuse the same, but later and one at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from .values import Finding, Values
from .wording import quote

MAX_TAGS = 45
"""AWS allows 50; the rest are geopipe's own."""
MAX_ENVIRONMENT_BYTES = 4096 - 512
"""AWS allows 4,096 bytes; the rest is for geopipe's own variables, of which the queue URLs are the longest."""
MAX_STATEMENTS_SIZE = 6144 - 3244
"""IAM allows 6,144 characters, spaces not counted; the rest is for geopipe's own statements with the longest names."""
MAX_PARAMETERS = 200
MAX_PARAMETER_LENGTH = 1024

_BUCKET_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_BUCKET_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
_IPV4 = re.compile(r"[0-9]+(\.[0-9]+){3}")
_TAG_CHARACTERS = re.compile(r"[\w\s.:/=+\-@]*")
_ENVIRONMENT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]+", re.ASCII)
# What Lambda sets itself and refuses to take, then what geopipe sets.
_LAMBDA_ENVIRONMENT = frozenset(
    {
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
    }
)
_OWN_ENVIRONMENT = frozenset({"QUEUE_URL", "DEAD_LETTER_QUEUE_URL", "CALLBACK_DEADLINE_SECONDS"})


def bucket_name_is_allowed(values: Values) -> Iterator[Finding]:
    fault = bucket_name_fault(values["bucket.name"])
    if fault:
        what, valid = fault
        yield Finding("bucket.name", f"bucket.name {quote(values['bucket.name'])} {what}", valid)


def bucket_name_fault(name: str) -> tuple[str, str] | None:
    """What S3 has against a name of allowed characters and length, and what to do about it."""
    if ".." in name:
        return "has two dots in a row", "put something between them"
    if _IPV4.fullmatch(name):
        return "looks like an IP address", "use a name with a letter in it"
    for prefix in _BUCKET_PREFIXES:
        if name.startswith(prefix):
            return f"begins with {prefix}, which S3 reserves", "begin with something else"
    for suffix in _BUCKET_SUFFIXES:
        if name.endswith(suffix):
            return f"ends with {suffix}, which S3 reserves", "end with something else"
    return None


def tags_are_allowed(values: Values) -> Iterator[Finding]:
    for key, value in values.entries("tags").items():
        path = ("tags", key)
        if key.casefold().startswith(("aws:", "geopipe:")):
            prefix = key[: key.index(":") + 1]
            whose = "AWS" if prefix.casefold() == "aws:" else "geopipe"
            what = f"tag {quote(key)} begins with {prefix}, which {whose} reserves"
            yield Finding(path, what, "use another key", at_key=True)
        elif not 1 <= len(key) <= 128 or not _TAG_CHARACTERS.fullmatch(key):
            valid = "use 1 to 128 letters, digits, spaces and _.:/=+-@"
            yield Finding(path, f"tag key {quote(key)} is not allowed", valid, at_key=True)
        if len(value) > 256 or not _TAG_CHARACTERS.fullmatch(value):
            valid = "use at most 256 letters, digits, spaces and _.:/=+-@"
            yield Finding(path, f"the value of tag {quote(key)} is not allowed: {quote(value)}", valid)


def tags_leave_room(values: Values) -> Iterator[Finding]:
    count = len(values.entries("tags"))
    if count > MAX_TAGS:
        what = f"tags has {count} entries"
        yield Finding("tags", what, f"at most {MAX_TAGS}: AWS allows 50, and geopipe adds its own", at_key=True)


def tag_keys_differ_in_more_than_case(values: Values) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for key in values.entries("tags"):
        earlier = first.setdefault(key.casefold(), key)
        if earlier != key:
            what = f"tags {quote(earlier)} and {quote(key)} differ in upper and lower case only"
            yield Finding(("tags", key), what, "IAM takes them for one: keep one", at_key=True)


def lambda_role_is_in_the_account(values: Values) -> Iterator[Finding]:
    yield from _in_the_account(values, "iam.lambda_role")


def sagemaker_role_is_in_the_account(values: Values) -> Iterator[Finding]:
    yield from _in_the_account(values, "iam.sagemaker_role")


def assumed_role_is_in_the_account(values: Values) -> Iterator[Finding]:
    if values["assume_role"] is not None:
        yield from _in_the_account(values, "assume_role.role_arn")


def boundary_is_in_the_account(values: Values) -> Iterator[Finding]:
    if values["iam.permissions_boundary"] is not None:
        yield from _in_the_account(values, "iam.permissions_boundary")


def _in_the_account(values: Values, path: str) -> Iterator[Finding]:
    """An ARN must be of our account, or of no account, as AWS's own policies are; a bare name always is."""
    given, account_id = values[path], values["account_id"]
    owner = given.split(":")[4] if given.startswith("arn:") else account_id
    if owner not in (account_id, "aws"):
        what = f"{path} is in account {owner}, but account_id is {account_id}"
        yield Finding(path, what, "use one of that account, or the account_id it belongs to")


def roles_are_two(values: Values) -> Iterator[Finding]:
    lambda_role, sagemaker_role = values["iam.lambda_role"], values["iam.sagemaker_role"]
    given = lambda_role.startswith("arn:") and sagemaker_role.startswith("arn:")
    if not given and role_name(lambda_role).casefold() == role_name(sagemaker_role).casefold():
        path = "iam.sagemaker_role" if values.written("iam.sagemaker_role") else "iam.lambda_role"
        what = f"iam.lambda_role and iam.sagemaker_role are both {quote(role_name(lambda_role))}"
        yield Finding(path, what, "use two names; IAM does not tell upper from lower case in them")


def role_name(role: str) -> str:
    """The name of a role given by name or ARN; the path in an ARN is not part of it."""
    return role.rsplit("/", 1)[-1]


def environment_names_are_allowed(values: Values) -> Iterator[Finding]:
    for name in values.entries("function.environment"):
        path = ("function", "environment", name)
        if name in _LAMBDA_ENVIRONMENT or name in _OWN_ENVIRONMENT:
            who = "Lambda" if name in _LAMBDA_ENVIRONMENT else "geopipe"
            yield Finding(path, f"environment variable {name} is set by {who} itself", "use another name", at_key=True)
        elif not _ENVIRONMENT_NAME.fullmatch(name):
            valid = "use a letter, then one or more letters, digits and underscores"
            yield Finding(path, f"environment variable name {quote(name)} is not allowed", valid, at_key=True)


def environment_fits(values: Values) -> Iterator[Finding]:
    size = sum(len(text.encode()) for entry in values.entries("function.environment").items() for text in entry)
    if size > MAX_ENVIRONMENT_BYTES:
        what = f"function.environment has {size:,} bytes"
        valid = f"at most {MAX_ENVIRONMENT_BYTES:,}: Lambda allows 4,096, and geopipe's own variables need room"
        yield Finding("function.environment", what, valid, at_key=True)


def statements_have_a_role(values: Values) -> Iterator[Finding]:
    if values["function.policy_statements"] and values["iam.lambda_role"].startswith("arn:"):
        what = "function.policy_statements has no effect: iam.lambda_role is an ARN, and such a role is never changed"
        valid = "grant them to that role yourself and leave this out, or give iam.lambda_role a name"
        yield Finding("function.policy_statements", what, valid, at_key=True)


def statements_fit(values: Values) -> Iterator[Finding]:
    size = len(json.dumps(values["function.policy_statements"], separators=(",", ":")))
    if size > MAX_STATEMENTS_SIZE:
        what = f"function.policy_statements has {size:,} characters as JSON"
        valid = f"at most {MAX_STATEMENTS_SIZE:,}: IAM allows 6,144 in a policy, and geopipe's own need room"
        yield Finding("function.policy_statements", what, valid, at_key=True)


def parameters_fit(values: Values) -> Iterator[Finding]:
    parameters = values.entries("pipeline.parameters")
    if len(parameters) > MAX_PARAMETERS:
        what = f"pipeline.parameters has {len(parameters)} entries"
        yield Finding("pipeline.parameters", what, f"SageMaker allows {MAX_PARAMETERS}", at_key=True)
    for name, value in parameters.items():
        if len(str(value)) > MAX_PARAMETER_LENGTH:
            what = f"pipeline parameter {name} has {len(str(value)):,} characters"
            valid = f"SageMaker allows {MAX_PARAMETER_LENGTH:,}; put more into an S3 object and pass its URI"
            yield Finding(("pipeline", "parameters", name), what, valid)
