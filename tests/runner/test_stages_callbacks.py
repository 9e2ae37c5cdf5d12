"""Answering callbacks by hand: one at a time, named, shown and confirmed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from geopipe_runner.errors import RefusedError, UsageError
from geopipe_runner.events import CallbackWaiting, Note
from geopipe_runner.stages.callbacks import CallbackAnswer, Selection, answer_callbacks, list_callbacks
from tests.support.stage_fakes import (
    EXECUTION_ARN,
    RUN_ID,
    TOKEN,
    CannedAws,
    callback_step,
    stage_context,
    start_step,
    waiting_pipeline,
)

TEN_MINUTES = timedelta(minutes=10)
FAILURE = CallbackAnswer("the job is gone")


def two_callbacks() -> CannedAws:
    steps = [start_step(), callback_step("one", token="1" * 10), callback_step("two", token="2" * 10)]
    return waiting_pipeline(list_pipeline_execution_steps={"PipelineExecutionSteps": steps})


def answers(aws: CannedAws) -> list[tuple[str, str]]:
    """Which token was answered with what."""
    return [
        (request["CallbackToken"], outcome)
        for outcome in ("failure", "success")
        for request in aws.requests_of(f"send_pipeline_execution_step_{outcome}")
    ]


def answer(aws: CannedAws, selection: Selection, *, says: bool = True, **settings: Any) -> tuple[Any, ...]:
    chosen: dict[str, Any] = {"confirmed": False, "several": False, "interactive": True} | settings
    context, report = stage_context(aws, says, interactive=chosen.pop("interactive"))
    answer_callbacks(context, selection, FAILURE, **chosen)
    return report.questions, [event for event in report.events if isinstance(event, CallbackWaiting)]


def test_listing_answers_nothing_and_says_why_they_wait() -> None:
    aws = two_callbacks()
    context, report = stage_context(aws)
    list_callbacks(context, Selection(TEN_MINUTES))
    shown = [event for event in report.events if isinstance(event, CallbackWaiting)]
    assert [(event.step, event.answered) for event in shown] == [("one", None), ("two", None)]
    assert {event.job_state for event in shown} == {"job IN_PROGRESS, export not started"}
    assert "nothing to do but wait" in str(report.events[-1])
    assert answers(aws) == []


def test_one_is_shown_asked_about_and_answered() -> None:
    aws = waiting_pipeline()
    questions, shown = answer(aws, Selection(TEN_MINUTES))
    (question,) = questions
    for part in ("vej-callback-step", EXECUTION_ARN, "job IN_PROGRESS", 'the failure "the job is gone"'):
        assert part in question
    assert TOKEN not in question
    assert answers(aws) == [(TOKEN, "failure")]
    assert [event.answered for event in shown] == ["failure"]


def test_a_no_answers_nothing() -> None:
    aws = waiting_pipeline()
    _, shown = answer(aws, Selection(TEN_MINUTES), says=False)
    assert answers(aws) == [] and [event.answered for event in shown] == [None]


def test_several_are_refused_and_listed() -> None:
    aws = two_callbacks()
    with pytest.raises(RefusedError, match=r"(?s)2 callbacks are waiting.*step one of.*step two of") as raised:
        answer(aws, Selection(TEN_MINUTES), confirmed=True)
    assert "--execution" in raised.value.hint and "--all" in raised.value.hint
    assert answers(aws) == []


@pytest.mark.parametrize(
    ("selection", "settings", "answered"),
    [
        (Selection(TEN_MINUTES), {"several": True}, ["1" * 10, "2" * 10]),
        (Selection(TEN_MINUTES, step="two"), {}, ["2" * 10]),
        (Selection(TEN_MINUTES, execution=RUN_ID, step="one"), {}, ["1" * 10]),
        (Selection(TEN_MINUTES, execution=EXECUTION_ARN, step="one"), {"confirmed": True}, ["1" * 10]),
        (Selection(TEN_MINUTES, step="three"), {}, []),
        (Selection(timedelta(hours=1)), {"several": True}, []),
    ],
)
def test_only_those_that_are_named(selection: Selection, settings: dict[str, Any], answered: list[str]) -> None:
    aws = two_callbacks()
    questions, _ = answer(aws, selection, **settings)
    assert answers(aws) == [(token, "failure") for token in answered]
    assert len(questions) == (0 if settings.get("confirmed") else len(answered))


def test_without_a_person_to_ask_nothing_is_answered() -> None:
    aws = waiting_pipeline()
    with pytest.raises(RefusedError, match=r"(?s)With --yes.*step vej-callback-step") as raised:
        answer(aws, Selection(TEN_MINUTES), interactive=False)
    assert raised.value.exit_code == 5 and answers(aws) == []
    answer(aws, Selection(TEN_MINUTES), interactive=False, confirmed=True)
    assert answers(aws) == [(TOKEN, "failure")]


def test_success_needs_no_reason() -> None:
    aws = waiting_pipeline()
    context, report = stage_context(aws)
    answer_callbacks(context, Selection(TEN_MINUTES), CallbackAnswer(), confirmed=True, several=False)
    assert answers(aws) == [(TOKEN, "success")]
    assert "Answering with a success, without outputs: step vej-callback-step" in str(report.events[0])


def test_an_execution_that_is_over_has_no_open_callback() -> None:
    """Its step may still lack an end, but the execution no longer waits for it."""
    over = {"PipelineExecutionStatus": "Failed", "PipelineExecutionDisplayName": RUN_ID}
    aws = waiting_pipeline(describe_pipeline_execution=over)
    context, report = stage_context(aws)
    answer_callbacks(context, Selection(TEN_MINUTES, RUN_ID), FAILURE, confirmed=True, several=False)
    assert report.events == [Note(f"No callback in execution {RUN_ID} has waited longer than 10 min 00 s.")]


def test_an_unknown_execution_is_a_usage_error() -> None:
    context, _ = stage_context(waiting_pipeline())
    with pytest.raises(UsageError, match="no execution nonsense"):
        list_callbacks(context, Selection(TEN_MINUTES, "nonsense"))
