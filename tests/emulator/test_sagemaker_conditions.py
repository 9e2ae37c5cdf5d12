"""Condition and Fail steps: which conditions hold, what a definition may say, and which steps then run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from geopipe_emulator.services.sagemaker.branches import flatten_steps
from geopipe_emulator.services.sagemaker.conditions import condition_problems, holds
from geopipe_emulator.services.sagemaker.definition import Branch, DefinitionError
from geopipe_emulator.services.sagemaker.parsing import parse
from geopipe_emulator.services.sagemaker.steps.condition import ConditionStep
from geopipe_emulator.services.sagemaker.steps.fail import FailStep
from geopipe_emulator.services.sagemaker.steps.function import LambdaStep
from geopipe_emulator.services.sagemaker.values import ExpressionError
from tests.support.pipelines import (
    PATIENCE,
    Gate,
    HandlerError,
    PipelinesWorld,
    callback,
    condition,
    create_environment,
    equals,
    failing,
    function,
    output,
    refused,
)

YES, NO = equals(1, 1), equals(1, 2)


@pytest.fixture
def world() -> Iterator[PipelinesWorld]:
    world = PipelinesWorld()
    world.functions.functions.update({name: lambda payload: {} for name in "abcdefg"})
    yield world
    world.service.stop()


def compare(kind: str, left: object, right: object) -> dict[str, Any]:
    return {"Type": kind, "LeftValue": left, "RightValue": right}


# Conditions alone


@pytest.mark.parametrize(
    ("kind", "smaller", "same", "larger"),
    [
        ("Equals", False, True, False),
        ("GreaterThan", False, False, True),
        ("GreaterThanOrEqualTo", False, True, True),
        ("LessThan", True, False, False),
        ("LessThanOrEqualTo", True, True, False),
    ],
)
@pytest.mark.parametrize("values", [(1, 2), (1.5, 2), (-0.5, 0), ("a", "b"), ("2026-01-01T09Z", "2026-01-01T10Z")])
def test_comparisons(kind: str, smaller: bool, same: bool, larger: bool, values: tuple[Any, Any]) -> None:
    low, high = values
    assert holds(compare(kind, low, high)) is smaller
    assert holds(compare(kind, low, low)) is same
    assert holds(compare(kind, high, low)) is larger


@pytest.mark.parametrize(
    ("tested", "expected"),
    [
        (compare("Equals", 1, 1.0), True),
        (compare("Equals", True, True), True),
        (compare("Equals", True, False), False),
        ({"Type": "In", "QueryValue": "b", "Values": ["a", "b"]}, True),
        ({"Type": "In", "QueryValue": "c", "Values": ["a", "b"]}, False),
        ({"Type": "In", "QueryValue": 1, "Values": ["1", True, 2]}, False),
        ({"Type": "In", "QueryValue": 1, "Values": ["1", 1.0]}, True),
        ({"Type": "In", "QueryValue": True, "Values": [1, "true"]}, False),
        ({"Type": "Not", "Condition": YES}, False),
        ({"Type": "Not", "Condition": {"Type": "Not", "Condition": YES}}, True),
        ({"Type": "Or", "Conditions": [NO, YES]}, True),
        ({"Type": "Or", "Conditions": [NO, NO]}, False),
        ({"Type": "Or", "Conditions": []}, False),
        ({"Type": "Or", "Conditions": [YES, compare("Equals", 1, "1")]}, True),
    ],
)
def test_what_holds(tested: dict[str, Any], expected: bool) -> None:
    assert list(condition_problems(tested)) == []
    assert holds(tested) is expected


@pytest.mark.parametrize(
    ("tested", "message"),
    [
        (
            compare("Equals", 1, "1"),
            "cannot compare LeftValue 1 of type Integer or Float with RightValue '1' of type S",
        ),
        (compare("Equals", "true", True), "of type String with RightValue True of type Boolean"),
        (compare("Equals", 1, True), "Equals cannot compare"),
        (compare("GreaterThan", True, False), "GreaterThan does not apply to Boolean values"),
    ],
)
def test_what_cannot_be_compared(tested: dict[str, Any], message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        holds(tested)


@pytest.mark.parametrize(
    ("tested", "problem"),
    [
        ("x", "a condition must be a JSON object, not 'x'"),
        ({}, "condition type None is unknown; valid are Equals, GreaterThan, GreaterThanOrEqualTo, LessThan,"),
        ({"Type": ["In"]}, "is unknown"),
        ({"Type": "NotEquals", "LeftValue": 1, "RightValue": 1}, "condition type 'NotEquals' is unknown"),
        ({"Type": "Equals", "LeftValue": 1}, "condition Equals needs RightValue"),
        ({"Type": "Equals", "LeftValue": None, "RightValue": 1}, "LeftValue must be a string, number, Boolean or expr"),
        ({"Type": "Equals", "LeftValue": [1], "RightValue": 1}, "or expression, not [1]"),
        ({"Type": "Equals", "LeftValue": {"Got": "x"}, "RightValue": 1}, "or expression, not {'Got': 'x'}"),
        ({"Type": "Not", "Expression": YES}, "Cannot parse object, unknown property 'Expression'"),
        ({"Type": "Not", "Condition": {"Type": "Is"}}, "condition Not: condition type 'Is' is unknown"),
        ({"Type": "Or", "Conditions": YES}, "condition Or: Conditions must be a list"),
        ({"Type": "Or", "Conditions": [YES, 1]}, "condition Or: a condition must be a JSON object, not 1"),
        ({"Type": "In", "Value": 1, "In": [1]}, "unknown property 'In'"),
        ({"Type": "In", "QueryValue": 1, "Values": 1}, "condition In: Values must be a list"),
        ({"Type": "In", "QueryValue": 1, "Values": [[1]]}, "or expression, not [1]"),
    ],
)
def test_what_is_no_condition(tested: object, problem: str) -> None:
    assert problem in "; ".join(condition_problems(tested))


VALUES = st.one_of(st.booleans(), st.integers(-3, 3), st.floats(-3, 3), st.text(max_size=2))
LEAVES = st.one_of(
    st.builds(compare, st.sampled_from(["Equals", "LessThan", "GreaterThanOrEqualTo"]), VALUES, VALUES),
    st.builds(lambda query, values: {"Type": "In", "QueryValue": query, "Values": values}, VALUES, st.lists(VALUES)),
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        inner.map(lambda one: {"Type": "Not", "Condition": one}),
        st.lists(inner, max_size=3).map(lambda several: {"Type": "Or", "Conditions": several}),
    ),
    max_leaves=5,
)


@given(CONDITIONS)
def test_a_condition_without_problems_holds_or_not_or_cannot_be_compared(tested: dict[str, Any]) -> None:
    assert list(condition_problems(tested)) == []
    try:
        found = holds(tested)
    except ExpressionError:
        return
    assert holds({"Type": "Not", "Condition": tested}) is not found


JSON = st.recursive(
    st.one_of(st.none(), VALUES),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["Name", "Type", "Arguments", "IfSteps", "ElseSteps", "Conditions", "Condition", "Get"]),
            st.one_of(inner, st.sampled_from(["Condition", "Fail", "Not", "Or", "c"])),
        ),
    ),
    max_leaves=12,
)


STEP_TYPES = {type_.name: type_(create_environment({})) for type_ in (ConditionStep, FailStep, LambdaStep)}


@given(st.lists(JSON))
def test_any_json_is_refused_or_a_graph(entries: list[Any]) -> None:
    try:
        definition = parse(json.dumps({"Steps": entries}), STEP_TYPES, "us-west-2")
    except DefinitionError as error:
        assert str(error).startswith("Unable to parse pipeline definition. ")
    else:
        assert all(step.dependencies <= {other.name for other in definition.steps} for step in definition.steps)


# Definitions


def test_steps_of_branches_are_steps_of_the_graph() -> None:
    placed = flatten_steps([condition("c", [YES], [function("a")], [failing("f")]), function("b")], STEP_TYPES)
    assert [(step.body["Name"], step.branch) for step in placed] == [
        ("c", None),
        ("a", Branch("c", True)),
        ("f", Branch("c", False)),
        ("b", None),
    ]
    assert placed[0].body["Arguments"] == {"Conditions": [YES]}


def test_conditions_nest(world: PipelinesWorld) -> None:
    """AWS's guide forbids it, but AWS's SDK writes such definitions."""
    inner = condition("d", [NO], [function("a")], [function("b")])
    arn = world.run(condition("c", [YES], [inner], [condition("e", [YES], [function("f")])]))
    assert world.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    assert list(world.statuses(arn)) == ["c", "d", "b"]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([condition("c", [YES], [function("a")], [function("a")])], "step name 'a' is used twice"),
        ([condition("c", [YES], [function("a")]), function("a")], "step name 'a' is used twice"),
        ([condition("c", [YES], [function("c")])], "step name 'c' is used twice"),
        ([condition("c", [YES], {"a": 1})], "step 'c': Arguments.IfSteps must be a list of steps"),  # type: ignore[arg-type]
        ([condition("c", [YES], ["a"])], "step name None must match"),  # type: ignore[list-item]
        ([condition("c", [YES], [{**function("a"), "FunctionArn": "x"}])], "step 'a': FunctionArn must be the ARN"),
        ([condition("c", {}, [])], "step 'c': Arguments.Conditions is required and must be a list"),  # type: ignore[arg-type]
        ([{"Name": "c", "Type": "Condition"}], "Arguments.Conditions is required"),
        ([condition("c", [{"Type": "Is"}], [])], "step 'c': condition type 'Is' is unknown"),
        ([condition("c", [equals({"Get": "Parameters.no"}, 1)], [])], "step 'c': reference to an undeclared parameter"),
        (
            [condition("c", [YES], [function("a", Arguments={"x": {"Get": "Parameters.no"}})])],
            "definition. step 'a': reference to an undeclared parameter 'no'",
        ),
        ([condition("c", [equals(output("a", "x"), 1)], [function("a", "x")])], "depend on each other in a cycle"),
        ([condition("c", [YES], [], DependsOn=["a"]), function("a", DependsOn=["c"])], "a can not depends on c: refer"),
        ([function("a", Arguments={"x": {"Get": "Steps.b.Outcome"}}), function("b")], "step 'b' has no Outcome"),
        ([function("a", Arguments={"x": {"Get": "Steps.b.Outcome"}})], "reference to an unknown step 'b'"),
        ([condition("c", [YES], [], OutputParameters=[{"OutputName": "x", "OutputType": "String"}])], "no OutputPara"),
        ([failing("f"), function("a", DependsOn=["f"])], "step 'a': a can not depends on f"),
        ([failing("f"), condition("c", [YES], [function("a", DependsOn=["f"])])], "a can not depends on f"),
        ([failing("f"), condition("c", [YES], [], DependsOn=["f"])], "c can not depends on f"),
        ([failing("f"), function("a", Arguments={"x": output("f", "x")})], "step 'f' declares no output parameter 'x'"),
        (
            [failing("f", OutputParameters=[{"OutputName": "x", "OutputType": "String"}])],
            "a Fail step has no OutputPara",
        ),
        ([failing("f", 7)], "step 'f': Arguments.ErrorMessage must be a string or an expression, not 7"),
        ([failing("f", {"Get": "Steps.x.Outcome"})], "step 'f': reference to an unknown step 'x'"),
    ],
)
def test_every_fault_is_named(world: PipelinesWorld, steps: list[dict[str, Any]], message: str) -> None:
    assert message in refused("ValidationException", lambda: world.create(*steps))


# Executions


@pytest.mark.parametrize(
    ("tested", "outcome", "ran"), [([YES, YES], "True", "a"), ([YES, NO], "False", "b"), ([], "True", "a")]
)
def test_one_branch_runs(world: PipelinesWorld, tested: list[dict[str, Any]], outcome: str, ran: str) -> None:
    arn = world.run(condition("c", tested, [function("a")], [function("b")], DisplayName="Choice"))
    assert world.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    steps = world.steps(arn)
    assert list(steps) == ["c", ran]
    assert steps["c"]["Metadata"] == {"Condition": {"Outcome": outcome}}
    assert (steps["c"]["StepStatus"], steps["c"]["StepDisplayName"]) == ("Succeeded", "Choice")
    assert "FailureReason" not in steps["c"]
    assert [name for name, _ in world.functions.payloads] == [ran]


def test_an_empty_branch_ends_well(world: PipelinesWorld) -> None:
    arn = world.run(condition("c", [NO], [function("a")]))
    assert world.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    assert world.statuses(arn) == {"c": "Succeeded"}


def test_a_branch_has_an_order_of_its_own_and_may_refer_outside(world: PipelinesWorld) -> None:
    world.functions.functions["first"] = lambda payload: {"n": 5}
    world.functions.functions["b"] = lambda payload: {"m": payload["n"] + 1}
    count = {**function("first"), "OutputParameters": [{"OutputName": "n", "OutputType": "Integer"}]}
    branch = [
        function("d", Arguments={"m": output("b", "m")}),
        callback("wait", DependsOn=["b"]),
        function("b", "m", Arguments={"n": output("first", "n")}),
    ]
    arn = world.run(count, condition("c", [compare("GreaterThan", output("first", "n"), 4.5)], branch))
    world.succeed(world.sqs.next()["token"])
    assert world.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    assert world.functions.payloads == [("first", {}), ("b", {"n": 5}), ("d", {"m": "6"})]
    assert list(world.steps(arn))[:3] == ["first", "c", "b"]


def test_what_needs_a_step_of_the_branch_not_taken_does_not_run(world: PipelinesWorld) -> None:
    arn = world.run(
        condition("c", [YES], [function("a")], [function("b")]),
        function("d", DependsOn=["b"]),
        function("e", DependsOn=["d"]),
        function("f", DependsOn=["a", "b"]),
        function("g", DependsOn=["a"]),
        condition("never", [YES], [failing("nor_this")], DependsOn=["d"]),
    )
    assert world.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    assert set(world.statuses(arn)) == {"c", "a", "g"}


def test_an_outcome_orders_steps_and_is_a_boolean(world: PipelinesWorld) -> None:
    gate = world.functions.functions["first"] = Gate({"n": "1"})
    outcome = {"Get": "Steps.c.Outcome"}
    joined = {"Std:Join": {"On": ": ", "Values": ["one", outcome]}}
    arn = world.run(
        function("a", Arguments={"outcome": outcome, "text": joined}),
        function("first", "n"),
        condition("c", [equals(output("first", "n"), "2")], []),
        condition("again", [equals(outcome, False)], [function("b")]),
    )
    assert gate.entered.wait(PATIENCE)
    assert list(world.steps(arn)) == ["first"]
    gate.open.set()
    assert world.ended(arn)["PipelineExecutionStatus"] == "Succeeded"
    assert dict(world.functions.payloads) == {"first": {}, "a": {"outcome": False, "text": "one: false"}, "b": {}}


@pytest.mark.parametrize(
    ("left", "right", "reason"),
    [
        ({"Get": "Parameters.who"}, 1, "Client Error: Equals cannot compare LeftValue 'world' of type String"),
        (output("first", "n"), "5", "Client Error: Equals cannot compare LeftValue 5 of type Integer or Float"),
        (output("first", "missing"), 5, "Client Error: step 'first' did not return output parameter 'missing'"),
    ],
)
def test_a_condition_that_cannot_be_decided_fails(
    world: PipelinesWorld, left: object, right: object, reason: str
) -> None:
    world.functions.functions["first"] = lambda payload: {"n": 5}
    names = [{"OutputName": name, "OutputType": "Integer"} for name in ("n", "missing")]
    arn = world.run(
        {**function("first"), "OutputParameters": names},
        condition("c", [equals(left, right)], [function("a")], [function("b")], DependsOn=["first"]),
    )
    assert world.ended(arn)["PipelineExecutionStatus"] == "Failed"
    step = world.steps(arn)["c"]
    assert step["FailureReason"].startswith(reason)
    assert step["Metadata"] == {}
    assert set(world.statuses(arn)) == {"first", "c"}


def test_a_failing_step_in_a_branch_fails_the_execution(world: PipelinesWorld) -> None:
    gate = world.functions.functions["a"] = Gate(HandlerError("no"))
    gate.open.set()
    arn = world.run(condition("c", [YES], [function("a"), function("b", DependsOn=["a"])]))
    assert world.ended(arn)["PipelineExecutionStatus"] == "Failed"
    assert world.statuses(arn) == {"c": "Succeeded", "a": "Failed"}


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ("too few rows", "too few rows"),
        ({"Get": "Parameters.who"}, "world"),
        (
            {"Std:Join": {"On": " ", "Values": ["rows:", output("first", "n"), {"Get": "Steps.c.Outcome"}]}},
            "rows: 5 false",
        ),
    ],
)
def test_a_fail_step_says_why(world: PipelinesWorld, message: object, text: str) -> None:
    world.functions.functions["first"] = lambda payload: {"n": "5"}
    choice = condition("c", [NO], [], [failing("f", message, DependsOn=["first"])], DependsOn=["first"])
    arn = world.run(function("first", "n"), choice)
    described = world.ended(arn)
    assert described["PipelineExecutionStatus"] == "Failed"
    assert described["FailureReason"] == "Step failure: One or multiple steps failed."
    step = world.steps(arn)["f"]
    assert (step["StepStatus"], step["FailureReason"]) == ("Failed", text)
    assert step["Metadata"] == {"Fail": {"ErrorMessage": text}}


@pytest.mark.parametrize("step", [failing("f", ""), {"Name": "f", "Type": "Fail"}])
def test_a_fail_step_without_words(world: PipelinesWorld, step: dict[str, Any]) -> None:
    arn = world.run(step)
    assert world.ended(arn)["PipelineExecutionStatus"] == "Failed"
    listed = world.steps(arn)["f"]
    assert listed["Metadata"] == {"Fail": {"ErrorMessage": ""}}
    assert "FailureReason" not in listed


def test_long_messages_are_cut(world: PipelinesWorld) -> None:
    parts = {"Std:Join": {"On": "", "Values": ["m" * 2000] * 2}}
    arn = world.run(failing("f", parts))
    world.ended(arn)
    step = world.steps(arn)["f"]
    assert len(step["FailureReason"]) == 1024
    assert len(step["Metadata"]["Fail"]["ErrorMessage"]) == 3072


def test_steps_that_run_during_a_fail_step_finish_first(world: PipelinesWorld) -> None:
    gate = world.functions.functions["slow"] = Gate({})
    arn = world.run(function("slow"), failing("f"), function("after", DependsOn=["slow"]))
    world.wait_for_step(arn, "f", "Failed")
    assert gate.entered.wait(PATIENCE)
    assert world.call("DescribePipelineExecution", PipelineExecutionArn=arn)["PipelineExecutionStatus"] == "Executing"
    gate.open.set()
    assert world.ended(arn)["PipelineExecutionStatus"] == "Failed"
    assert world.statuses(arn) == {"slow": "Succeeded", "f": "Failed"}
