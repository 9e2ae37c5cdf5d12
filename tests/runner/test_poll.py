"""Waiting by a table of states."""

from __future__ import annotations

import pytest

from geopipe_runner.aws.poll import StateTable, TimedOut, poll
from geopipe_runner.errors import AwsError
from geopipe_runner.pipeline.execution import EXECUTION_STATES
from tests.support.runner_fakes import FakeTime

TABLE = StateTable("kettle", frozenset({"Heating"}), frozenset({"Boiling"}), frozenset({"Dry"}))


@pytest.mark.parametrize(("state", "terminal"), [("Heating", False), ("Boiling", True), ("Dry", True)])
def test_known_states(state: str, terminal: bool) -> None:
    assert TABLE.is_final(state) is terminal


def test_an_unknown_state_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(AwsError) as caught:
        TABLE.is_final("Whistling")
    assert caught.value.message == "The kettle has the unknown state 'Whistling'; known are Boiling, Dry, Heating."


def test_the_states_of_executions_are_those_of_the_service() -> None:
    import botocore.loaders

    shapes = botocore.loaders.Loader().load_service_model("sagemaker", "service-2")["shapes"]
    known = EXECUTION_STATES.running | EXECUTION_STATES.succeeded | EXECUTION_STATES.failed
    assert known >= set(shapes["PipelineExecutionStatus"]["enum"])
    assert not EXECUTION_STATES.succeeded & EXECUTION_STATES.failed


def poll_states(time: FakeTime, *states: str, every: float = 10, within: float = 100) -> str:
    left = iter(states)
    return poll(lambda: next(left), TABLE.is_final, every=every, within=within, clock=time.clock, sleep=time.sleep)


def test_it_reads_until_the_end() -> None:
    time = FakeTime()
    assert poll_states(time, "Heating", "Heating", "Boiling") == "Boiling"
    assert time.slept == [10, 10]


def test_an_immediate_final_state_needs_no_waiting() -> None:
    time = FakeTime()
    assert poll_states(time, "Dry") == "Dry"
    assert time.slept == []


def test_an_unknown_state_ends_the_waiting() -> None:
    time = FakeTime()
    with pytest.raises(AwsError, match="Whistling"):
        poll_states(time, "Heating", "Whistling", "Boiling")
    assert time.slept == [10]


def test_the_time_is_up() -> None:
    time = FakeTime()
    with pytest.raises(TimedOut) as caught:
        poll_states(time, *["Heating"] * 50, every=10, within=25)
    assert caught.value.last == "Heating"
    assert time.slept == [10, 10, 5]


def test_it_reads_once_even_without_time() -> None:
    time = FakeTime()
    assert poll_states(time, "Boiling", within=0) == "Boiling"
    with pytest.raises(TimedOut):
        poll_states(time, "Heating", within=0)


def test_an_error_of_reading_comes_out() -> None:
    def read() -> str:
        raise KeyError("x")

    time = FakeTime()
    with pytest.raises(KeyError):
        poll(read, TABLE.is_final, every=1, within=9, clock=time.clock, sleep=time.sleep)
