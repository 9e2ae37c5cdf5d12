"""The checks that a schema cannot make: between values, against files, and by what AWS accepts.

One small function per rule. Each names the value and what would be valid, and may assume that every value it can
read has the right type and form. A rule that is neither in RULES nor in FILE_RULES does not run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from . import aws_rules, file_rules, sections, spelling_rules, step_rules
from .addresses import host_of, is_loopback
from .document import MAX_PROBLEMS, Document, KeyProblem
from .messages import one_of, quote
from .values import Unavailable, Values

Rule = Callable[[Values], Iterable[KeyProblem]]

_GEOSPATIAL_REGIONS = ("us-west-2",)
# What derived names of the short form end with.
_WORKER_KEYS = ("worker",)
_OTHER_QUEUE_KEYS = ("dlq", "work")


def check_rules(document: Document, values: Values, rules: Iterable[Rule]) -> None:
    """Runs the rules on the values that are fit for them and reports what they find."""
    for rule in rules:
        for problem in rule_problems(rule, values):
            document.report_key(problem)


def rule_problems(rule: Rule, values: Values) -> list[KeyProblem]:
    """Returns the problems that one rule finds; none where a value that it needs is not available."""
    try:
        return list(islice(rule(values), MAX_PROBLEMS + 1))
    except Unavailable:
        return []


def endpoint_is_a_url(values: Values) -> Iterator[KeyProblem]:
    endpoint = values["endpoint"]
    if endpoint is not None and host_of(endpoint) is None:
        yield KeyProblem(
            "endpoint",
            f"endpoint {quote(endpoint)} has no valid host and port",
            "use a URL such as http://127.0.0.1:4599",
        )


def local_stays_here(values: Values) -> Iterator[KeyProblem]:
    endpoint = values["endpoint"]
    host = host_of(endpoint) if endpoint else None
    if values["target"] == "local" and host is not None and not is_loopback(host):
        what = f"endpoint {quote(endpoint)} is not on this machine, but target is local"
        yield KeyProblem("endpoint", what, "use a loopback URL such as http://127.0.0.1:4599, or target aws")
    elif values["target"] == "local" and host is not None and endpoint.startswith("https://"):
        what = f"endpoint {quote(endpoint)} begins with https://, but the emulator speaks plain HTTP"
        yield KeyProblem("endpoint", what, f"use {endpoint.replace('https://', 'http://', 1)}")


def plain_http_stays_here(values: Values) -> Iterator[KeyProblem]:
    endpoint = values["endpoint"]
    host = host_of(endpoint) if endpoint else None
    if values["target"] == "aws" and host is not None and endpoint.startswith("http://") and not is_loopback(host):
        what = f"endpoint {quote(endpoint)} would send requests unencrypted over the network"
        yield KeyProblem("endpoint", what, "use https://")


def job_exists_in_region(values: Values) -> Iterator[KeyProblem]:
    kind, provider, region = values["job.kind"], values["job.provider"], values["region"]
    if (kind, provider) == ("reverse_geocoding", "sagemaker_geospatial") and region not in _GEOSPATIAL_REGIONS:
        what = f"region {region} has no SageMaker geospatial jobs, which job.provider {provider} needs"
        valid = f"they exist in {', '.join(_GEOSPATIAL_REGIONS)} only; job.provider gazetteer works in every region"
        yield KeyProblem("region", what, valid)
    if kind == "map_matching" and region not in _GEOSPATIAL_REGIONS:
        what = f"region {region} has no SageMaker geospatial jobs, which job.kind {kind} needs"
        yield KeyProblem("region", what, f"they exist in {', '.join(_GEOSPATIAL_REGIONS)} only")


def map_matching_is_on_aws(values: Values) -> Iterator[KeyProblem]:
    if values["job.kind"] == "map_matching" and values["target"] == "local":
        what = "job.kind map_matching is for target aws only: the emulator has no roads"
        yield KeyProblem("job.kind", what, "use target aws, or another kind")


def map_matching_reads_four_columns(values: Values) -> Iterator[KeyProblem]:
    if values["job.kind"] != "map_matching":
        return
    names = ("longitude_column", "latitude_column", "id_column", "timestamp_column")
    columns = [values[f"job.{name}"] for name in names]
    for name, column in zip(names[2:], columns[2:], strict=True):
        if columns.count(column) > 1:
            what = f"job.{name} is {quote(column)}, as is another column of the job"
            yield KeyProblem(f"job.{name}", what, "name four different columns of the input")


def visibility_covers_function(values: Values) -> Iterator[KeyProblem]:
    for function in sections.functions(values):
        queue = sections.queue_of(values, function)
        if queue is None or sections.used(values, queue) or sections.used(values, function):
            continue
        visibility, timeout = values[f"{queue}.visibility_timeout"], values[f"{function}.timeout"]
        if visibility < timeout:
            written = values.written(f"{queue}.visibility_timeout")
            yield KeyProblem(
                f"{queue}.visibility_timeout" if written else f"{function}.timeout",
                f"{queue}.visibility_timeout is {visibility} s, less than {function}.timeout ({timeout} s)",
                f"Lambda refuses such a queue: at least {timeout}, better {min(6 * timeout, 43200)}",
            )


def dead_letter_queue_is_another(values: Values) -> Iterator[KeyProblem]:
    for queue in sections.managed(values, sections.queues(values)):
        name, dead_letter_name = sections.name_of(values, f"{queue}.name"), values[f"{queue}.dead_letter_name"]
        if dead_letter_name == name:
            what = f"{queue}.dead_letter_name is the name of the queue itself"
            valid = "use another name, or null for the queue's name with -dlq"
            yield KeyProblem(f"{queue}.dead_letter_name", what, valid)
        derived = f"{name}-dlq"
        if dead_letter_name is None and len(derived) > 80:
            what = f"{queue}.name leaves no room for the dead-letter queue: "
            what += f"{quote(derived)} has {len(derived)} characters"
            yield KeyProblem(f"{queue}.name", what, f"use at most 76 characters, or set {queue}.dead_letter_name")


def looks_reach_the_deadline(values: Values) -> Iterator[KeyProblem]:
    """The emulator's queue runs on another clock than its jobs, so this holds on AWS only."""
    deadline = values["execution.callback_deadline"]
    # Looks come more seldom as a job gets older: some 22 in its first six minutes, then one a minute.
    needed = min(1000, 20 + math.ceil(deadline / 60))
    for queue in sections.managed(values, sections.queues(values)) if values["target"] == "aws" else ():
        count = values[f"{queue}.max_receive_count"]
        if count < needed:
            written = values.written(f"{queue}.max_receive_count")
            yield KeyProblem(
                f"{queue}.max_receive_count" if written else "execution.callback_deadline",
                f"{queue}.max_receive_count {count} would end callbacks before execution.callback_deadline "
                f"({deadline} s)",
                f"use at least {needed}, or a shorter deadline",
            )


def one_form_is_used(values: Values) -> Iterator[KeyProblem]:
    """A function of the short form next to others would have no key, and its queue none either."""
    for single, several in (("function", "functions"), ("queue", "queues")):
        if not sections.has_map(values, several):
            continue
        if values.written(single):
            what = f"{single} and {several} are both given; {single} is the short form for one {single}"
            yield KeyProblem(single, what, f"write it below {several}, with a key of its own", at_key=True)
        if values["job.kind"] != "custom":
            what = f"{several} is for job.kind custom; {values['job.kind']} has one {single}"
            yield KeyProblem(several, what, f"use {single}, or job.kind: custom", at_key=True)


def functions_name_their_queues(values: Values) -> Iterator[KeyProblem]:
    first: dict[str, str] = {}
    for function in sections.functions(values):
        key, path = values[f"{function}.queue"], f"{function}.queue"
        if key is None:
            continue
        known = [section.rpartition(".")[2] for section in sections.queues(values)]
        if sections.section_of_queue(values, key) is None:
            what = f"{path} is {quote(key)}, and there is no such queue"
            yield KeyProblem(path, what, one_of(key, known, f"known are {', '.join(known)}" if known else "add queues"))
        elif key in first:
            what = f"{path} is {quote(key)}, as is {first[key]}.queue, and each message reaches only one of them"
            yield KeyProblem(path, what, "give each function a queue of its own")
        first.setdefault(key, function)


def reserved_keys_are_free(values: Values) -> Iterator[KeyProblem]:
    """Refuses the keys whose derived names another deployment may have, for its dead-letter queue or its workers."""
    for several, reserved in (("functions", _WORKER_KEYS), ("queues", _OTHER_QUEUE_KEYS)):
        if not sections.has_map(values, several):
            continue
        for key in values.entries(several):
            if key in reserved and not (values[f"{several}.{key}.name"] or sections.used(values, f"{several}.{key}")):
                what = f"{several}.{key} would get a name that geopipe derives for other things"
                yield KeyProblem((several, key), what, f"use another key, or set {several}.{key}.name", at_key=True)


def names_are_different(values: Values) -> Iterator[KeyProblem]:
    """Refuses two functions, or two queues, that would be one on AWS. Derived names may also be too long."""
    first: dict[str, str] = {}
    for function in sections.functions(values):
        name = sections.name_of(values, f"{function}.name")
        yield from _name_is_new(first, f"{function}.name", name)
        yield from _name_fits(values, f"{function}.name", name, 64)
    first = {}
    for queue in sections.queues(values):
        name = sections.name_of(values, f"{queue}.name")
        yield from _name_is_new(first, f"{queue}.name", name)
        yield from _name_fits(values, f"{queue}.name", name, 80)
        # One without a name of its own has the queue's, so that only this one can be at fault.
        if sections.used(values, queue):
            continue
        if values[f"{queue}.dead_letter_name"] not in (None, name):
            yield from _name_is_new(first, f"{queue}.dead_letter_name", values[f"{queue}.dead_letter_name"])
        else:
            first.setdefault(f"{name}-dlq", f"{queue}.dead_letter_name")


def _name_is_new(first: dict[str, str], path: str, name: str) -> Iterator[KeyProblem]:
    earlier = first.setdefault(name, path)
    if earlier != path:
        yield KeyProblem(path, f"{path} is {quote(name)}, as is {earlier}", "use two names")


def _name_fits(values: Values, path: str, name: str, longest: int) -> Iterator[KeyProblem]:
    if not values[path] and len(name) > longest and not sections.used(values, path.removesuffix(".name")):
        what = f"{path} is left out, and its derived name has {len(name)} characters: {quote(name)}"
        yield KeyProblem(path.removesuffix(".name"), what, f"AWS allows {longest}: use a shorter key, or set {path}")


def polls_within_timeout(values: Values) -> Iterator[KeyProblem]:
    interval, timeout = values["execution.poll_interval"], values["execution.timeout"]
    if timeout <= interval:
        written = values.written("execution.timeout")
        what = f"execution.timeout ({timeout} s) is not longer than execution.poll_interval ({interval} s)"
        yield KeyProblem(
            "execution.timeout" if written else "execution.poll_interval",
            what,
            "use a longer timeout or poll more often",
        )


def columns_differ(values: Values) -> Iterator[KeyProblem]:
    longitude, latitude = values["job.longitude_column"], values["job.latitude_column"]
    if longitude == latitude:
        what = f"job.latitude_column is {quote(latitude)}, as is job.longitude_column"
        yield KeyProblem("job.latitude_column", what, "name two different columns of the input")


def custom_job_has_its_own_parts(values: Values) -> Iterator[KeyProblem]:
    """Geopipe's own function and template can do nothing but reverse geocoding."""
    if values["job.kind"] != "custom":
        return
    own = sections.managed(values, sections.functions(values))
    without_image = [name for name in own if values[f"{name}.image_uri"] is None]
    for path in (*(f"{name}.source" for name in without_image), "pipeline.template"):
        if not values.written(path):
            what = f"job.kind is custom, but {path} is left out"
            yield KeyProblem("job.kind", what, "set it: geopipe's own does reverse geocoding only")


def image_stands_alone(values: Values) -> Iterator[KeyProblem]:
    for function in sections.functions(values):
        image = f"{function}.image_uri"
        if values[image] is None:
            continue
        if values["job.kind"] != "custom":
            what = f"{image} is set, but job.kind {values['job.kind']} runs geopipe's own function"
            yield KeyProblem(image, what, "leave it out, or set job.kind: custom")
        for name in ("source", "requirements", "handler", "runtime", "layers"):
            path = f"{function}.{name}"
            if values.written(path) and values[path] is not None:
                what = f"{path} and {image} are both set, and the image has its own {name}"
                yield KeyProblem(path, what, "leave one of them out")


def function_can_run_offline(values: Values) -> Iterator[KeyProblem]:
    """Refuses what the emulator would refuse in the middle of the set-up."""
    if values["target"] != "local":
        return
    for function in sections.functions(values):
        if values[f"{function}.image_uri"] and function not in sections.stand_ins(values):
            what = f"{function}.image_uri cannot run offline: the emulator runs no containers"
            valid = f"name code that stands in for it: emulator.functions.{sections.key_of(function)}.source"
            yield KeyProblem(f"{function}.image_uri", what, valid)
        if values[f"{function}.layers"] and sections.begins_empty(values):
            what = f"{function}.layers names layers, and an emulator that starts with the command has none"
            valid = "leave it out, or set endpoint or emulator.state_dir to an emulator with the layers"
            yield KeyProblem(f"{function}.layers", what, valid)
        if values[f"{function}.vpc"]:
            what = f"{function}.vpc is for target aws only: the emulator has no networks"
            yield KeyProblem(f"{function}.vpc", what, "leave it out, or use target aws")


def stand_ins_replace_images(values: Values) -> Iterator[KeyProblem]:
    by_key = {sections.key_of(name): name for name in sections.functions(values)}
    for key in values.entries("emulator.functions"):
        path = ("emulator", "functions", key)
        if key not in by_key:
            what = f"emulator.functions names the unknown function {quote(key)}"
            yield KeyProblem(path, what, one_of(key, by_key, f"functions are {', '.join(by_key)}"), at_key=True)
        elif values[f"{by_key[key]}.image_uri"] is None:
            what = f"emulator.functions.{key} stands in for an image, but {by_key[key]} has no image_uri"
            yield KeyProblem(path, what, f"leave it out: {by_key[key]}.source runs offline as well", at_key=True)


def vpc_is_complete(values: Values) -> Iterator[KeyProblem]:
    for function in sections.functions(values):
        vpc = values[f"{function}.vpc"]
        if vpc is not None and bool(vpc["subnet_ids"]) != bool(vpc["security_group_ids"]):
            empty = f"{function}.vpc.{'security_group_ids' if vpc['subnet_ids'] else 'subnet_ids'}"
            valid = "give at least one; two empty lists take the function out of its VPC"
            yield KeyProblem(empty, f"{empty} is empty", valid)


def job_has_a_bucket(values: Values) -> Iterator[KeyProblem]:
    if values["bucket.name"]:
        return
    if values["job.kind"] != "custom":
        yield KeyProblem("bucket.name", "bucket.name is missing", "add it: the name of an S3 bucket", at_key=True)
    elif values.written_keys("bucket"):
        yield KeyProblem("bucket", "bucket has no name", "set bucket.name, or leave bucket out", at_key=True)


def rows_have_a_transform(values: Values) -> Iterator[KeyProblem]:
    if values["job.kind"] != "map_rows":
        return
    for path, valid in (
        ("job.transform", "set it to the module in function.source that has the function `transform`"),
        ("job.columns", "name the columns that `transform` adds to each row"),
        ("function.source", "set it to the file or folder that has the module of job.transform"),
    ):
        if not values.written(path) or not values[path]:
            yield KeyProblem("job.kind", f"job.kind is map_rows, but {path} is left out", valid)


def prefixes_are_apart(values: Values) -> Iterator[KeyProblem]:
    input_prefix, output_prefix = values["input.prefix"], values["output.prefix"]
    if input_prefix.startswith(output_prefix) or output_prefix.startswith(input_prefix):
        what = f"output.prefix {quote(output_prefix)} and input.prefix {quote(input_prefix)} contain each other"
        path = "output.prefix" if values.written("output.prefix") else "input.prefix"
        yield KeyProblem(
            path, what, "use two prefixes neither of which begins with the other, such as input/ and output/"
        )


def used_resources_stand_alone(values: Values) -> Iterator[KeyProblem]:
    """What is only used has all of its settings already. `queue` and `batch_size` are those of our mapping."""
    for section in (*sections.functions(values), *sections.queues(values)):
        place = sections.used(values, section)
        if place is None:
            continue
        if values["job.kind"] != "custom":
            what = f"{place} is set, but job.kind {values['job.kind']} needs resources of its own"
            yield KeyProblem(place, what, "leave it out, or set job.kind: custom")
        for key in values.written_keys(section):
            if f"{section}.{key}" != place and key not in ("queue", "batch_size"):
                what = f"{section}.{key} has no effect: {place} is used as it is"
                yield KeyProblem(f"{section}.{key}", what, "leave one of them out", at_key=True)
    if not values["bucket.managed"]:
        for key in sorted({"force_destroy", "name_timeout"} & set(values.written_keys("bucket"))):
            what = f"bucket.{key} has no effect: bucket.managed is false"
            yield KeyProblem(f"bucket.{key}", what, "leave it out: such a bucket is never created or deleted")


def used_resources_are_there(values: Values) -> Iterator[KeyProblem]:
    """An emulator that the command starts is empty."""
    if not sections.begins_empty(values):
        return
    every = (*sections.functions(values), *sections.queues(values))
    places = [place for section in every if (place := sections.used(values, section))]
    for place in (*places, *([] if values["bucket.managed"] else ["bucket.managed"])):
        what = f"{place}: the emulator that this configuration starts is empty, so there is nothing to use"
        yield KeyProblem(place, what, "give the endpoint of an emulator that has it, or use target aws")


RULES: tuple[Rule, ...] = (
    endpoint_is_a_url,
    local_stays_here,
    plain_http_stays_here,
    job_exists_in_region,
    map_matching_is_on_aws,
    map_matching_reads_four_columns,
    one_form_is_used,
    functions_name_their_queues,
    reserved_keys_are_free,
    names_are_different,
    visibility_covers_function,
    dead_letter_queue_is_another,
    looks_reach_the_deadline,
    polls_within_timeout,
    columns_differ,
    custom_job_has_its_own_parts,
    image_stands_alone,
    function_can_run_offline,
    stand_ins_replace_images,
    vpc_is_complete,
    job_has_a_bucket,
    rows_have_a_transform,
    prefixes_are_apart,
    used_resources_stand_alone,
    used_resources_are_there,
    aws_rules.bucket_name_is_allowed,
    aws_rules.tags_are_allowed,
    aws_rules.tags_leave_room,
    aws_rules.tag_keys_differ_in_more_than_case,
    aws_rules.lambda_role_is_in_the_account,
    aws_rules.sagemaker_role_is_in_the_account,
    aws_rules.assumed_role_is_in_the_account,
    aws_rules.used_resources_are_in_place,
    aws_rules.boundary_is_in_the_account,
    aws_rules.roles_are_two,
    aws_rules.environment_names_are_allowed,
    aws_rules.environment_fits,
    aws_rules.statements_have_a_role,
    aws_rules.statements_fit,
    aws_rules.parameters_fit,
    spelling_rules.parameters_keep_their_text,
    spelling_rules.conditions_keep_their_text,
    step_rules.steps_say_what_they_do,
    step_rules.step_properties_keep_their_text,
    file_rules.s3_input_has_a_key,
    file_rules.s3_input_is_reachable,
    file_rules.s3_input_is_not_cleaned_up,
    file_rules.local_input_has_a_bucket,
)

FILE_RULES: tuple[Rule, ...] = (
    file_rules.template_exists,
    file_rules.function_source_exists,
    file_rules.function_requirements_exist,
    file_rules.function_code_can_be_packed,
    file_rules.function_code_fits,
    file_rules.function_sources_are_apart,
    file_rules.handler_exists,
    file_rules.transform_exists,
    file_rules.input_exists,
    step_rules.step_files_exist,
)
"""Those that look at files on this machine."""
