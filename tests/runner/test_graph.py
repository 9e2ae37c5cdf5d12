"""Order from dependencies, and work done side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geopipe_runner.aws.parallel import WORKERS, in_parallel
from geopipe_runner.reconcile.graph import Walk, ordered
from tests.support.runner_fakes import thing

SOON = 5.0


def test_each_comes_after_what_it_needs() -> None:
    resources = ordered([thing("c", "b", "a"), thing("b", "a"), thing("a"), thing("d")])
    keys = [resource.key for resource in resources]
    assert sorted(keys) == ["a", "b", "c", "d"]
    assert keys.index("a") < keys.index("b") < keys.index("c")


def test_a_cycle_is_named() -> None:
    with pytest.raises(ValueError, match=r"depend on each other: .*a.* -> .*b"):
        ordered([thing("a", "b"), thing("b", "a")])


def test_an_unknown_need_is_named() -> None:
    with pytest.raises(ValueError, match=r"unknown keys in dependencies: \['nowhere'\]"):
        ordered([thing("a", "nowhere")])


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.integers(0, 12), st.sets(st.integers(0, 12), max_size=4), max_size=12))
def test_any_order_without_cycles(graph: dict[int, set[int]]) -> None:
    acyclic = {
        key: {need for need in creation_dependencies if need < key and need in graph}
        for key, creation_dependencies in graph.items()
    }
    resources = ordered(
        thing(str(key), *map(str, creation_dependencies)) for key, creation_dependencies in acyclic.items()
    )
    place = {resource.key: number for number, resource in enumerate(resources)}
    assert len(place) == len(acyclic)
    assert all(
        place[str(need)] < place[str(key)]
        for key, creation_dependencies in acyclic.items()
        for need in creation_dependencies
    )


def test_work_is_done_at_the_same_time() -> None:
    meeting = threading.Barrier(4, timeout=SOON)
    assert in_parallel(dict.fromkeys("abcd", meeting.wait)).keys() == set("abcd")


def test_results_come_back_by_key() -> None:
    assert in_parallel({"a": lambda: 1, "b": lambda: 2}) == {"a": 1, "b": 2}
    assert in_parallel({}) == {}


def test_the_first_error_ends_it() -> None:
    def broken() -> int:
        raise KeyError("x")

    with pytest.raises(KeyError):
        in_parallel({"a": broken, "b": lambda: 1})


def yes(_key: str) -> bool:
    return True


class Log:
    """What was done, in the order in which it ended, and with which error."""

    def __init__(self) -> None:
        self.outcomes: dict[str, BaseException | None] = {}
        self.worked: list[str] = []
        self.lock = threading.Lock()

    def work(self, key: str) -> None:
        with self.lock:
            self.worked.append(key)

    def after(self, key: str, error: BaseException | None) -> bool:
        assert threading.current_thread() is threading.main_thread()
        self.outcomes[key] = error
        return error is None


def walk(
    graph: dict[str, str], work: Callable[[str], object], log: Log, before: Callable[[str], bool] = yes
) -> tuple[str, ...]:
    return Walk({key: creation_dependencies.split() for key, creation_dependencies in graph.items()}, work).run(
        before, log.after
    )


def test_each_waits_for_what_it_needs() -> None:
    log = Log()
    assert walk({"c": "a b", "b": "a", "a": "", "d": "c"}, log.work, log) == ()
    assert log.worked == ["a", "b", "c", "d"]
    assert list(log.outcomes) == ["a", "b", "c", "d"]


def test_independent_branches_run_side_by_side() -> None:
    meeting = threading.Barrier(3, timeout=SOON)
    log = Log()
    assert walk({"a": "", "b": "", "c": ""}, lambda _key: meeting.wait(), log) == ()
    assert set(log.outcomes.values()) == {None}


def test_a_quick_branch_does_not_wait_for_a_slow_one() -> None:
    quick_is_done = threading.Event()

    def work(key: str) -> None:
        if key == "slow":
            assert quick_is_done.wait(SOON)
        if key == "after quick":
            quick_is_done.set()

    log = Log()
    Walk({"slow": [], "quick": [], "after quick": ["quick"]}, work).run(yes, log.after)
    assert log.outcomes == {"slow": None, "quick": None, "after quick": None}


def test_a_failure_leaves_out_what_waits_for_it_and_nothing_else() -> None:
    def work(key: str) -> None:
        log.work(key)
        if key == "b":
            raise KeyError(key)

    log = Log()
    left = walk({"a": "", "b": "", "c": "b", "d": "c a", "e": "a"}, work, log)
    assert set(left) == {"c", "d"}
    assert set(log.worked) == {"a", "b", "e"}
    assert isinstance(log.outcomes["b"], KeyError)
    assert log.outcomes["e"] is None


def test_a_vetoed_piece_is_not_done_but_over() -> None:
    log = Log()
    left = walk({"a": "", "b": "a"}, log.work, log, before=lambda key: key != "a")
    assert (left, log.worked, log.outcomes) == ((), ["b"], {"a": None, "b": None})


def test_needs_that_take_no_part_are_not_waited_for() -> None:
    log = Log()
    assert walk({"a": "elsewhere"}, log.work, log) == ()
    assert log.worked == ["a"]


def test_breaking_off_before_a_piece_waits_for_what_runs() -> None:
    finished = threading.Event()
    begun = threading.Event()

    def work(key: str) -> None:
        begun.set()
        finished.set()

    def before(key: str) -> bool:
        if key == "b":
            assert begun.wait(SOON)
            raise KeyboardInterrupt
        return True

    with pytest.raises(KeyboardInterrupt):
        Walk({"a": [], "b": []}, work).run(before, lambda _key, _error: True)
    assert finished.is_set()


def test_more_work_than_workers() -> None:
    log = Log()
    keys = [str(number) for number in range(WORKERS * 4)]
    assert walk(dict.fromkeys(keys, ""), log.work, log) == ()
    assert sorted(log.worked) == sorted(keys)
