"""Positions of a rendered template are found in the template."""

from __future__ import annotations

import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geopipe_runner.config.document import Position
from geopipe_runner.pipeline.template_positions import TemplatePositions


@pytest.mark.parametrize(
    ("source", "rendered", "column", "expected"),
    [
        ('"a": 1', '"a": 1', 6, 6),
        ('"a": {{ x }}, "b": 2', '"a": "long value", "b": 2', 6, 6),
        ('"a": {{ x }}, "b": 2', '"a": "long value", "b": 2', 10, 6),
        ('"a": {{ x }}, "b": 2', '"a": "long value", "b": 2', 20, 15),
        ('"a": {{ x }}, "b": 2', '"a": 1, "b": 2', 14, 20),
        ('"a": 1{# note #}, "b": 2', '"a": 1, "b": 2', 7, 17),
        ('"ab": {{ x }}{{ y }}', '"ab": 12', 8, 14),
        ('{{ x }}: "bcde"', '"a": "bcde"', 1, 1),
        ('"a": {{ x }}, "b": 2', '"a": 1, "c": 2', 14, None),
        ('"aaa": {{ x }}"', '"aaa": "', 1, 1),
        ('"aaa": {{ x }} "', '"aaa": "', 1, None),
        ("{{ x }}", "anything", 1, None),
    ],
)
def test_column(source: str, rendered: str, column: int, expected: int | None) -> None:
    found = TemplatePositions(source, rendered).find(Position(1, column))
    assert found == (None if expected is None else Position(1, expected))


PARTS = st.sampled_from(
    ["abcd", " ", "{{ x }}", "{{ y }}", "{# c #}", "ab", "\n", "{% if z %}\n", "{% endif %}", "efgh,\n"]
)


@settings(max_examples=200, deadline=None)
@given(st.lists(PARTS, max_size=12), st.sampled_from(["", "1", "abcd", "ab\nef"]))
def test_what_is_written_out_is_found_as_it_is(parts: list[str], value: str) -> None:
    """A place that is known is that of the same character, or of the tag that wrote it."""
    source = "".join(parts)
    try:
        rendered = jinja2.Template(source, keep_trailing_newline=True).render(x=value, y="y", z=True)
    except jinja2.TemplateSyntaxError:
        return
    positions = TemplatePositions(source, rendered)
    lines = source.split("\n")
    for line, text in enumerate(rendered.split("\n"), 1):
        for column, character in enumerate(text, 1):
            found = positions.find(Position(line, column))
            if found:
                rest = lines[found.line - 1][found.column - 1 :]
                assert rest.startswith((character, "{{", "{%", "{#")), (source, rendered, line, column)
