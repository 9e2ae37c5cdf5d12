"""For any message in a queue: nothing is raised, no token is lost, no token is printed."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import callbacks
import handler
import vector_enrichment
from tests.support import fuzz
from tests.support.lambda_fakes import (
    DEAD_LETTER_QUEUE_ARN,
    EXECUTION_ARN,
    FAILURE,
    GET,
    QUEUE_ARN,
    STOP,
    SUCCESS,
    TRY_LATER,
    VISIBILITY,
    LambdaWorld,
    failed_ids,
    job_arn,
    refusal,
    token,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def any_case(key: str) -> st.SearchStrategy[str]:
    return st.sampled_from([key, key.upper(), key.title()])


def mappings(entries: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Dicts with some of these keys, in any case, and perhaps other keys."""
    known = [st.tuples(any_case(key), value) for key, value in entries.items()]
    return st.builds(
        lambda chosen, more: more | dict(chosen),
        st.tuples(*known).flatmap(lambda pairs: st.lists(st.sampled_from(pairs), max_size=len(pairs))),
        st.dictionaries(st.text(max_size=8), JSON, max_size=2),
    )


ARGUMENTS = mappings(
    {
        "vej_arn": st.sampled_from([job_arn(1), job_arn(2), job_arn(3), "arn:aws:s3:::b", ""]) | JSON,
        "region": st.sampled_from(["us-west-2", "us west", ""]) | JSON,
        "phase": st.sampled_from(["job", "EXPORT", "neither"]) | JSON,
        "role": JSON,
    }
)
MESSAGES = mappings(
    {
        "token": st.just(token()),
        "arguments": ARGUMENTS | ARGUMENTS.map(json.dumps) | JSON,
        "status": st.sampled_from(["Executing", "Stopping", "STOPPING", "Other"]) | JSON,
        "pipelineExecutionArn": st.just(EXECUTION_ARN) | JSON,
    }
)
BODIES = MESSAGES.map(json.dumps) | MESSAGES | st.text(max_size=40) | JSON.map(json.dumps)
REFUSALS = [*TRY_LATER, refusal("ValidationException"), refusal("ConflictException"), refusal("ResourceNotFound")]
ERRORS = st.dictionaries(
    st.sampled_from([GET, STOP, SUCCESS, FAILURE, VISIBILITY]),
    st.lists(st.sampled_from(REFUSALS), min_size=1, max_size=2),
)


def busy_world(errors: dict[str, list[Exception]]) -> LambdaWorld:
    world = LambdaWorld()
    world.add_job(1, "COMPLETED")
    world.add_job(2, "IN_PROGRESS")
    world.add_job(3, "COMPLETED", ExportStatus="FAILED", ExportErrorDetails={"Message": "x" * 2000})
    world.sagemaker.open_tokens.add(token())
    for service in (world.geospatial, world.sagemaker, world.sqs):
        service.errors = {operation: list(waiting) for operation, waiting in errors.items()}
    return world


@settings(max_examples=fuzz.count("EVENTS", 300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=BODIES, errors=ERRORS, age=st.integers(-10, 10_000), dead=st.booleans())
def test_no_token_is_lost(body: Any, errors: dict[str, list[Exception]], age: int, dead: bool) -> None:
    world = busy_world(errors)
    record = world.raw_record(body, age=age, queue_arn=DEAD_LETTER_QUEUE_ARN if dead else QUEUE_ARN)
    again = failed_ids(handler.handle({"Records": [record]}, world.invocation()))
    assert again in ([], ["message-1"])
    assert not world.logged("unexpected error")
    assert token() not in "".join(world.lines)
    answered = token() in world.sagemaker.answers
    refused_for_good = world.logged("the callback cannot be answered") or world.logged(
        "the callback is unknown or already answered"
    )
    without_token = [line for line in world.logged("malformed message") if not line["token_found"]]
    assert bool(again) + answered + bool(refused_for_good) + bool(without_token) == 1
    if without_token:
        assert token() not in (body if isinstance(body, str) else json.dumps(body))


RECORDS = st.lists(
    JSON
    | mappings({"messageId": JSON, "body": BODIES, "receiptHandle": JSON, "attributes": JSON, "eventSourceARN": JSON}),
    max_size=3,
)


@settings(max_examples=fuzz.count("EVENTS", 300) // 2, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(records=RECORDS)
def test_no_record_raises(records: list[Any]) -> None:
    world = busy_world({})
    callbacks.answer_batch(records, vector_enrichment, world.invocation())
    assert not world.logged("unexpected error")


WAITING = mappings(
    {
        "arguments": ARGUMENTS | ARGUMENTS.map(json.dumps) | JSON,
        "status": st.sampled_from(["Executing", "Stopping", "Other"]) | JSON,
        "pipelineExecutionArn": st.just(EXECUTION_ARN) | JSON,
    }
)
PASSING_ERRORS = st.dictionaries(
    st.sampled_from([GET, STOP, SUCCESS, FAILURE, VISIBILITY]),
    st.lists(st.sampled_from(TRY_LATER), min_size=1, max_size=4),
)
RECEIVES = 8


@settings(max_examples=fuzz.count("EVENTS", 300) // 2, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(messages=st.lists(WAITING, min_size=1, max_size=5), errors=PASSING_ERRORS, repeated=st.booleans())
def test_every_token_of_a_batch_is_answered_in_the_end(
    messages: list[dict[str, Any]], errors: dict[str, list[Exception]], repeated: bool
) -> None:
    """Each message comes again while it fails, then from the dead-letter queue, as SQS delivers it."""
    world = busy_world(errors)
    tokens = [token(number) for number in range(1, len(messages) + 1)]
    world.sagemaker.open_tokens.update(tokens)
    records = [
        world.raw_record(json.dumps({**message, "token": tokens[number - 1]}), number)
        for number, message in enumerate(messages, 1)
    ]
    if repeated:
        records.append(records[0])
    for receive in range(1, 3 * RECEIVES):
        if receive > RECEIVES:
            records = [record | {"eventSourceARN": DEAD_LETTER_QUEUE_ARN} for record in records]
        world.ends = world.now + world.timeout
        again = failed_ids(handler.handle({"Records": records}, world.invocation()))
        assert set(again) <= {record["messageId"] for record in records}
        records = [record for record in records if record["messageId"] in again]
        world.now += 60
    assert records == []
    assert set(world.sagemaker.answers) == set(tokens)
    printed = "".join(world.lines)
    assert not [text for text in tokens if text in printed]
    assert not world.logged("unexpected error")
