"""Work on threads that a hung call cannot keep alive."""

from __future__ import annotations

import threading

import pytest

from geopipe_runner.aws.parallel import in_background, in_parallel


def test_parallel_work_gives_every_result() -> None:
    assert in_parallel({number: lambda number=number: number * 2 for number in range(50)}) == {
        number: number * 2 for number in range(50)
    }
    assert in_parallel({}) == {}


def test_the_first_error_of_parallel_work_does_not_wait_for_the_rest() -> None:
    forever = threading.Event()

    def fail() -> None:
        raise KeyError("first")

    with pytest.raises(KeyError, match="first"):
        in_parallel({"fails": fail, "hangs": lambda: forever.wait(600)})
    forever.set()


def test_background_work_gives_its_result_or_its_error() -> None:
    assert in_background(lambda: 7).result(60) == 7
    with pytest.raises(ZeroDivisionError):
        in_background(lambda: 1 / 0).result(60)
