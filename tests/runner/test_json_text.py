"""Positions in JSON text."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geopipe_runner.config.document import Position
from geopipe_runner.pipeline.json_text import JsonPath, dotted, find_constant, lay_out

TEXT = """{
  "a": [1, {"b": "x, {y}: [z] \\" \\\\"}],
  "\\u0061b": true, "c": {}, "c": -1.5e3
}"""


def test_every_value_has_its_position() -> None:
    layout = lay_out(TEXT)
    assert layout.positions == {
        (): Position(1, 1),
        ("a",): Position(2, 8),
        ("a", 0): Position(2, 9),
        ("a", 1): Position(2, 12),
        ("a", 1, "b"): Position(2, 18),
        ("ab",): Position(3, 14),
        ("c",): Position(3, 25),
    }
    assert layout.repeated_keys == [(("c",), Position(3, 29))]


def test_a_path_that_is_not_there_has_the_position_around_it() -> None:
    layout = lay_out(TEXT)
    assert layout.nearest(("a", 1, "gone", 3)) == Position(2, 12)
    assert layout.nearest(("gone",)) == Position(1, 1)


@pytest.mark.parametrize(
    ("text", "place"),
    [("[NaN]", Position(1, 2)), ('{"NaN":\n\n -Infinity}', Position(3, 2)), ('["NaN"]', None)],
)
def test_constants_that_are_no_json(text: str, place: Position | None) -> None:
    assert find_constant(text) == place


def test_paths_are_written_as_in_code() -> None:
    assert dotted(("Steps", 1, "Arguments", "arn")) == "Steps[1].Arguments.arn"
    assert dotted(()) == ""


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=15,
)


@settings(max_examples=100, deadline=None)
@given(VALUES, st.sampled_from([None, 0, 3]))
def test_a_value_is_read_at_the_position_it_has(value: Any, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    lines = text.split("\n")
    layout = lay_out(text)
    for path, position in layout.positions.items():
        rest = "\n".join([lines[position.line - 1][position.column - 1 :], *lines[position.line :]])
        assert json.JSONDecoder().raw_decode(rest)[0] == _value_at(value, path)


def _value_at(value: Any, path: JsonPath) -> Any:
    for key in path:
        value = value[key]
    return value
