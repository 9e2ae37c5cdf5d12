"""Schedule expressions, event patterns and input transformers, without an emulator."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from geopipe_emulator.events.input import check_target_input, input_of
from geopipe_emulator.events.pattern import is_pattern, matches
from geopipe_emulator.events.schedule import InvalidScheduleError, parse_schedule

# 29 November 2026 is a Sunday.
NOW = datetime(2026, 11, 29, 12, 30, 30, tzinfo=UTC)
EVENT = {
    "id": "i", "time": "2026-11-29T12:30:30Z", "source": "aws.s3",
    "detail": {"object": {"key": 'a "b".csv', "size": 5}, "tags": ["x", "y"], "address": "10.0.0.7"},
}  # fmt: skip
RULE = "arn:aws:events:us-west-2:123456789012:rule/r"


@pytest.mark.parametrize(
    ("expression", "zone", "expected"),
    [
        ("rate(5 minutes)", "UTC", "2026-11-29T12:35:30"),
        ("rate(1 day)", "UTC", "2026-11-30T12:30:30"),
        ("cron(0/15 * * * ? *)", "UTC", "2026-11-29T12:45:00"),
        ("cron(0 2 * * ? *)", "UTC", "2026-11-30T02:00:00"),
        ("cron(0 2 * * ? *)", "Europe/Vienna", "2026-11-30T01:00:00"),
        ("cron(30 2 28 3 ? 2027-2028)", "Europe/Vienna", "2028-03-28T00:30:00"),
        ("cron(0 18 ? * MON-FRI *)", "UTC", "2026-11-30T18:00:00"),
        ("cron(0 0 ? * SUN *)", "UTC", "2026-12-06T00:00:00"),
        ("cron(0 0 ? * 3#1 *)", "UTC", "2026-12-01T00:00:00"),
        ("cron(0 0 ? * 6L *)", "UTC", "2026-12-25T00:00:00"),
        ("cron(0 0 ? * L *)", "UTC", "2026-12-05T00:00:00"),
        ("cron(0 0 L * ? *)", "UTC", "2026-11-30T00:00:00"),
        ("cron(0 0 31W * ? *)", "UTC", "2026-11-30T00:00:00"),
        ("cron(0 10 5W DEC ? *)", "UTC", "2026-12-04T10:00:00"),
        ("cron(0 0 29 FEB ? *)", "UTC", "2028-02-29T00:00:00"),
        ("cron(0,30 8-10 1 JAN,JUL ? *)", "UTC", "2027-01-01T08:00:00"),
        ("cron(0 0 1 1 ? 2020)", "UTC", None),
        ("at(2026-12-24T18:00:00)", "Europe/Vienna", "2026-12-24T17:00:00"),
        ("at(2020-12-24T18:00:00)", "UTC", None),
    ],
)
def test_when_a_schedule_is_due_next(expression: str, zone: str, expected: str | None) -> None:
    moment = parse_schedule(expression, zone, allows_once=True).next_after(NOW)
    assert (moment and moment.replace(tzinfo=None).isoformat()) == expected


def test_what_is_no_schedule() -> None:
    expressions = [
        "", "5 minutes", "rate(0 minutes)", "rate(1 minutes)", "rate(5 minute)", "rate(5 seconds)", "cron(* * * * *)",
        "cron(0 0 * * * *)", "cron(0 0 ? * ? *)", "cron(60 0 * * ? *)", "cron(0 24 * * ? *)", "cron(0 0 32 * ? *)",
        "cron(0 0 * 13 ? *)", "cron(0 0 ? * 8 *)", "cron(0 0 * * ? 1969)", "cron(0/0 0 * * ? *)", "cron(5-1 0 * * ? *)",
        "cron(0 0 ? * ABC#1 *)", "at(2026-12-24T18:00:00)",
    ]  # fmt: skip
    accepted = []
    for expression in expressions:
        try:
            parse_schedule(expression)
        except InvalidScheduleError:
            continue
        accepted.append(expression)
    assert not accepted
    with pytest.raises(InvalidScheduleError):
        parse_schedule("cron(0 0 * * ? *)", "Mars/Base")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"source": ["aws.s3"], "detail": {"object": {"size": [{"numeric": ["<", 9]}]}}}, True),
        ({"detail": {"object": {"key": [{"wildcard": "a*.csv"}]}}}, True),
        ({"detail": {"object": {"key": [{"wildcard": "*.txt"}]}}}, False),
        ({"detail": {"object": {"key": [{"suffix": {"equals-ignore-case": ".CSV"}}]}}}, True),
        ({"detail": {"object": {"key": [{"anything-but": {"wildcard": "*.csv"}}]}}}, False),
        ({"detail": {"object": {"key": [{"anything-but": {"suffix": [".txt", ".md"]}}]}}}, True),
        ({"detail": {"tags": ["y"]}}, True),
        ({"detail": {"address": [{"cidr": "10.0.0.0/24"}]}}, True),
        ({"detail": {"address": [{"cidr": "10.1.0.0/24"}]}}, False),
        ({"detail": {"missing": [{"exists": False}]}}, True),
        ({"$or": [{"source": ["x"]}, {"id": ["i"]}]}, True),
    ],
)
def test_which_events_match(pattern: dict[str, Any], expected: bool) -> None:
    assert is_pattern(pattern)
    assert matches(pattern, EVENT) is expected


def test_what_is_no_pattern() -> None:
    wrong = [
        {}, {"a": []}, {"a": "b"}, {"a": [{"cidr": "x"}]}, {"a": [{"wildcard": "a**b"}]}, {"a": [{"like": "x"}]},
        {"a": [{"prefix": 1}]}, {"a": [{"prefix": {"suffix": "x"}}]}, {"a": [{"anything-but": {"exists": True}}]},
    ]  # fmt: skip
    assert not [pattern for pattern in wrong if is_pattern(pattern)]
    assert not is_pattern({"a": [{"wildcard": "*"}]}, {"prefix"})


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({}, EVENT),
        ({"Input": '{"a": 1}'}, {"a": 1}),
        ({"InputPath": "$.detail.object.size"}, 5),
        ({"InputPath": "$.detail.tags[1]"}, "y"),
        ({"InputPath": "$.nothing"}, None),
        (
            {
                "InputTransformer": {
                    "InputPathsMap": {"key": "$.detail.object.key", "all": "$.detail.tags", "no": "$.no"},
                    "InputTemplate": '{"k": <key>, "t": "key <key> of <aws.events.rule-name>", "a": <all>, "n": <no>}',
                }
            },
            {"k": 'a "b".csv', "t": 'key a "b".csv of r', "a": ["x", "y"], "n": None},
        ),
        ({"InputTransformer": {"InputTemplate": '"rule <aws.events.rule-arn>"'}}, f"rule {RULE}"),
        ({"InputTransformer": {"InputTemplate": '{"e": <aws.events.event.json>}'}}, {"e": EVENT}),
    ],
)
def test_what_a_target_gets(target: dict[str, Any], expected: Any) -> None:
    assert check_target_input({"Id": "i", **target}) == ""
    assert json.loads(input_of(target, EVENT, RULE)) == expected


def test_inputs_that_aws_refuses() -> None:
    targets: list[dict[str, Any]] = [
        {"Input": "{"}, {"InputPath": "detail"}, {"Input": "1", "InputPath": "$"},
        {"InputTransformer": {"InputTemplate": "<key>"}},
        {"InputTransformer": {"InputPathsMap": {"a": "$."}, "InputTemplate": "<a>"}},
    ]  # fmt: skip
    assert not [target for target in targets if not check_target_input({"Id": "i", **target})]
