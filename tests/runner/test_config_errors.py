"""What a user reads, and the exit code that goes with it."""

from __future__ import annotations

import pytest

from geopipe_runner import errors
from geopipe_runner.errors import ConfigError, GeopipeError, Problem


def test_a_problem_is_one_line_in_two_halves() -> None:
    problem = Problem("config/x.yaml", 12, 3, 'unknown key "buket"', 'did you mean "bucket"?')
    assert str(problem) == 'config/x.yaml:12:3: unknown key "buket"; did you mean "bucket"?'
    assert str(Problem("x.yaml", 1, 1, "something")) == "x.yaml:1:1: something"


def test_problems_come_in_the_order_of_the_file_and_once() -> None:
    late, early = Problem("x.yaml", 10, 1, "late"), Problem("x.yaml", 9, 20, "early")
    error = ConfigError([late, early, late])
    assert error.problems == (early, late)
    assert str(error) == "x.yaml:9:20: early\nx.yaml:10:1: late"


def test_a_hint_follows_the_message() -> None:
    assert str(GeopipeError("It failed.", "Try again.")) == "It failed.\nTry again."
    assert str(GeopipeError("It failed.")) == "It failed."


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("GeopipeError", 1),
        ("AwsError", 1),
        ("ConfigError", 2),
        ("TemplateError", 2),
        ("ExecutionFailed", 3),
        ("RefusedError", 5),
        ("InterruptedByUser", 130),
    ],
)
def test_exit_codes(name: str, code: int) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, GeopipeError)
    assert kind.exit_code == code
