"""Rules that repeat AWS's own about names, tags and sizes. AWS would refuse the same, but later and one by one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from .document import KeyProblem
from .messages import quote
from .sections import functions, name_of, queues, used
from .values import Values

# AWS allows 50; the rest are geopipe's own.
MAX_TAGS = 45
# AWS allows 4,096 bytes; the rest is for geopipe's own variables, of which the queue URLs are the longest.
MAX_ENVIRONMENT_BYTES = 4096 - 512
# IAM allows 6,144 characters, spaces not counted; the rest is for geopipe's own statements with the longest names.
MAX_STATEMENTS_SIZE = 6144 - 3244
MAX_PARAMETERS = 200
MAX_PARAMETER_LENGTH = 1024

_BUCKET_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_BUCKET_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
_IPV4 = re.compile(r"[0-9]+(\.[0-9]+){3}")
# Letters, digits, spaces of all kinds but no line breaks and tabs (IAM: [\p{L}\p{Z}\p{N}_.:/=+\-@]*).
_TAG_CHARACTERS = re.compile(r"[\w .:/=+\-@\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*")
REGION = re.compile(r"(eusc-)?[a-z]{2}(-[a-z]+)+-[0-9]")
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


def bucket_name_is_allowed(values: Values) -> Iterator[KeyProblem]:
    problem = bucket_name_problem(values["bucket.name"] or "")
    if problem:
        what, valid = problem
        yield KeyProblem("bucket.name", f"bucket.name {quote(values['bucket.name'])} {what}", valid)


def bucket_name_problem(name: str) -> tuple[str, str] | None:
    """Returns why S3 refuses a name of allowed characters and length, and what to do; None when it does not."""
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


def tags_are_allowed(values: Values) -> Iterator[KeyProblem]:
    for key, value in values.entries("tags").items():
        path = ("tags", key)
        if key.casefold().startswith(("aws:", "geopipe:")):
            prefix = key[: key.index(":") + 1]
            whose = "AWS" if prefix.casefold() == "aws:" else "geopipe"
            what = f"tag {quote(key)} begins with {prefix}, which {whose} reserves"
            yield KeyProblem(path, what, "use another key", at_key=True)
        elif not 1 <= len(key) <= 128 or not _TAG_CHARACTERS.fullmatch(key):
            valid = "use 1 to 128 letters, digits, spaces and _.:/=+-@"
            yield KeyProblem(path, f"tag key {quote(key)} is not allowed", valid, at_key=True)
        if len(value) > 256 or not _TAG_CHARACTERS.fullmatch(value):
            valid = "use at most 256 letters, digits, spaces and _.:/=+-@"
            yield KeyProblem(path, f"the value of tag {quote(key)} is not allowed: {quote(value)}", valid)


def tags_leave_room(values: Values) -> Iterator[KeyProblem]:
    count = len(values.entries("tags"))
    if count > MAX_TAGS:
        what = f"tags has {count} entries"
        yield KeyProblem("tags", what, f"at most {MAX_TAGS}: AWS allows 50, and geopipe adds its own", at_key=True)


def tag_keys_differ_in_more_than_case(values: Values) -> Iterator[KeyProblem]:
    first: dict[str, str] = {}
    for key in values.entries("tags"):
        earlier = first.setdefault(key.casefold(), key)
        if earlier != key:
            what = f"tags {quote(earlier)} and {quote(key)} differ in upper and lower case only"
            yield KeyProblem(("tags", key), what, "IAM takes them for one: keep one", at_key=True)


def lambda_role_is_in_the_account(values: Values) -> Iterator[KeyProblem]:
    yield from _in_the_account(values, "iam.lambda_role")


def sagemaker_role_is_in_the_account(values: Values) -> Iterator[KeyProblem]:
    yield from _in_the_account(values, "iam.sagemaker_role")


def assumed_role_is_in_the_account(values: Values) -> Iterator[KeyProblem]:
    if values["assume_role"] is not None:
        yield from _in_the_account(values, "assume_role.role_arn")


def boundary_is_in_the_account(values: Values) -> Iterator[KeyProblem]:
    if values["iam.permissions_boundary"] is not None:
        yield from _in_the_account(values, "iam.permissions_boundary")


def _in_the_account(values: Values, path: str) -> Iterator[KeyProblem]:
    """Refuses an ARN of another account. AWS's own policies are in no account, and a bare name is in ours."""
    name, account_id = values[path] or "", values["account_id"]
    owner = name.split(":")[4] if name.startswith("arn:") else account_id
    if owner not in (account_id, "aws"):
        what = f"{path} is in account {owner}, but account_id is {account_id}"
        yield KeyProblem(path, what, "use one of that account, or the account_id it belongs to")


def used_resources_are_in_place(values: Values) -> Iterator[KeyProblem]:
    """Refuses functions and queues of another account or region: the pipeline could not use them."""
    account_id, region = values["account_id"], values["region"]
    for section in (*functions(values), *queues(values)):
        path = used(values, section)
        if path is None:
            continue
        place = values[path]
        if place.startswith("arn:"):
            its_region, owner = place.split(":")[3:5]
        else:
            host, owner = place.split("/")[2:4]
            its_region = next((label for label in host.split(".") if REGION.fullmatch(label)), region)
        if owner != account_id:
            what = f"{path} is in account {owner}, but account_id is {account_id}"
            yield KeyProblem(path, what, "use one of that account, or the account_id it belongs to")
        elif its_region != region:
            what = f"{path} is in {its_region}, but region is {region}"
            yield KeyProblem(path, what, "use one of that region: a pipeline reaches no other")


def roles_are_two(values: Values) -> Iterator[KeyProblem]:
    lambda_role, sagemaker_role = name_of(values, "iam.lambda_role"), name_of(values, "iam.sagemaker_role")
    both_are_arns = lambda_role.startswith("arn:") and sagemaker_role.startswith("arn:")
    if not both_are_arns and role_name(lambda_role).casefold() == role_name(sagemaker_role).casefold():
        path = "iam.sagemaker_role" if values.written("iam.sagemaker_role") else "iam.lambda_role"
        what = f"iam.lambda_role and iam.sagemaker_role are both {quote(role_name(lambda_role))}"
        yield KeyProblem(path, what, "use two names; IAM ignores upper and lower case in them")


def role_name(role: str) -> str:
    """Returns the name of a role from its name or ARN; the path in an ARN is not part of it."""
    return role.rsplit("/", 1)[-1]


def environment_names_are_allowed(values: Values) -> Iterator[KeyProblem]:
    for function in functions(values):
        for name in values.entries(f"{function}.environment"):
            path = (*function.split("."), "environment", name)
            if name in _LAMBDA_ENVIRONMENT or name in _OWN_ENVIRONMENT:
                who = "Lambda" if name in _LAMBDA_ENVIRONMENT else "geopipe"
                yield KeyProblem(
                    path, f"environment variable {name} is set by {who} itself", "use another name", at_key=True
                )
            elif not _ENVIRONMENT_NAME.fullmatch(name):
                valid = "use a letter, then one or more letters, digits and underscores"
                yield KeyProblem(path, f"environment variable name {quote(name)} is not allowed", valid, at_key=True)


def environment_fits(values: Values) -> Iterator[KeyProblem]:
    for function in functions(values):
        name = f"{function}.environment"
        size = sum(len(text.encode()) for entry in values.entries(name).items() for text in entry)
        if size > MAX_ENVIRONMENT_BYTES:
            what = f"{name} has {size:,} bytes"
            valid = f"at most {MAX_ENVIRONMENT_BYTES:,}: Lambda allows 4,096, and geopipe's own variables need room"
            yield KeyProblem(name, what, valid, at_key=True)


def statements_have_a_role(values: Values) -> Iterator[KeyProblem]:
    roles = {f"{function}.policy_statements": "iam.lambda_role" for function in functions(values)}
    for name, role in {**roles, "pipeline.policy_statements": "iam.sagemaker_role"}.items():
        if values[name] and (values[role] or "").startswith("arn:"):
            what = f"{name} has no effect: {role} is an ARN, and such a role is never changed"
            valid = f"grant them to that role yourself and leave this out, or give {role} a name"
            yield KeyProblem(name, what, valid, at_key=True)


def statements_fit(values: Values) -> Iterator[KeyProblem]:
    """All functions have one role, so that their statements together are in one policy."""
    names = [f"{function}.policy_statements" for function in functions(values)]
    for role_names in (names, ["pipeline.policy_statements"]):
        size = 0
        for name in role_names:
            size += len(json.dumps(values[name], separators=(",", ":")))
            if size > MAX_STATEMENTS_SIZE:
                together = "" if name == role_names[0] else ", with those of the functions before it,"
                what = f"{name}{together} has {size:,} characters as JSON"
                valid = f"at most {MAX_STATEMENTS_SIZE:,}: IAM allows 6,144 in a policy, and geopipe's own need room"
                yield KeyProblem(name, what, valid, at_key=True)
                break


def parameters_fit(values: Values) -> Iterator[KeyProblem]:
    parameters = values.entries("pipeline.parameters")
    if len(parameters) > MAX_PARAMETERS:
        what = f"pipeline.parameters has {len(parameters)} entries"
        yield KeyProblem("pipeline.parameters", what, f"SageMaker allows {MAX_PARAMETERS}", at_key=True)
    for name, value in parameters.items():
        if len(str(value)) > MAX_PARAMETER_LENGTH:
            what = f"pipeline parameter {name} has {len(str(value)):,} characters"
            valid = f"SageMaker allows {MAX_PARAMETER_LENGTH:,}; put more into an S3 object and pass its URI"
            yield KeyProblem(("pipeline", "parameters", name), what, valid)
