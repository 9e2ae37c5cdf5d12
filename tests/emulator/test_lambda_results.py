"""Which messages are done with: the decision table of partial batch responses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from geopipe_emulator.services.lambda_.results import processed_messages

BATCH = {"a", "b", "c"}


def failures(*ids: Any) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in ids]}


@pytest.mark.parametrize(
    "answer",
    [None, {}, "", [], {"batchItemFailures": []}, {"batchItemFailures": None}, {"statusCode": 200}],
)
def test_nothing_reported_means_all_done(answer: Any) -> None:
    assert processed_messages(BATCH, json.dumps(answer).encode(), succeeded=True, reports_failures=True) == BATCH


def test_an_empty_answer_means_all_done() -> None:
    assert processed_messages(BATCH, b"", succeeded=True, reports_failures=True) == BATCH


def test_what_is_reported_stays() -> None:
    answer = json.dumps(failures("a", "c")).encode()
    assert processed_messages(BATCH, answer, succeeded=True, reports_failures=True) == {"b"}


@pytest.mark.parametrize(
    "answer",
    [
        failures("a", "unknown"),
        failures(None),
        failures(""),
        failures(7),
        {"batchItemFailures": [{"itemIdentifer": "a"}]},
        {"batchItemFailures": ["a"]},
        {"batchItemFailures": "a"},
        ["a"],
        "done",
        0,
        False,
    ],
)
def test_what_makes_no_sense_keeps_the_whole_batch(answer: Any) -> None:
    assert processed_messages(BATCH, json.dumps(answer).encode(), succeeded=True, reports_failures=True) == set()


def test_broken_json_keeps_the_whole_batch() -> None:
    assert processed_messages(BATCH, b'{"batchItemFailures": [', succeeded=True, reports_failures=True) == set()


def test_a_failed_function_keeps_the_whole_batch_also_with_a_report() -> None:
    for reports_failures in (True, False):
        assert processed_messages(BATCH, b"{}", succeeded=False, reports_failures=reports_failures) == set()


def test_without_the_setting_the_answer_is_not_read() -> None:
    answer = json.dumps(failures("a")).encode()
    assert processed_messages(BATCH, answer, succeeded=True, reports_failures=False) == BATCH
