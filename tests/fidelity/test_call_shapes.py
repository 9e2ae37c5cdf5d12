"""What is kept of a call, and what is not."""

from __future__ import annotations

import botocore.session
import pytest

from tests.support.fidelity.call_shapes import describe, template
from tests.support.fidelity.reference import PAGE, reference


def test_the_shape_has_types_and_listed_values_but_no_others() -> None:
    model = botocore.session.Session().get_service_model("lambda").operation_model("CreateFunction")
    sent = {
        "FunctionName": "secret-name",
        "Runtime": "python3.11",
        "Code": {"ZipFile": b"secret"},
        "Environment": {"Variables": {"SECRET": "secret", "MORE": "secret"}},
        "Architectures": ["arm64", "arm64"],
        "Unknown": "secret",
    }
    assert describe(sent, model.input_shape) == {
        "FunctionName": "string",
        "Runtime": "python3.11",
        "Code": {"ZipFile": "blob"},
        "Environment": {"Variables": {"<key>": ["string"]}},
        "Architectures": ["arm64"],
    }


@pytest.mark.parametrize(
    ("message", "parameters", "expected"),
    [
        ("Function not found: orders-fn", {"FunctionName": "orders-fn"}, "Function not found: <FunctionName>"),
        ("orders and orders-dlq", {"Queue": "orders", "Dead": ["orders-dlq"]}, "<Queue> and <Dead>"),
        ("preorders stay", {"Queue": "orders"}, "preorders stay"),
        ("a is no name", {"Queue": "a"}, "a is no name"),
        ("User: arn:aws:sts::123456789012:assumed-role/r/s is not authorized", {}, "User: <arn> is not authorized"),
        ("mapping 0a1b2c3d-0000-1111-2222-333344445555", {}, "mapping <uuid>"),
        ("account 123456789012 at 2026-11-29T10:00:00.123Z", {}, "account <account> at <time>"),
        ("see https://sqs.us-west-2.amazonaws.com/123456789012/orders", {}, "see <url>"),
        ("key AROAEXAMPLEROLEID0 is unknown", {}, "key <id> is unknown"),
    ],
)
def test_a_message_keeps_its_words_and_loses_its_names(message: str, parameters: object, expected: str) -> None:
    assert template(message, parameters) == expected  # type: ignore[arg-type]


def test_the_page_is_what_the_files_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run `make reference`"
