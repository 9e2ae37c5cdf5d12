"""When a pool starts another worker, waits for one, or lets one go: with workers made of events."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from geopipe_runner.emulator.errors import ServiceError
from geopipe_runner.emulator.functions.invocation import Invocation, Outcome, Result
from geopipe_runner.emulator.functions.pool import IDLE_SECONDS, Pool, PoolClosedError

INVOCATION = Invocation(b"{}", "arn", 3)
DONE = Outcome(Result(b"{}"), b"")
PATIENCE = 5.0


class FakeWorker:
    def __init__(self) -> None:
        self.ready = True
        self.usable = True
        self.runs = 0
        self.running = threading.Event()
        self.may_finish = threading.Event()
        self.may_finish.set()

    def run(self, invocation: Invocation) -> Outcome | None:
        if not self.usable:
            return None
        self.runs += 1
        self.running.set()
        assert self.may_finish.wait(PATIENCE)
        return DONE

    def close(self) -> None:
        self.usable = False
        self.may_finish.set()

    def join(self, timeout: float) -> None:
        pass


class Workers:
    """Makes workers and keeps them; each new one blocks while `hold` is set."""

    def __init__(self) -> None:
        self.made: list[FakeWorker] = []
        self.hold = False

    def __call__(self) -> FakeWorker:
        worker = FakeWorker()
        if self.hold:
            worker.may_finish.clear()
        self.made.append(worker)
        return worker


@pytest.fixture
def workers() -> Workers:
    return Workers()


def started(executor: ThreadPoolExecutor, pool: Pool, workers: Workers, number: int) -> Future[Outcome]:
    """An invocation that holds the worker with this number."""
    workers.hold = True
    future = executor.submit(pool.run, INVOCATION)
    waiter = threading.Event()
    for _ in range(1000):
        if len(workers.made) > number and workers.made[number].running.is_set():
            return future
        waiter.wait(0.005)
    raise AssertionError("the worker did not start")


def test_a_free_worker_is_used_again(workers: Workers) -> None:
    pool = Pool(workers, lambda: None)
    pool.warm()
    pool.warm()
    assert [pool.run(INVOCATION) for _ in range(3)] == [DONE] * 3
    assert [worker.runs for worker in workers.made] == [3]


def test_a_busy_worker_about_to_be_free_is_waited_for(workers: Workers) -> None:
    pool = Pool(workers, lambda: None, patience=PATIENCE)
    with ThreadPoolExecutor() as executor:
        first = started(executor, pool, workers, 0)
        second = executor.submit(pool.run, INVOCATION)
        workers.made[0].may_finish.set()
        assert (first.result(PATIENCE), second.result(PATIENCE)) == (DONE, DONE)
    assert len(workers.made) == 1


def test_patience_ends_and_another_worker_starts(workers: Workers) -> None:
    pool = Pool(workers, lambda: None, patience=0.01)
    with ThreadPoolExecutor() as executor:
        futures = [started(executor, pool, workers, number) for number in range(2)]
        assert pool.busy == 2
        for worker in workers.made:
            worker.may_finish.set()
        assert [future.result(PATIENCE) for future in futures] == [DONE, DONE]


def test_there_are_never_more_workers_than_allowed(workers: Workers) -> None:
    pool = Pool(workers, lambda: None, patience=0.01, max_workers=1)
    with ThreadPoolExecutor() as executor:
        first = started(executor, pool, workers, 0)
        others = [executor.submit(pool.run, INVOCATION) for _ in range(3)]
        assert not any(future.done() for future in others)
        workers.made[0].may_finish.set()
        assert [future.result(PATIENCE) for future in (first, *others)] == [DONE] * 4
    assert len(workers.made) == 1


def test_reserved_concurrency_refuses_what_is_beyond_it(workers: Workers) -> None:
    pool = Pool(workers, lambda: None)
    with ThreadPoolExecutor() as executor:
        first = started(executor, pool, workers, 0)
        with pytest.raises(ServiceError) as caught:
            pool.run(INVOCATION, reserved=1)
        assert (caught.value.code, caught.value.status) == ("TooManyRequestsException", 429)
        workers.made[0].may_finish.set()
        first.result(PATIENCE)
    assert pool.run(INVOCATION, reserved=1) == DONE


def test_a_worker_that_has_died_is_replaced(workers: Workers) -> None:
    pool = Pool(workers, lambda: None)
    pool.run(INVOCATION)
    workers.made[0].usable = False
    assert pool.run(INVOCATION) == DONE
    assert [worker.runs for worker in workers.made] == [1, 1]


def test_workers_idle_for_long_are_let_go(workers: Workers) -> None:
    now = [0.0]
    pool = Pool(workers, lambda: None, patience=0.01, clock=lambda: now[0])
    with ThreadPoolExecutor() as executor:
        futures = [started(executor, pool, workers, number) for number in range(2)]
        for worker, future in zip(workers.made, futures, strict=True):
            worker.may_finish.set()
            future.result(PATIENCE)
    now[0] = IDLE_SECONDS + 1
    pool.run(INVOCATION)
    assert sorted(worker.usable for worker in workers.made) == [False, True]


def test_a_closed_pool_finishes_what_runs_and_then_tells(workers: Workers) -> None:
    drained = threading.Event()
    pool = Pool(workers, drained.set)
    with ThreadPoolExecutor() as executor:
        running = started(executor, pool, workers, 0)
        pool.close()
        with pytest.raises(PoolClosedError):
            pool.run(INVOCATION)
        assert not drained.is_set()
        workers.made[0].may_finish.set()
        assert running.result(PATIENCE) == DONE
    assert drained.wait(PATIENCE)
    assert not workers.made[0].usable


def test_closing_at_once_ends_what_runs(workers: Workers) -> None:
    drained = threading.Event()
    pool = Pool(workers, drained.set)
    with ThreadPoolExecutor() as executor:
        running = started(executor, pool, workers, 0)
        pool.close(at_once=True)
        running.result(PATIENCE)
    assert drained.wait(PATIENCE)


def test_a_worker_that_cannot_start_does_not_block_the_pool() -> None:
    def fail() -> FakeWorker:
        raise ServiceError("ServiceException", "no runtime", 500)

    drained = threading.Event()
    pool = Pool(fail, drained.set, max_workers=1)
    for _ in range(2):
        with pytest.raises(ServiceError):
            pool.run(INVOCATION)
    pool.close()
    assert drained.wait(PATIENCE)
