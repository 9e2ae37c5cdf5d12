"""The events: one definition for the documents, the published schema and the transcript."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from geopipe_runner import events
from geopipe_runner.events import EVENTS, Event
from geopipe_runner.json_shape import JsonShape, text
from geopipe_runner.report.event_schema import PUBLISHED, build_schema, schema_text
from tests.support.event_examples import EXAMPLES, NOW, PLAN, TOKEN

VALIDATOR = Draft202012Validator(build_schema())


def test_the_published_schema_is_the_generated_one() -> None:
    assert PUBLISHED.read_text("utf-8") == schema_text(), "run `make reference`"
    Draft202012Validator.check_schema(json.loads(schema_text()))


def test_every_event_has_an_example_here() -> None:
    assert {type(event) for event in EXAMPLES} == set(EVENTS)
    assert len({event.name for event in EVENTS}) == len(EVENTS)
    assert all(event.shape.about for event in EVENTS)


@pytest.mark.parametrize("event", EXAMPLES, ids=lambda event: event.name)
def test_a_document_is_what_the_schema_describes(event: Event) -> None:
    document = {"time": NOW.isoformat(), **json.loads(json.dumps(event.document()))}
    VALIDATOR.validate(document)
    allowed = {"time", "event", *(field.name for field in event.shape.fields())}
    assert set(document) <= allowed
    assert not VALIDATOR.is_valid(document | {"more": 1})
    assert not VALIDATOR.is_valid({name: value for name, value in document.items() if name != "event"})


def test_no_document_has_a_callback_token() -> None:
    assert all(TOKEN not in json.dumps(event.document()) for event in EXAMPLES)


def test_a_change_shows_only_the_sides_it_has() -> None:
    _, updated, refused = events.CleanupPlanned(PLAN).document()["steps"]
    assert updated["changes"] == [{"path": "a.b", "new": {"c": [1]}}, {"path": "d", "old": "e"}]
    assert refused["reason"] == "it is theirs" and "reason" not in updated


def test_a_field_that_is_not_declared_stays_inside() -> None:
    class Holder:
        shown = "x"
        secret = "y"

    assert JsonShape(text("shown")).build(Holder()) == {"shown": "x"}
