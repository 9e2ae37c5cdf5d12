"""Definitions in the form in which they are compared."""

from __future__ import annotations

from typing import Any

import pytest

from geopipe_runner.kinds.sagemaker_pipeline import normalize_definition


@pytest.mark.parametrize(
    "definition",
    [
        {"Parameters": None, "Steps": []},
        {"Steps": [{"Name": "a", "DependsOn": None}]},
        {"Steps": [{"Name": "a", "OutputParameters": None}]},
    ],
)
def test_a_definition_with_nulls_can_be_compared(definition: Any) -> None:
    assert normalize_definition(definition)["Steps"] in (
        [],
        {"a": {"DependsOn": None}},
        {"a": {"OutputParameters": None}},
    )
