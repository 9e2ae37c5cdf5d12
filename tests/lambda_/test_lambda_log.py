"""Log lines are JSON, carry the request, and never show a token or a receipt handle."""

import json
from typing import Any

import pytest

from log import JsonLog, redact


@pytest.mark.parametrize(
    ("value", "printed"),
    [
        (
            {"TOKEN": "a", "ReceiptHandle": "b", "NextToken": ["c"]},
            dict.fromkeys(("TOKEN", "ReceiptHandle", "NextToken"), "***"),
        ),
        ({"body": "Token: abcdefghij"}, {"body": "unreadable, 17 characters"}),
        ({"Body": '{"arguments": {"token": "t"}}'}, {"Body": {"arguments": {"token": "***"}}}),
        ({"body": {"token": "t"}}, {"body": {"token": "***"}}),
        ({"a": [{"token": 5}, 1, None]}, {"a": [{"token": "***"}, 1, None]}),
    ],
)
def test_redaction(value: Any, printed: Any) -> None:
    assert redact(value, lambda secret: None) == printed


def test_a_deeply_nested_event_can_be_printed() -> None:
    deep: Any = {"token": "secret-secret"}
    for _ in range(10_000):
        deep = [deep]
    assert "secret" not in json.dumps(redact(deep, lambda secret: None))


def test_log_lines_are_json_and_carry_the_request(capsys: pytest.CaptureFixture[str]) -> None:
    JsonLog("request-1").warning("text\nin two lines", fact={"a": ["ä", 1]})
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line) == {
        "level": "WARNING",
        "message": "text\nin two lines",
        "requestId": "request-1",
        "fact": {"a": ["ä", 1]},
    }
