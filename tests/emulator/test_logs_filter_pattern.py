"""Filter patterns of CloudWatch Logs, with the examples of its user guide."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopipe_emulator.services.logs.filter_pattern import InvalidPatternError, parse_pattern

ERRORS = [
    "[ERROR 400] BAD REQUEST",
    "[ERROR 401] UNAUTHORIZED REQUEST",
    "[ERROR 419] MISSING ARGUMENTS",
    "[ERROR 420] INVALID ARGUMENTS",
]
EVENT = (
    '{"eventType": "UpdateTrail", "sourceIPAddress": "111.111.111.111", "arrayKey": ["value", "another value"], '
    '"objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}], "SomeObject": null, "cluster.name": "c", '
    '"flag": true, "latency": 1.5e1, "code": "404", "version": "v?[1]"}'
)
ACCESS = '127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'


@pytest.mark.parametrize(
    ("pattern", "numbers"),
    [
        ("", [400, 401, 419, 420]),
        ("ERROR", [400, 401, 419, 420]),
        ("error", []),
        ("ERROR ARGUMENTS", [419, 420]),
        ("ERROR -ARGUMENTS", [400, 401]),
        ("?BAD ?INVALID", [400, 420]),
        ("?BAD REQUEST", [400, 401]),
        ('"ERROR 4" "] BAD"', [400]),
        ('-"ERROR 40"', [419, 420]),
        ("%4[01][19]%", [401, 419]),
        ("-%REQUEST$% INVALID", [420]),
        ("?%^.ERROR 400% ?%S$%", [400, 419, 420]),
    ],
)
def test_terms(pattern: str, numbers: list[int]) -> None:
    matches = parse_pattern(pattern)
    assert [int(message[7:10]) for message in ERRORS if matches(message)] == numbers


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ('{ $.eventType = "UpdateTrail" }', True),
        ("{ $.eventType = UpdateTrail }", True),
        ("{$.eventType=Update*}", True),
        ('{ $.eventType = "*Trail" && $.sourceIPAddress != 123.123.* }', True),
        ("{ $.sourceIPAddress != 111.111.* }", False),
        ('{ $.arrayKey[0] = "value" }', True),
        ('{ $.arrayKey[2] = "value" }', False),
        ("{ $.objectList[1].id = 2 }", True),
        ("{ $.objectList[1].id >= 2 && $.objectList[0].id < 2 }", True),
        ("{ $.SomeObject IS NULL }", True),
        ("{ $.SomeOtherObject NOT EXISTS }", True),
        ("{ $.SomeObject NOT EXISTS }", False),
        ("{ $.flag IS TRUE }", True),
        ("{ $.flag IS FALSE }", False),
        ("{ $.latency > 14.9 && $.latency <= 1.5E1 }", True),
        ("{ $.code = 404 }", True),
        ("{ $.missing != 1 }", False),
        ('{ $["cluster.name"] = "c" }', True),
        ('{ $.version = "v?[1]" }', True),
        ('{ $.version = "v?1" }', False),
        ("{ $.eventType = %^Update% }", True),
        ("{ $.eventType = x || $.flag IS TRUE && $.code = 404 }", True),
        ("{ ($.eventType = x || $.flag IS TRUE) && $.code = 405 }", False),
    ],
)
def test_json(pattern: str, expected: bool) -> None:
    matches = parse_pattern(pattern)
    assert matches(EVENT) is expected
    assert not matches("no JSON")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("[ip, id, user, timestamp, request, status_code, size]", True),
        ("[ip, id, user, timestamp, request, status_code]", False),
        ("[ip, ...]", True),
        ("[..., status_code, size]", True),
        ("[..., status_code = 404, size > 1000]", True),
        ("[..., status_code = 4* && status_code != 403, size]", True),
        ("[..., status_code = 4* && status_code != 404, size]", False),
        ("[ip, id, user, timestamp, request = *html*, status_code = 4*, size]", True),
        ('[ip != "127.*", ...]', False),
        ("[ip=%127\\.0%, ..., size=1534]", True),
        ('[ip, id, user, timestamp, request = "GET /index.html HTTP/1.0", ...]', True),
        ("[ip, ..., size = 1 || size = 1534]", True),
    ],
)
def test_fields(pattern: str, expected: bool) -> None:
    assert parse_pattern(pattern)(ACCESS) is expected


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("a-b", "Invalid character(s) in term 'a-b'"),
        ("a.b", "Invalid character(s)"),
        ('"open', "cannot be read"),
        ("%(a+)+%", "parentheses"),
        ("%[%", "not valid"),
        ("{ $.a = }", "ends too early"),
        ("{ $.a = 1", "ends with }"),
        ("{ a = 1 }", "not a property selector"),
        ("{ $.*.b = 1 }", "not a property selector"),
        ("{ $.a < b }", "compares numbers"),
        ("{ $.a IS 1 }", "TRUE, FALSE or NULL"),
        ("{ ($.a = 1 }", "not closed"),
        ("{ $.a = 1 $.b = 2 }", "unexpected"),
        ("[a, b", "ends with ]"),
        ("[..., a, ...]", "one ellipsis"),
        ("[a,,b]", "no name"),
        ("[a=1 && b=2]", "two names"),
        ("x" * 1025, "at most 1024"),
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str, problem: str) -> None:
    with pytest.raises(InvalidPatternError) as caught:
        parse_pattern(pattern)
    assert problem in str(caught.value)


@given(
    st.text(st.sampled_from('{}[]()$."%*?-=!<>&|, aE1\\') | st.characters(codec="utf-8"), max_size=40),
    st.text(max_size=20),
)
def test_any_text_is_refused_or_a_pattern(pattern: str, message: str) -> None:
    for text in (pattern, f"{{{pattern}}}", f"[{pattern}]"):
        try:
            matches = parse_pattern(text)
        except InvalidPatternError:
            continue
        assert isinstance(matches(message), bool)
