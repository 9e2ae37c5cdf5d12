"""Which steps need an entry in `emulator.steps`, and which entries fit no step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from geopipe_emulator.services.sagemaker.parsing import OTHER_STEP_TYPES
from geopipe_emulator.services.sagemaker.steps import STEP_TYPES as EMULATED
from geopipe_emulator.services.sagemaker.steps.job import JobStep
from geopipe_runner.config.model import Config, OfflineStep
from geopipe_runner.errors import ConfigError
from geopipe_runner.pipeline import offline_steps
from geopipe_runner.pipeline.step_types import STEP_TYPES
from tests.support.runner_fakes import config

REPORT = [{"PropertyFileName": "Report", "OutputName": "o", "FilePath": "out/evaluation.json"}]
PREPARE = {
    "Name": "Prepare",
    "Type": "Processing",
    "PropertyFiles": REPORT,
    "Arguments": {"ProcessingInputs": [{"InputName": "code"}, {"InputName": "data"}]},
}
TRAIN = {"Name": "Train", "Type": "Training", "Arguments": {}}
NOTIFY = {"Name": "Notify", "Type": "Lambda", "Arguments": {}}
DECIDE = {"Name": "Decide", "Type": "Condition", "Arguments": {"Conditions": [], "IfSteps": [TRAIN], "ElseSteps": []}}
ENTRY = OfflineStep(
    succeed={},
    property_files={},
    outputs={},
    fail=None,
    times=None,
    exception=None,
    run=None,
    source=Path(),
    environment={},
    inputs={},
)


def entry(**changes: Any) -> OfflineStep:
    return OfflineStep(**{**vars(ENTRY), **changes})


def configured(*, target: str = "local", endpoint: str | None = None, **steps: OfflineStep) -> Config:
    return config(target=target, endpoint=endpoint, emulator={"steps": steps})


def refusal(given: Config, *steps: dict[str, Any], known: set[str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        offline_steps.check(given, {"Steps": list(steps)}, known)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_steps_without_an_entry_are_named_with_the_lines_to_add() -> None:
    text = refusal(configured(), NOTIFY, PREPARE, DECIDE)
    assert "step Prepare is a Processing step, which only AWS can run; say in emulator.steps.Prepare what" in text
    assert "step Train is a Training step" in text and "Notify" not in text
    assert text.endswith(
        "Add:\n"
        "  emulator:\n"
        "    steps:\n"
        "      Prepare: {succeed: {}, property_files: {Report: evaluation.json}}\n"
        "      Train: {succeed: {}}"
    )


@pytest.mark.parametrize(
    ("given", "known"),
    [
        (configured(Prepare=ENTRY, Training=ENTRY), None),
        (configured(target="aws"), None),
        (configured(target="aws", Prepare=ENTRY), None),
        (configured(endpoint="http://127.0.0.1:4566"), None),
        (configured(endpoint="http://127.0.0.1:4566"), {"Processing", "Train"}),
    ],
)
def test_steps_that_can_run(given: Config, known: set[str] | None) -> None:
    offline_steps.check(given, {"Steps": [NOTIFY, PREPARE, DECIDE]}, known)


def test_a_running_emulator_has_its_own_entries() -> None:
    text = refusal(configured(endpoint="http://127.0.0.1:4566", Train=ENTRY), PREPARE, DECIDE, known={"Prepare"})
    assert "step Train is a Training step" in text and "Prepare" not in text
    assert text.endswith("(--steps FILE), and start it again:\n  Train: {succeed: {}}")


def test_entries_that_fit_no_step_are_refused() -> None:
    cases = {
        "emulator.steps.Trian is neither a step of": (configured(Trian=ENTRY, Training=ENTRY), 'did you mean "Train"?'),
        "emulator.steps.Notify is for a Lambda step": (
            configured(Notify=ENTRY, Train=ENTRY),
            "leave it out: the emulator runs such steps by itself",
        ),
        "emulator.steps.Lambda is for the type Lambda": (configured(Lambda=ENTRY, Train=ENTRY), "leave it out"),
    }
    for what, (given, valid) in cases.items():
        text = refusal(given, NOTIFY, DECIDE)
        assert what in text and valid in text, text


def test_entries_that_say_what_their_step_cannot_do_are_refused() -> None:
    model = {"Name": "Keep", "Type": "Model", "Arguments": {}}
    given = configured(
        Keep=entry(succeed=None, run=("python", "x.py")),
        Prepare=entry(succeed=None, run=("python",), inputs={"dta": Path("x")}, property_files={"Sum": Path("x")}),
    )
    text = refusal(given, model, PREPARE)
    assert "emulator.steps.Keep.run: step Keep is a Model step; use succeed; Processing and Training steps" in text
    assert "emulator.steps.Prepare.inputs: step Prepare has no input dta; did you mean data?" in text
    assert "emulator.steps.Prepare.property_files: step Prepare has no property file Sum; it has Report" in text


def test_what_the_emulator_does_not_know_is_refused_by_name() -> None:
    for_each = {"Name": "Loop", "Type": "ForEach", "Arguments": {"ForEachBody": [], "IterableItems": []}}
    assert "step Loop is a ForEach step, which the emulator does not know; use target aws" in refusal(
        configured(), for_each
    )
    triggered = {**NOTIFY, "DependsOn": [{"Step": "Prepare", "Trigger": "Failed"}]}
    text = refusal(configured(Prepare=ENTRY), PREPARE, triggered)
    assert "step Notify has a Trigger in DependsOn, which the emulator does not know" in text
    offline_steps.check(configured(target="aws"), {"Steps": [PREPARE, triggered, for_each]})


def test_the_types_are_those_of_the_emulator() -> None:
    answered = {step_type.name: step_type for step_type in EMULATED if issubclass(step_type, JobStep)}
    by_itself = {step_type.name for step_type in EMULATED} - set(answered)
    expected = {kind: "process" if step_type.can_run else "entry" for kind, step_type in answered.items()}
    expected |= dict.fromkeys(by_itself, "emulator") | dict.fromkeys(OTHER_STEP_TYPES & set(STEP_TYPES), "none")
    assert {kind: rules.offline for kind, rules in STEP_TYPES.items()} == expected
