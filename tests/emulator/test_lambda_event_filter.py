"""The filters of event source mappings: which records match a pattern, and what is no pattern."""

from __future__ import annotations

import json
from typing import Any

import pytest

from geopipe_emulator.protocol.errors import ServiceError
from geopipe_emulator.services.lambda_.event_filter import passes, read_filters

# Pattern, body, and whether the message reaches the function.
CASES: list[tuple[Any, Any, bool]] = [
    ({"body": {"city": ["Wien", "Graz"]}}, {"city": "Graz"}, True),
    ({"body": {"city": ["Wien"]}}, {"city": "Linz"}, False),
    ({"body": {"city": ["Wien"], "size": [1]}}, {"city": "Wien"}, False),
    ({"body": {"tags": ["a"]}}, {"tags": ["b", "a"]}, True),
    ({"body": {"place": {"zip": [{"prefix": "10"}]}}}, {"place": {"zip": "1010"}}, True),
    ({"body": {"file": [{"suffix": ".csv"}]}}, {"file": "a.txt"}, False),
    ({"body": {"city": [{"equals-ignore-case": "WIEN"}]}}, {"city": "Wien"}, True),
    ({"body": {"city": [{"anything-but": ["Wien"]}]}}, {"city": "Wien"}, False),
    ({"body": {"city": [{"anything-but": "Wien"}]}}, {"city": "Linz"}, True),
    ({"body": {"city": [{"anything-but": "Wien"}]}}, {}, False),
    ({"body": {"city": [{"anything-but": {"prefix": "W"}}]}}, {"city": "Linz"}, True),
    ({"body": {"size": [{"numeric": [">", 1, "<=", 5]}]}}, {"size": 5}, True),
    ({"body": {"size": [{"numeric": ["=", 5]}]}}, {"size": "5"}, False),
    ({"body": {"size": [1]}}, {"size": True}, False),
    ({"body": {"city": [{"exists": False}]}}, {"size": 1}, True),
    ({"body": {"city": [{"exists": True}]}}, {"size": 1}, False),
    ({"body": {"city": [None]}}, {"city": None}, True),
    ({"body": {"$or": [{"city": ["Wien"]}, {"size": [1]}]}}, {"size": 1}, True),
    ({"body": {"$or": [{"city": ["Wien"]}, {"size": [1]}]}}, {"size": 2}, False),
    ({"body": {"city": ["Wien"]}}, "no JSON", False),
    ({"body": ["plain text"]}, "plain text", True),
    ({"body": [{"prefix": "plain"}]}, "other text", False),
    ({"messageAttributes": {"kind": {"stringValue": ["x"]}}}, {}, True),
]
NO_PATTERNS = ["", "{", "[]", "{}", '{"body": "x"}', '{"body": []}', '{"body": {"a": [{"wildcard": "*"}]}}',
    '{"body": {"a": [{"numeric": [">"]}]}}', '{"body": {"a": [{"exists": "yes"}]}}', '{"body": {"a": [[1]]}}',
    '{"body": {"$or": [{"a": [1]}]}}']  # fmt: skip


def test_which_records_pass() -> None:
    wrong = []
    for pattern, body, expected in CASES:
        text = body if isinstance(body, str) else json.dumps(body)
        record = {"body": text, "messageAttributes": {"kind": {"stringValue": "x"}}}
        filters = read_filters({"Filters": [{"Pattern": json.dumps(pattern)}]})
        if passes(filters, record) is not expected:
            wrong.append((pattern, body))
    assert not wrong
    assert passes((), {"body": "x"})
    assert passes(('{"body": ["a"]}', '{"body": ["b"]}'), {"body": "b"})


def test_what_is_no_pattern() -> None:
    accepted = []
    for text in NO_PATTERNS:
        try:
            read_filters({"Filters": [{"Pattern": text}]})
        except ServiceError as error:
            assert error.code == "InvalidParameterValueException"
        else:
            accepted.append(text)
    assert not accepted
    with pytest.raises(ServiceError, match="at most 5"):
        read_filters({"Filters": [{"Pattern": '{"body": ["x"]}'}] * 6})
