"""No text shows a secret, in any spelling in which it may be quoted."""

from __future__ import annotations

import html
import json
import logging
from collections.abc import Iterator
from random import Random
from urllib.parse import quote

import pytest
from botocore.exceptions import HTTPClientError

from geopipe_runner.aws import secrets
from geopipe_runner.aws.errors import as_aws_error, reason
from tests.support.runner_fakes import answer_error

SECRET = "a/b+c=d&\"e'<f>\\é:g"


@pytest.fixture(autouse=True)
def empty_registry() -> Iterator[None]:
    secrets.forget_all()
    yield
    secrets.forget_all()


@pytest.mark.parametrize(
    "spelling",
    [SECRET, json.dumps(SECRET), repr(SECRET), quote(SECRET), quote(SECRET, safe=""), html.escape(SECRET)],
)
def test_every_spelling_is_hidden(spelling: str) -> None:
    secrets.register(SECRET)
    assert secrets.redact(f"before {spelling} after").replace('"', "").replace("'", "") == "before (hidden) after"


def test_a_secret_with_a_line_ending_is_hidden_without_it_too() -> None:
    secrets.register("0123456789abc\r\n")
    assert secrets.redact("x 0123456789abc y") == "x (hidden) y"
    assert secrets.redact(repr(b"0123456789abc\r\n")) == "b'(hidden)'"


def test_a_longer_secret_is_hidden_as_a_whole() -> None:
    secrets.register("0123456789", "0123456789abcdef")
    assert secrets.redact("0123456789abcdef") == "(hidden)"


def test_nothing_and_short_words_are_no_secrets() -> None:
    secrets.register(None, "", "test", "geopipe")
    assert secrets.redact("a test of geopipe") == "a test of geopipe"


def test_a_short_secret_of_the_user_is_hidden_where_it_stands_alone() -> None:
    secrets.register_settings(["hunter2", "p@ss", "a&b1", " x1y2\n"])
    text = "password=hunter2; 'hunter2' geo:hunter2@db p@ss, a&amp;b1 a%26b1 x1y2 hunter2"
    assert secrets.redact(text) == (
        "password=(hidden); '(hidden)' geo:(hidden)@db (hidden), (hidden) (hidden) (hidden) (hidden)"
    )
    assert secrets.redact("hunter20 ahunter2 x1y2z") == "hunter20 ahunter2 x1y2z"


@pytest.mark.parametrize("word", ["prod", "1234", "12.50", "eu-west", "on/off", "a1b", "x", "", "\n"])
def test_ordinary_words_and_numbers_are_not_hidden(word: str) -> None:
    secrets.register_settings([word])
    text = f"the {word} of 1234 rows in eu-west: on/off, 12.50"
    assert secrets.redact(text) == text


def test_a_long_secret_of_the_user_is_hidden_as_a_whole_and_by_its_lines() -> None:
    secrets.register_settings(["correct horse battery", "-----BEGIN KEY-----\nMIIEvgIBADANBgkq\n-----END KEY-----\n"])
    assert secrets.redact("x=correct%20horse%20battery correct horse") == "x=(hidden) correct horse"
    assert secrets.redact("a battery, and 'MIIEvgIBADANBgkq'") == "a battery, and '(hidden)'"
    assert secrets.redact(json.dumps("-----BEGIN KEY-----\nMIIEvgIBADANBgkq\n-----END KEY-----")) == '"(hidden)"'


def test_short_and_long_secrets_do_not_replace_each_other() -> None:
    secrets.register_settings(["hunter2"])
    secrets.register("0123456789")
    secrets.register_settings(["hunter2-and-more"])
    assert secrets.redact("hunter2 0123456789 hunter2-and-more") == "(hidden) (hidden) (hidden)"


HEADER = (
    "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20261128/us-west-2/sts/aws4_request, "
    "SignedHeaders=content-type;host;x-amz-date, Signature=0123456789abcdef0123456789abcdef"
)


@pytest.mark.parametrize(
    "text",
    [
        f"Invalid header value b'{HEADER}'",
        f"Authorization: {HEADER}",
        f"{{'Authorization': '{HEADER}', 'Host': 'x'}}",
        HEADER.replace("AKIAEXAMPLE", "AKIAEXAMPLE\r"),
        "https://x/y?X-Amz-Credential=AKIAEXAMPLE%2Fx&X-Amz-Signature=0123456789abcdef&z=1",
        "Authorization: Basic QUtJQUVYQU1QTEU6eHl6",
        "Bearer 0123456789abcdef",
    ],
)
def test_header_values_are_hidden_by_their_form(text: str) -> None:
    redacted = secrets.redact(text)
    assert "(hidden)" in redacted
    assert not any(part in redacted for part in ("0123456789abcdef", "QUtJ"))


def test_errors_show_no_secret() -> None:
    secrets.register(SECRET)
    for error in (answer_error("InvalidToken", f"bad {SECRET}"), HTTPClientError(error=f"Invalid header {SECRET!r}")):
        assert "a/b+c" not in as_aws_error(error).message
        assert "a/b+c" not in reason(error)
    assert "a/b+c" not in reason(ValueError(SECRET))


def test_a_log_shows_no_secret_in_messages_and_tracebacks() -> None:
    secrets.register(SECRET)
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        record = logging.LogRecord("x", logging.INFO, __file__, 1, "said %s", (SECRET,), (type(error), error, None))
    text = secrets.RedactingFormatter("%(message)s").format(record)
    assert "a/b+c" not in text and text.count("(hidden)") == 2


@pytest.mark.slow
def test_random_secrets_in_random_texts_are_hidden() -> None:
    random = Random(7)
    alphabet = "".join(map(chr, range(33, 127)))
    for _ in range(200):
        secret = "".join(random.choices(alphabet, k=random.randint(10, 60)))
        secrets.register(secret)
        for spelling in (secret, json.dumps({"x": secret}), repr([secret]), quote(secret), html.escape(secret)):
            redacted = secrets.redact(f"{random.random()} {spelling} {random.random()}")
            assert secret not in redacted and spelling.strip("[]'\"") not in redacted
