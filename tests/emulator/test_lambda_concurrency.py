"""When a pool starts another environment, waits for one, or lets one go: with environments made of events."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from geopipe_emulator.protocol.errors import ServiceError
from geopipe_emulator.services.lambda_.concurrency import IDLE_SECONDS, Pool, PoolClosedError
from geopipe_emulator.services.lambda_.invocation import Invocation, InvocationResult, RuntimeResult

INVOCATION = Invocation(b"{}", "arn", 3)
DONE = InvocationResult(RuntimeResult(b"{}"), b"")
PATIENCE = 5.0


class FakeEnvironment:
    def __init__(self) -> None:
        self.is_ready = True
        self.is_usable = True
        self.runs = 0
        self.running = threading.Event()
        self.may_finish = threading.Event()
        self.may_finish.set()

    def run(self, invocation: Invocation) -> InvocationResult | None:
        if not self.is_usable:
            return None
        self.runs += 1
        self.running.set()
        assert self.may_finish.wait(PATIENCE)
        return DONE

    def close(self) -> None:
        self.is_usable = False
        self.may_finish.set()

    def join(self, timeout: float) -> None:
        pass


class FakeEnvironments:
    """Makes environments and keeps them; each new one blocks while `hold` is set."""

    def __init__(self) -> None:
        self.made: list[FakeEnvironment] = []
        self.hold = False

    def __call__(self) -> FakeEnvironment:
        environment = FakeEnvironment()
        if self.hold:
            environment.may_finish.clear()
        self.made.append(environment)
        return environment


@pytest.fixture
def environments() -> FakeEnvironments:
    return FakeEnvironments()


def started(
    executor: ThreadPoolExecutor, pool: Pool, environments: FakeEnvironments, number: int
) -> Future[InvocationResult]:
    """An invocation that holds the environment with this number."""
    environments.hold = True
    future = executor.submit(pool.run, INVOCATION)
    waiter = threading.Event()
    for _ in range(1000):
        if len(environments.made) > number and environments.made[number].running.is_set():
            return future
        waiter.wait(0.005)
    raise AssertionError("the environment did not start")


def test_a_free_environment_is_used_again(environments: FakeEnvironments) -> None:
    pool = Pool(environments, lambda: None)
    pool.warm()
    pool.warm()
    assert [pool.run(INVOCATION) for _ in range(3)] == [DONE] * 3
    assert [environment.runs for environment in environments.made] == [3]


def test_a_busy_environment_about_to_be_free_is_waited_for(environments: FakeEnvironments) -> None:
    pool = Pool(environments, lambda: None, queue_seconds=PATIENCE)
    with ThreadPoolExecutor() as executor:
        first = started(executor, pool, environments, 0)
        second = executor.submit(pool.run, INVOCATION)
        environments.made[0].may_finish.set()
        assert (first.result(PATIENCE), second.result(PATIENCE)) == (DONE, DONE)
    assert len(environments.made) == 1


def test_patience_ends_and_another_environment_starts(environments: FakeEnvironments) -> None:
    pool = Pool(environments, lambda: None, queue_seconds=0.01)
    with ThreadPoolExecutor() as executor:
        futures = [started(executor, pool, environments, number) for number in range(2)]
        assert pool.busy == 2
        for environment in environments.made:
            environment.may_finish.set()
        assert [future.result(PATIENCE) for future in futures] == [DONE, DONE]


def test_there_are_never_more_workers_than_allowed(environments: FakeEnvironments) -> None:
    pool = Pool(environments, lambda: None, queue_seconds=0.01, max_environments=1)
    with ThreadPoolExecutor() as executor:
        first = started(executor, pool, environments, 0)
        others = [executor.submit(pool.run, INVOCATION) for _ in range(3)]
        assert not any(future.done() for future in others)
        environments.made[0].may_finish.set()
        assert [future.result(PATIENCE) for future in (first, *others)] == [DONE] * 4
    assert len(environments.made) == 1


def test_reserved_concurrency_refuses_what_is_beyond_it(environments: FakeEnvironments) -> None:
    pool = Pool(environments, lambda: None)
    with ThreadPoolExecutor() as executor:
        first = started(executor, pool, environments, 0)
        with pytest.raises(ServiceError) as caught:
            pool.run(INVOCATION, reserved=1)
        assert (caught.value.code, caught.value.status) == ("TooManyRequestsException", 429)
        environments.made[0].may_finish.set()
        first.result(PATIENCE)
    assert pool.run(INVOCATION, reserved=1) == DONE


def test_a_environment_that_has_died_is_replaced(environments: FakeEnvironments) -> None:
    pool = Pool(environments, lambda: None)
    pool.run(INVOCATION)
    environments.made[0].is_usable = False
    assert pool.run(INVOCATION) == DONE
    assert [environment.runs for environment in environments.made] == [1, 1]


def test_workers_idle_for_long_are_let_go(environments: FakeEnvironments) -> None:
    now = [0.0]
    pool = Pool(environments, lambda: None, queue_seconds=0.01, clock=lambda: now[0])
    with ThreadPoolExecutor() as executor:
        futures = [started(executor, pool, environments, number) for number in range(2)]
        for environment, future in zip(environments.made, futures, strict=True):
            environment.may_finish.set()
            future.result(PATIENCE)
    now[0] = IDLE_SECONDS + 1
    pool.run(INVOCATION)
    assert sorted(environment.is_usable for environment in environments.made) == [False, True]


def test_a_closed_pool_finishes_running_invocations_and_then_reports(environments: FakeEnvironments) -> None:
    drained = threading.Event()
    pool = Pool(environments, drained.set)
    with ThreadPoolExecutor() as executor:
        running = started(executor, pool, environments, 0)
        pool.close()
        with pytest.raises(PoolClosedError):
            pool.run(INVOCATION)
        assert not drained.is_set()
        environments.made[0].may_finish.set()
        assert running.result(PATIENCE) == DONE
    assert drained.wait(PATIENCE)
    assert not environments.made[0].is_usable


def test_closing_can_end_running_invocations(environments: FakeEnvironments) -> None:
    drained = threading.Event()
    pool = Pool(environments, drained.set)
    with ThreadPoolExecutor() as executor:
        running = started(executor, pool, environments, 0)
        pool.close(kill_running=True)
        running.result(PATIENCE)
    assert drained.wait(PATIENCE)


def test_a_environment_that_cannot_start_does_not_block_the_pool() -> None:
    def fail() -> FakeEnvironment:
        raise ServiceError("ServiceException", "no runtime", 500)

    drained = threading.Event()
    pool = Pool(fail, drained.set, max_environments=1)
    for _ in range(2):
        with pytest.raises(ServiceError):
            pool.run(INVOCATION)
    pool.close()
    assert drained.wait(PATIENCE)
