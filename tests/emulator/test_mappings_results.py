"""Which messages are done with: the decision table of partial batch responses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from geopipe_runner.emulator.functions.results import handled

BATCH = {"a", "b", "c"}


def failures(*ids: Any) -> dict[str, Any]:
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in ids]}


@pytest.mark.parametrize(
    "answer",
    [None, {}, "", [], {"batchItemFailures": []}, {"batchItemFailures": None}, {"statusCode": 200}],
)
def test_nothing_reported_means_all_done(answer: Any) -> None:
    assert handled(BATCH, json.dumps(answer).encode(), succeeded=True, reports_failures=True) == BATCH


def test_an_empty_answer_means_all_done() -> None:
    assert handled(BATCH, b"", succeeded=True, reports_failures=True) == BATCH


def test_what_is_reported_stays() -> None:
    answer = json.dumps(failures("a", "c")).encode()
    assert handled(BATCH, answer, succeeded=True, reports_failures=True) == {"b"}


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
    assert handled(BATCH, json.dumps(answer).encode(), succeeded=True, reports_failures=True) == set()


def test_broken_json_keeps_the_whole_batch() -> None:
    assert handled(BATCH, b'{"batchItemFailures": [', succeeded=True, reports_failures=True) == set()


def test_a_failed_function_keeps_the_whole_batch_whatever_it_said() -> None:
    for reports_failures in (True, False):
        assert handled(BATCH, b"{}", succeeded=False, reports_failures=reports_failures) == set()


def test_without_the_setting_the_answer_is_not_read() -> None:
    answer = json.dumps(failures("a")).encode()
    assert handled(BATCH, answer, succeeded=True, reports_failures=False) == BATCH
