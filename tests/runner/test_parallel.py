"""Work on threads that a hung call cannot keep alive."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

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


def test_a_thread_that_is_free_does_the_next_work() -> None:
    """A thread is free a moment after its result."""
    deadline = time.monotonic() + 60
    first = in_background(threading.get_ident).result(60)
    while in_background(threading.get_ident).result(60) != first:
        assert time.monotonic() < deadline


def test_work_that_waits_for_other_work_gets_threads_of_its_own() -> None:
    """More threads than are kept: each piece of work waits for all others."""
    meeting = threading.Barrier(150, timeout=60)
    futures = [in_background(meeting.wait) for _ in range(150)]
    assert {future.result(60) for future in futures} == set(range(150))

    def nested(depth: int) -> int:
        return 1 + max(in_parallel({n: lambda: nested(depth - 1) for n in range(3)}).values()) if depth else 0

    assert in_background(lambda: nested(4)).result(60) == 4


FORK = """
import os
from geopipe_runner.aws.parallel import in_background
assert in_background(lambda: 7).result(60) == 7
child = os.fork()
if not child:
    os._exit(in_background(lambda: 8).result(60))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.process
def test_a_forked_process_has_threads_of_its_own() -> None:
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", FORK], capture_output=True, text=True, check=True)
    assert ended.stdout == "8\n"
