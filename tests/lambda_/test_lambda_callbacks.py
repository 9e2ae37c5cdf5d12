"""Batches: which callbacks are answered, which messages come again and when, and what every error leads to."""

from typing import Any

import pytest
from botocore.exceptions import InvalidRegionError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

import callbacks
import vector_enrichment
from aws import FunctionSettings, InvocationContext
from callbacks import Callback, Verdict, still_running, success, truncate
from tests.support.lambda_fakes import (
    DEAD_LETTER_QUEUE_ARN,
    DEAD_LETTER_QUEUE_URL,
    FAILURE,
    GET,
    QUEUE_URL,
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


def run(world: LambdaWorld, *records: Any) -> list[str]:
    return failed_ids(callbacks.answer_batch(records, vector_enrichment, world.invocation()))


def test_one_running_job_of_ten_comes_again_and_nine_are_answered_once(world: LambdaWorld) -> None:
    for number in range(10):
        world.add_job(number, "IN_PROGRESS" if number == 6 else "COMPLETED")
    assert run(world, *(world.record(number) for number in range(10))) == ["message-6"]
    assert set(world.sagemaker.answers) == {token(number) for number in range(10)} - {token(6)}
    assert len(world.sagemaker.called(SUCCESS)) == 9
    assert not world.sagemaker.called(FAILURE)
    assert [call["ReceiptHandle"] for call in world.sqs.called(VISIBILITY)] == ["Receipt+Handle/6"]


def test_an_empty_batch_has_no_failures(world: LambdaWorld) -> None:
    assert run(world) == []


def test_a_second_delivery_is_acknowledged_and_changes_nothing(world: LambdaWorld) -> None:
    world.add_job()
    record = world.record()
    assert run(world, record) == []
    world.geospatial.jobs[job_arn()]["ExportStatus"] = "FAILED"
    assert run(world, record) == []
    assert world.sagemaker.answers == {token(): ("success", {"vej_status": "COMPLETED"})}


@pytest.mark.parametrize(
    ("age", "seconds"), [(0, 5), (29, 5), (36, 6), (120, 20), (359, 59), (360, 60), (3500, 60), (-50, 5)]
)
def test_the_message_of_a_running_job_comes_again_after_a_sixth_of_its_age(
    world: LambdaWorld, age: float, seconds: int
) -> None:
    world.add_job(status="IN_PROGRESS")
    run(world, world.record(age=age))
    assert world.sqs.called(VISIBILITY) == [
        {"QueueUrl": QUEUE_URL, "ReceiptHandle": "Receipt+Handle/1", "VisibilityTimeout": seconds}
    ]
    assert world.regions[-1] == ("sqs", "us-west-2")


@pytest.mark.parametrize("sent", [None, "", "soon", "9" * 500])
def test_a_message_without_a_time_is_young(world: LambdaWorld, sent: Any) -> None:
    world.add_job(status="IN_PROGRESS")
    record = world.record()
    record["attributes"] = {"SentTimestamp": sent}
    assert run(world, record) == ["message-1"]
    assert world.sqs.called(VISIBILITY)[0]["VisibilityTimeout"] == 5


@pytest.mark.parametrize(
    "error", [refusal("AccessDenied", status=403), ReadTimeoutError(endpoint_url="https://sqs.us-west-2.amazonaws.com")]
)
def test_a_refused_visibility_is_tolerated(world: LambdaWorld, error: Exception) -> None:
    world.add_job(status="IN_PROGRESS")
    world.sqs.errors[VISIBILITY] = [error]
    assert run(world, world.record()) == ["message-1"]
    assert world.logged("the message keeps its visibility")


NOT_OF_AWS = (
    RuntimeError("no thread"),
    OSError(24, "no descriptor"),
    ValueError("no URL"),
    KeyError("Attr"),
    MemoryError(),
)


@pytest.mark.parametrize("error", NOT_OF_AWS, ids=repr)
@pytest.mark.parametrize("place", ["call", "client"])
def test_an_error_of_the_visibility_brings_only_its_own_message_again(
    world: LambdaWorld, error: Exception, place: str
) -> None:
    for number in range(6):
        world.add_job(number, "IN_PROGRESS" if number % 2 else "COMPLETED")
    if place == "call":
        world.sqs.errors[VISIBILITY] = [error, refusal("AccessDenied", status=403)]
    else:
        world.client_errors["sqs"] = [error, error]
    assert run(world, *(world.record(number) for number in range(6))) == ["message-1", "message-3", "message-5"]
    assert set(world.sagemaker.answers) == {token(0), token(2), token(4)}
    assert len(world.logged("the message keeps its visibility")) == 2
    assert len(world.sqs.called(VISIBILITY)) == (3 if place == "call" else 1)


@pytest.mark.parametrize("error", NOT_OF_AWS, ids=repr)
@pytest.mark.parametrize(("service", "operation"), [("sagemaker-geospatial", GET), ("sagemaker", SUCCESS)])
@pytest.mark.parametrize("place", ["call", "client"])
def test_any_other_error_brings_only_its_own_message_again(
    world: LambdaWorld, error: Exception, service: str, operation: str, place: str
) -> None:
    for number in range(3):
        world.add_job(number)
    if place == "call":
        (world.geospatial if operation == GET else world.sagemaker).errors[operation] = [error]
    else:
        world.client_errors[service] = [error]
    records = [world.record(number) for number in range(3)]
    assert run(world, *records) == ["message-0"]
    assert run(world, records[0]) == []
    assert set(world.sagemaker.answers) == {token(0), token(1), token(2)}


@pytest.mark.parametrize("error", NOT_OF_AWS, ids=repr)
@pytest.mark.parametrize("more", [{"status": "Stopping"}, {"queue_arn": DEAD_LETTER_QUEUE_ARN}, {"age": 3601}], ids=str)
def test_an_error_of_the_stop_does_not_keep_the_step_waiting(world: LambdaWorld, error: Exception, more: Any) -> None:
    world.add_job(status="IN_PROGRESS")
    world.geospatial.errors[STOP] = [error]
    assert run(world, world.record(**more)) == []
    assert world.sagemaker.answers[token()][0] == "failure"


def test_messages_of_a_queue_we_do_not_know_keep_their_visibility(world: LambdaWorld) -> None:
    world.add_job(status="IN_PROGRESS")
    assert run(world, world.record(queue_arn="arn:aws:sqs:us-west-2:123456789012:another")) == ["message-1"]
    assert not world.sqs.calls


@pytest.mark.parametrize("error", TRY_LATER, ids=str)
def test_a_failed_check_is_repeated_later(world: LambdaWorld, error: Exception) -> None:
    world.add_job()
    world.geospatial.errors[GET] = [error]
    record = world.record()
    assert run(world, record) == ["message-1"]
    assert not world.sagemaker.calls
    assert run(world, record) == []
    assert world.sagemaker.answers[token()][0] == "success"


@pytest.mark.parametrize(
    "error", [refusal("ResourceNotFoundException", status=404), refusal("ValidationException")], ids=str
)
def test_a_job_that_cannot_exist_fails_the_step(world: LambdaWorld, error: Exception) -> None:
    world.add_job()
    world.geospatial.errors[GET] = [error]
    assert run(world, world.record()) == []
    assert world.sagemaker.answers[token()][0] == "failure"


def test_an_impossible_region_fails_the_step(world: LambdaWorld) -> None:
    world.geospatial.errors[GET] = [InvalidRegionError(region_name="us west")]
    world.add_job()
    assert run(world, world.record()) == []
    outcome, reason = world.sagemaker.answers[token()]
    assert (outcome, "us west" in reason) == ("failure", True)


@pytest.mark.parametrize("error", TRY_LATER, ids=str)
@pytest.mark.parametrize(("status", "operation"), [("COMPLETED", SUCCESS), ("FAILED", FAILURE)])
def test_a_callback_that_could_not_be_answered_is_answered_later(
    world: LambdaWorld, error: Exception, status: str, operation: str
) -> None:
    world.add_job(status=status)
    world.sagemaker.errors[operation] = [error]
    record = world.record()
    assert run(world, record) == ["message-1"]
    assert not world.sagemaker.answers
    assert run(world, record) == []
    assert token() in world.sagemaker.answers


@pytest.mark.parametrize("code", ["ResourceNotFound", "ResourceNotFoundException", "ConflictException"])
@pytest.mark.parametrize(("status", "operation"), [("COMPLETED", SUCCESS), ("FAILED", FAILURE)])
def test_an_unknown_or_used_token_is_acknowledged(world: LambdaWorld, code: str, status: str, operation: str) -> None:
    world.add_job(status=status)
    world.sagemaker.errors[operation] = [refusal(code)]
    assert run(world, world.record()) == []
    assert world.logged("the callback is unknown or already answered")
    assert len(world.sagemaker.calls) == 1


def test_a_success_refused_as_invalid_becomes_a_failure(world: LambdaWorld) -> None:
    world.add_job()
    world.sagemaker.errors[SUCCESS] = [refusal("ValidationException", "unknown output vej_status")]
    assert run(world, world.record()) == []
    outcome, reason = world.sagemaker.answers[token()]
    assert outcome == "failure"
    assert "unknown output vej_status" in reason


def test_a_failure_refused_as_invalid_too_is_acknowledged(world: LambdaWorld) -> None:
    world.add_job()
    world.sagemaker.errors = {op: [refusal("ValidationException")] for op in (SUCCESS, FAILURE)}
    assert run(world, world.record()) == []
    assert world.logged("the callback cannot be answered")
    assert not world.sagemaker.answers


def test_a_failure_after_a_refused_success_that_is_throttled_is_sent_later(world: LambdaWorld) -> None:
    world.add_job()
    world.sagemaker.errors = {SUCCESS: [refusal("ValidationException")], FAILURE: [refusal("ThrottlingException")]}
    assert run(world, world.record()) == ["message-1"]


@pytest.mark.parametrize("body", [{"status": "Stopping"}, {"Status": "STOPPING"}, {"STATUS": "stopping"}])
def test_stopping_stops_the_job_and_fails_the_step_without_a_check(world: LambdaWorld, body: Any) -> None:
    world.add_job(status="IN_PROGRESS")
    record = world.record(**({"status": None} | body))
    assert run(world, record) == []
    assert world.geospatial.calls == [(STOP, {"Arn": job_arn()})]
    assert world.sagemaker.answers[token()] == ("failure", "The pipeline execution is being stopped")


@pytest.mark.parametrize("error", [*TRY_LATER, refusal("ConflictException"), refusal("ValidationException")], ids=str)
def test_a_job_that_cannot_be_stopped_does_not_delay_the_failure(world: LambdaWorld, error: Exception) -> None:
    world.add_job()
    world.geospatial.errors[STOP] = [error]
    assert run(world, world.record(status="Stopping")) == []
    assert world.sagemaker.answers[token()][0] == "failure"
    assert world.logged("the job could not be stopped")


def test_past_the_deadline_a_running_job_is_stopped_and_the_step_fails(world: LambdaWorld) -> None:
    world.add_job(status="IN_PROGRESS")
    assert run(world, world.record(age=3601)) == []
    assert world.geospatial.called(STOP) == [{"Arn": job_arn()}]
    outcome, reason = world.sagemaker.answers[token()]
    assert (outcome, reason) == ("failure", "The callback deadline of 3600 s has passed: job IN_PROGRESS")


def test_at_the_deadline_there_is_still_time(world: LambdaWorld) -> None:
    world.add_job(status="IN_PROGRESS")
    assert run(world, world.record(age=3600)) == ["message-1"]
    assert not world.geospatial.called(STOP)


def test_past_the_deadline_a_final_job_is_answered_by_its_status(world: LambdaWorld) -> None:
    world.add_job(status="COMPLETED")
    assert run(world, world.record(age=5000)) == []
    assert world.sagemaker.answers[token()][0] == "success"
    assert not world.geospatial.called(STOP)


def test_past_the_deadline_a_job_that_cannot_be_checked_is_given_up(world: LambdaWorld) -> None:
    world.geospatial.errors[GET] = [refusal("AccessDeniedException", "not allowed", 403)]
    assert run(world, world.record(age=3601)) == []
    outcome, reason = world.sagemaker.answers[token()]
    assert (outcome, "not allowed" in reason) == ("failure", True)
    assert world.geospatial.called(STOP)


def test_a_dead_letter_is_answered_with_failure_without_a_check(world: LambdaWorld) -> None:
    world.add_job(status="IN_PROGRESS")
    assert run(world, world.record(queue_arn=DEAD_LETTER_QUEUE_ARN)) == []
    assert world.geospatial.calls == [(STOP, {"Arn": job_arn()})]
    outcome, reason = world.sagemaker.answers[token()]
    assert (outcome, "dead-letter" in reason) == ("failure", True)


def test_a_dead_letter_that_cannot_be_answered_stays_in_its_own_queue(world: LambdaWorld) -> None:
    world.sagemaker.errors[FAILURE] = [refusal("ThrottlingException")]
    assert run(world, world.record(queue_arn=DEAD_LETTER_QUEUE_ARN)) == ["message-1"]
    assert world.sqs.called(VISIBILITY)[0]["QueueUrl"] == DEAD_LETTER_QUEUE_URL


def test_callbacks_are_answered_without_queues_in_the_environment(world: LambdaWorld) -> None:
    world.settings = FunctionSettings()
    world.add_job(1, "IN_PROGRESS")
    world.add_job(2)
    assert run(world, world.record(1), world.record(2, queue_arn="")) == ["message-1"]
    assert world.sagemaker.answers[token(2)][0] == "success"
    assert not world.sqs.calls


def test_the_rest_of_a_batch_waits_when_time_runs_out(world: LambdaWorld) -> None:
    def slow(operation: str) -> None:
        world.now += 7

    for number in range(4):
        world.add_job(number)
    world.geospatial.before = slow
    assert run(world, *(world.record(number) for number in range(4))) == ["message-3"]
    assert len(world.sagemaker.answers) == 3
    assert len(world.geospatial.calls) == 3
    assert not world.sqs.calls
    assert world.logged("no time left for this message")[0]["message_id"] == "message-3"


def test_a_function_with_a_short_timeout_still_works() -> None:
    world = LambdaWorld(timeout=3)
    world.add_job()
    assert run(world, world.record()) == []
    assert world.sagemaker.answers[token()][0] == "success"


@pytest.mark.parametrize(
    ("body", "answered"),
    [
        ("", False),
        ("rubbish", False),
        ("[]", False),
        ("null", False),
        ("{}", False),
        ('{"token": 7}', False),
        ('{"arguments": {}}', False),
        ("[" * 100_000, False),
        (None, False),
        ('{"token": "Token00001"}', True),
        ('{"TOKEN": "Token00001", "arguments": "x"}', True),
        ('{"token": "Token00001", "arguments": {}}', True),
        ('{"token": "Token00001", "arguments": {"vej_arn": null}}', True),
        ('{"token": "Token00001", "arguments": {"vej_arn": 3}}', True),
        ('{"token": "Token00001", "arguments": {"vej_arn": "arn:aws:s3:::bucket"}}', True),
        ('{"token": "Token00001", "arguments": {"vej_arn": "\\ud800"}}', True),
        ('{"token": "Token00001", "arguments": ', True),
        ('\ufeff{"token": "Token00001"}', True),
        ('"{\\"token\\": \\"Token00001\\"}"', True),
    ],
)
def test_a_malformed_message_fails_its_step_if_it_has_a_token(world: LambdaWorld, body: Any, answered: bool) -> None:
    world.sagemaker.open_tokens.add(token())
    assert run(world, world.raw_record(body)) == []
    assert (token() in world.sagemaker.answers) is answered
    assert world.logged("malformed message")
    assert not world.geospatial.calls
    assert token() not in "".join(world.lines)
    if answered:
        assert world.sagemaker.answers[token()][0] == "failure"


def test_an_unknown_phase_fails_the_step(world: LambdaWorld) -> None:
    world.add_job()
    assert run(world, world.record(more_arguments={"phase": "middle"})) == []
    assert world.sagemaker.answers[token()] == (
        "failure",
        "The callback message is malformed: phase must be job or export, not 'middle'",
    )


def test_keys_in_any_case_and_arguments_as_text(world: LambdaWorld) -> None:
    world.add_job()
    world.sagemaker.open_tokens.add(token())
    body = f'{{"Token": "{token()}", "Arguments": "{{\\"Vej_Arn\\": \\"{job_arn()}\\", \\"PHASE\\": \\"Job\\"}}"}}'
    assert run(world, world.raw_record(body)) == []
    assert world.sagemaker.answers[token()][0] == "success"


@pytest.mark.parametrize(
    ("arguments", "region"), [({"region": "eu-west-1"}, "eu-west-1"), ({"region": None}, "us-west-2")]
)
def test_the_job_is_checked_in_the_region_of_the_arguments(world: LambdaWorld, arguments: Any, region: str) -> None:
    world.add_job()
    run(world, world.record(more_arguments=arguments))
    assert world.regions == [("sagemaker-geospatial", region), ("sagemaker", "us-west-2")]


def test_the_step_is_answered_in_the_region_of_its_pipeline(world: LambdaWorld) -> None:
    world.add_job()
    arn = "arn:aws:sagemaker:eu-central-1:123456789012:pipeline/geo/execution/abc"
    run(world, world.record(pipelineExecutionArn=arn), world.record(2, pipelineExecutionArn="nonsense"))
    assert [region for service, region in world.regions if service == "sagemaker"] == ["eu-central-1", ""]


def test_an_unexpected_description_brings_only_its_own_message_again(world: LambdaWorld) -> None:
    for number in range(3):
        world.add_job(number)
    world.geospatial.jobs[job_arn(1)] |= {"Status": "FAILED", "ErrorDetails": "not a structure"}
    assert run(world, *(world.record(number) for number in range(3))) == ["message-1"]
    assert "Traceback" in world.logged("unexpected error")[0]["traceback"]
    assert set(world.sagemaker.answers) == {token(0), token(2)}


def test_an_invalid_record_is_acknowledged_and_logged(world: LambdaWorld) -> None:
    assert run(world, None, {}, "text", 7) == []
    assert len(world.logged("malformed message")) == 4


def test_every_verdict_is_logged_with_job_status_and_outcome(world: LambdaWorld) -> None:
    world.add_job(1, "IN_PROGRESS")
    world.add_job(2, "COMPLETED")
    run(world, world.record(1), world.record(2))
    facts = [(line["arguments"]["vej_arn"], line["status"], line["outcome"]) for line in world.logged("callback")]
    assert facts == [(job_arn(1), "IN_PROGRESS", "still running"), (job_arn(2), "COMPLETED", "success")]


def test_tokens_and_receipts_are_never_printed(world: LambdaWorld) -> None:
    world.add_job(1)
    world.add_job(2, "IN_PROGRESS")
    world.sagemaker.errors[SUCCESS] = [refusal("ConflictException", f"the token {token(1)} was used")]
    world.sqs.errors[VISIBILITY] = [refusal("InvalidParameterValue", "Receipt+Handle/2 is no receipt")]
    run(world, world.record(1), world.record(2))
    printed = "".join(world.lines)
    assert "was used" in printed
    assert token(1) not in printed
    assert "Receipt+Handle/2" not in printed


def test_a_long_error_is_cut_to_the_limit_of_a_reason(world: LambdaWorld) -> None:
    world.add_job(status="FAILED", ErrorDetails={"ErrorType": "CLIENT_ERROR", "ErrorMessage": "ä🌍" * 500})
    assert run(world, world.record()) == []
    outcome, reason = world.sagemaker.answers[token()]
    assert outcome == "failure"
    assert reason.startswith("The vector enrichment job is FAILED: CLIENT_ERROR: ä🌍ä🌍")
    assert 170 < len(reason) <= 256


def test_the_job_is_stopped_in_the_region_of_the_arguments(world: LambdaWorld) -> None:
    run(world, world.record(status="Stopping", more_arguments={"region": "eu-west-1"}))
    assert world.regions == [("sagemaker-geospatial", "eu-west-1"), ("sagemaker", "us-west-2")]


ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()))


def utf16_units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@pytest.mark.parametrize(
    ("text", "fitted"),
    [
        ("", ""),
        ("abcdefgh", "abcdefgh"),
        ("abcdefghi", "abcdefg…"),
        ("äöüäöüäö", "äöüäöüäö"),
        ("🌍🌍🌍🌍", "🌍🌍🌍🌍"),
        ("🌍🌍🌍🌍🌍", "🌍🌍🌍…"),
        ("a🌍🌍🌍🌍", "a🌍🌍🌍…"),
        ("half \ud83d", "half ?"),
    ],
)
def test_texts_are_cut_between_characters(text: str, fitted: str) -> None:
    assert truncate(text, 8) == fitted


@given(ANY_TEXT, st.integers(1, 40))
def test_a_truncated_text_can_be_sent_and_fits_by_every_count(text: str, length: int) -> None:
    fitted = truncate(text, length)
    fitted.encode()
    assert len(fitted) <= utf16_units(fitted) <= length


@given(st.text(), st.integers(1, 40))
def test_a_short_text_is_unchanged_and_a_long_one_keeps_its_beginning(text: str, length: int) -> None:
    fitted = truncate(text, length)
    if utf16_units(text) <= length:
        assert fitted == text
    else:
        assert text.startswith(fitted.removesuffix("…"))
        assert utf16_units(fitted) >= length - 1


@pytest.mark.parametrize("key", ["apiToken", "ReceiptHandle", "token"])
def test_secrets_in_the_arguments_are_not_printed(world: LambdaWorld, key: str) -> None:
    world.add_job()
    run(world, world.record(more_arguments={key: "secret-of-the-user"}))
    assert world.logged("callback")
    assert "secret-of-the-user" not in "".join(world.lines)


def test_deeply_nested_arguments_are_answered(world: LambdaWorld) -> None:
    deep: Any = "end"
    for _ in range(300):
        deep = {"deeper": deep}
    world.add_job()
    assert run(world, world.record(more_arguments={"note": deep})) == []
    assert world.sagemaker.answers[token()][0] == "success"


@pytest.mark.parametrize("seconds", [0, 1, 42])
def test_a_job_can_say_when_to_check_it_again(world: LambdaWorld, seconds: int) -> None:
    class Busy:
        def check(self, callback: Callback, invocation: InvocationContext) -> Verdict:
            return still_running("busy", seconds=seconds)

        def stop(self, callback: Callback, invocation: InvocationContext) -> None:
            raise AssertionError("nothing to stop")

    response = callbacks.answer_batch([world.record()], Busy(), world.invocation())
    assert failed_ids(response) == ["message-1"]
    assert world.sqs.called(VISIBILITY)[0]["VisibilityTimeout"] == seconds


def test_a_step_has_one_id_that_does_not_reveal_its_token() -> None:
    one, again, other = (Callback(token(number)) for number in (1, 1, 2))
    assert one.step_id == again.step_id != other.step_id
    assert token() not in one.step_id
    assert token() not in repr(one)


def test_a_long_output_is_cut_to_the_limit_of_an_output(world: LambdaWorld) -> None:
    class LongOutput:
        def check(self, callback: Callback, invocation: InvocationContext) -> Verdict:
            return success("done", {"name": "v" * 2000})

        def stop(self, callback: Callback, invocation: InvocationContext) -> None:
            raise AssertionError("nothing to stop")

    assert failed_ids(callbacks.answer_batch([world.record()], LongOutput(), world.invocation())) == []
    assert world.sagemaker.answers[token()] == ("success", {"name": "v" * 1023 + "…"})


def test_a_lower_case_key_wins_over_its_variants() -> None:
    assert callbacks.lowercase_keys({"Token": "b", "token": "a", "TOKEN": "c"}) == {"token": "a"}
    assert callbacks.lowercase_keys({"token": None, "Token": "b"}) == {"token": "b"}


@given(st.dictionaries(st.text(), st.none() | st.integers()))
def test_lowercase_keys_leaves_no_capitals_and_no_nulls(mapping: dict[str, Any]) -> None:
    lowercase = callbacks.lowercase_keys(mapping)
    assert None not in lowercase.values()
    assert set(lowercase) == {key.lower() for key, value in mapping.items() if value is not None}
