"""The quick check accepts what jsonschema accepts, and nothing else."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from geopipe_runner.config.loader import read_values
from geopipe_runner.config.quick_check import is_valid
from geopipe_runner.config.schema import load_schema
from tests.support.paths import ROOT

CONFIGS = sorted((ROOT / "config").glob("*.yaml"))
SCHEMA = load_schema()


@dataclasses.dataclass(frozen=True)
class Keyword:
    """A schema of one keyword, with values that are valid and values that are not."""

    schema: dict[str, Any]
    valid: tuple[Any, ...]
    invalid: tuple[Any, ...]


KEYWORDS = (
    Keyword({"type": "integer"}, (0, -3), (True, "1", None, 1.5)),
    Keyword({"type": ["number", "null"]}, (1, 1.5, None), (False, "1")),
    Keyword({"type": "object"}, ({},), ([],)),
    Keyword({"enum": ["a", 1, None]}, ("a", 1, None), ("b", True, 0)),
    Keyword({"oneOf": [{"enum": ["all"]}, {"type": "array"}]}, ("all", []), ("none",)),
    Keyword({"oneOf": [{"type": "string"}, {"minLength": 1}]}, ("", 5), ("a",)),
    Keyword({"properties": {"a": {"type": "null"}}}, ({}, {"a": None}, {"b": 1}, 3), ({"a": 1},)),
    Keyword(
        {"properties": {"a": {}}, "additionalProperties": False}, ({"a": 1}, {}, "text"), ({"b": 1}, {"a": 1, "b": 1})
    ),
    Keyword({"additionalProperties": {"type": "string"}}, ({"a": "b"},), ({"a": 1},)),
    Keyword({"propertyNames": {"pattern": "^[a-z]+$"}}, ({"a": 1},), ({"A": 1},)),
    Keyword({"required": ["a"]}, ({"a": 1}, 1), ({},)),
    Keyword({"items": {"type": "string"}, "minItems": 1, "maxItems": 2}, (["a"], "text"), ([], [1], ["a", "b", "c"])),
    Keyword({"uniqueItems": True}, ([1, 2], "aa"), ([1, 1], [{"a": 1}, {"a": 1}])),
    Keyword({"pattern": "^a"}, ("ab", 1), ("ba",)),
    Keyword({"minLength": 1, "maxLength": 2}, ("a", 5), ("", "abc")),
    Keyword({"minimum": 1, "maximum": 2}, (1, 2, "0"), (0, 3)),
    Keyword({"exclusiveMinimum": 0}, (0.1,), (0,)),
)


def test_each_keyword_means_what_jsonschema_says() -> None:
    for keyword in KEYWORDS:
        validator = Draft202012Validator(keyword.schema)
        for values, expected in ((keyword.valid, True), (keyword.invalid, False)):
            assert [is_valid(keyword.schema, value) for value in values] == [expected] * len(values), keyword
            assert [validator.is_valid(value) for value in values] == [expected] * len(values), keyword


def test_an_unknown_keyword_is_a_doubt() -> None:
    assert not is_valid({"patternProperties": {}}, {})


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_configurations_of_this_project_need_no_jsonschema(path: Path, tmp_path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("YOUR-ACCOUNT-ID", "123456789012")
    (tmp_path / path.name).write_text(text, encoding="utf-8")
    document, _ = read_values(tmp_path / path.name, {})
    assert document.problems == []
    assert is_valid(SCHEMA, document.data)


SCALARS = st.none() | st.booleans() | st.integers(-2, 400) | st.floats(allow_nan=False) | st.text(max_size=3)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
)


@settings(deadline=None, max_examples=100)
@given(section=st.sampled_from(sorted(SCHEMA["properties"])), data=st.data())
def test_no_value_is_valid_only_here(section: str, data: st.DataObject) -> None:
    schema = SCHEMA["properties"][section]
    if "properties" in schema:
        schema = schema["properties"][data.draw(st.sampled_from(sorted(schema["properties"])))]
    value = data.draw(VALUES)
    if is_valid(schema, value):
        assert Draft202012Validator(schema).is_valid(value)
