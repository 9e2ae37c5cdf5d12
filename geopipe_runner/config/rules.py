"""The checks a schema cannot make: between values, against files, and by what AWS accepts.

One small function per rule. Each names the value and what would be valid, and may assume that every value it can
read has the right type and form. RULES and FILE_RULES are the register: a rule that is in neither does not run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

from . import aws_rules, file_rules
from .addresses import host_of, is_loopback
from .document import Document, KeyPath
from .values import Finding, Unavailable, Values
from .wording import quote

Rule = Callable[[Values], Iterable[Finding]]

JOB_REGIONS = {"reverse_geocoding": ("us-west-2",)}


def check_rules(document: Document, values: Values, rules: Iterable[Rule]) -> None:
    """Runs the rules on the values that are fit for them and reports what they find."""
    for rule in rules:
        for finding in findings(rule, values):
            path: KeyPath = tuple(finding.path.split(".")) if isinstance(finding.path, str) else finding.path
            place = document.key_place(path) if finding.at_key else document.value_place(path)
            document.report(place, finding.what, finding.valid)


def findings(rule: Rule, values: Values) -> list[Finding]:
    """What one rule finds; nothing where a value it needs is not to be had."""
    try:
        return list(rule(values))
    except Unavailable:
        return []


def endpoint_is_a_url(values: Values) -> Iterator[Finding]:
    endpoint = values["endpoint"]
    if endpoint is not None and host_of(endpoint) is None:
        yield Finding(
            "endpoint",
            f"endpoint {quote(endpoint)} has no valid host and port",
            "use a URL such as http://127.0.0.1:4566",
        )


def local_stays_here(values: Values) -> Iterator[Finding]:
    endpoint = values["endpoint"]
    host = host_of(endpoint) if endpoint else None
    if values["target"] == "local" and host is not None and not is_loopback(host):
        what = f"endpoint {quote(endpoint)} is not on this machine, but target is local"
        yield Finding("endpoint", what, "use a loopback URL such as http://127.0.0.1:4566, or target aws")


def plain_http_stays_here(values: Values) -> Iterator[Finding]:
    endpoint = values["endpoint"]
    host = host_of(endpoint) if endpoint else None
    if values["target"] == "aws" and host is not None and endpoint.startswith("http://") and not is_loopback(host):
        what = f"endpoint {quote(endpoint)} would send requests unencrypted over the network"
        yield Finding("endpoint", what, "use https://")


def job_exists_in_region(values: Values) -> Iterator[Finding]:
    kind, region = values["job.kind"], values["region"]
    if region not in JOB_REGIONS.get(kind, (region,)):
        regions = ", ".join(JOB_REGIONS[kind])
        what = f"region {region} has no SageMaker geospatial jobs, which job.kind {kind} needs"
        yield Finding("region", what, f"they exist in {regions} only")


def visibility_covers_function(values: Values) -> Iterator[Finding]:
    visibility, timeout = values["queue.visibility_timeout"], values["function.timeout"]
    if visibility < timeout:
        written = values.written("queue.visibility_timeout")
        yield Finding(
            "queue.visibility_timeout" if written else "function.timeout",
            f"queue.visibility_timeout is {visibility} s, less than function.timeout ({timeout} s)",
            f"Lambda refuses such a queue: at least {timeout}, better {min(6 * timeout, 43200)}",
        )


def dead_letter_queue_is_another(values: Values) -> Iterator[Finding]:
    name, dead_letter_name = values["queue.name"], values["queue.dead_letter_name"]
    if dead_letter_name == name:
        what = "queue.dead_letter_name is the name of the queue itself"
        yield Finding("queue.dead_letter_name", what, "use another name, or null for the queue's name with -dlq")
    derived = f"{name}-dlq"
    if dead_letter_name is None and len(derived) > 80:
        what = f"queue.name leaves no room for the dead-letter queue: {quote(derived)} has {len(derived)} characters"
        yield Finding("queue.name", what, "use at most 76 characters, or set queue.dead_letter_name")


def looks_reach_the_deadline(values: Values) -> Iterator[Finding]:
    """The emulator's queue runs on another clock than its jobs, so this holds on AWS only."""
    deadline, count = values["execution.callback_deadline"], values["queue.max_receive_count"]
    # Looks come more seldom as a job gets older: some 22 in its first six minutes, then one a minute.
    needed = min(1000, 20 + math.ceil(deadline / 60))
    if values["target"] == "aws" and count < needed:
        written = values.written("queue.max_receive_count")
        yield Finding(
            "queue.max_receive_count" if written else "execution.callback_deadline",
            f"queue.max_receive_count {count} would end callbacks before execution.callback_deadline ({deadline} s)",
            f"use at least {needed}, or a shorter deadline",
        )


def polls_within_timeout(values: Values) -> Iterator[Finding]:
    interval, timeout = values["execution.poll_interval"], values["execution.timeout"]
    if timeout <= interval:
        written = values.written("execution.timeout")
        what = f"execution.timeout ({timeout} s) is not longer than execution.poll_interval ({interval} s)"
        yield Finding(
            "execution.timeout" if written else "execution.poll_interval",
            what,
            "use a longer timeout or poll more often",
        )


def columns_differ(values: Values) -> Iterator[Finding]:
    longitude, latitude = values["job.longitude_column"], values["job.latitude_column"]
    if longitude == latitude:
        what = f"job.latitude_column is {quote(latitude)}, as is job.longitude_column"
        yield Finding("job.latitude_column", what, "name two different columns of the input")


def custom_job_has_its_own_parts(values: Values) -> Iterator[Finding]:
    """geopipe's own function and template can do nothing but reverse geocoding."""
    for path in ("function.source", "pipeline.template") if values["job.kind"] == "custom" else ():
        if not values.written(path):
            what = f"job.kind is custom, but {path} is left out"
            yield Finding("job.kind", what, "set it: geopipe's own does reverse geocoding only")


def prefixes_are_apart(values: Values) -> Iterator[Finding]:
    input_prefix, output_prefix = values["input.prefix"], values["output.prefix"]
    if input_prefix.startswith(output_prefix) or output_prefix.startswith(input_prefix):
        what = f"output.prefix {quote(output_prefix)} and input.prefix {quote(input_prefix)} contain each other"
        path = "output.prefix" if values.written("output.prefix") else "input.prefix"
        yield Finding(path, what, "use two prefixes neither of which begins with the other, such as input/ and output/")


RULES: tuple[Rule, ...] = (
    endpoint_is_a_url,
    local_stays_here,
    plain_http_stays_here,
    job_exists_in_region,
    visibility_covers_function,
    dead_letter_queue_is_another,
    looks_reach_the_deadline,
    polls_within_timeout,
    columns_differ,
    custom_job_has_its_own_parts,
    prefixes_are_apart,
    aws_rules.bucket_name_is_allowed,
    aws_rules.tags_are_allowed,
    aws_rules.tags_leave_room,
    aws_rules.tag_keys_differ_in_more_than_case,
    aws_rules.lambda_role_is_in_the_account,
    aws_rules.sagemaker_role_is_in_the_account,
    aws_rules.assumed_role_is_in_the_account,
    aws_rules.boundary_is_in_the_account,
    aws_rules.roles_are_two,
    aws_rules.environment_names_are_allowed,
    aws_rules.environment_fits,
    aws_rules.statements_have_a_role,
    aws_rules.statements_fit,
    aws_rules.parameters_fit,
    file_rules.s3_input_has_a_key,
    file_rules.s3_input_is_reachable,
    file_rules.s3_input_is_not_cleaned_up,
)

FILE_RULES: tuple[Rule, ...] = (
    file_rules.template_exists,
    file_rules.function_source_exists,
    file_rules.handler_exists,
    file_rules.input_exists,
)
"""Those that look at files on this machine."""
