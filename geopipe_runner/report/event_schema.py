"""Generates `events.schema.json`, the published JSON schema of the events, from their definition: `make reference`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ..documents import DEFINITIONS, SAVED_PLAN
from ..events import EVENTS, Event
from ..json_shape import JsonShape, Schema

PUBLISHED = Path(__file__).parents[1] / "events.schema.json"

# On every event of one deployment where the command has several.
_OF_SEVERAL: Mapping[str, Schema] = {
    "deployment": {"type": "string", "description": "whose event it is, where the command has several deployments"},
    "account_id": {"type": ["string", "null"], "description": "with deployment"},
    "region": {"type": ["string", "null"], "description": "with deployment"},
}
_TIME = {"type": "string", "format": "date-time", "description": "when (UTC)"}


def build_schema() -> Schema:
    """Returns the schema of one line of `--output json`."""
    definitions = {f"event_{event.name}": _event_schema(event) for event in EVENTS}
    for event in EVENTS:
        _add_named_shapes(event.shape, definitions)
    definitions[SAVED_PLAN.name] = SAVED_PLAN.schema()
    _add_named_shapes(SAVED_PLAN, definitions)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "geopipe events",
        "description": "One line of `--output json`. `--plan-out` writes a document like $defs/saved_plan.",
        "oneOf": [{"$ref": f"#/$defs/event_{event.name}"} for event in EVENTS],
        "$defs": {**DEFINITIONS, **definitions},
    }


def _event_schema(event: type[Event]) -> Schema:
    schema = event.shape.schema()
    first = {"time": _TIME, "event": {"const": event.name}}
    return {
        **schema,
        "properties": {**first, **_OF_SEVERAL, **schema["properties"]},
        "required": [*first, *schema["required"]],
    }


def _add_named_shapes(shape: JsonShape, definitions: dict[str, Schema]) -> None:
    """Define every named shape that the fields of `shape` refer to."""
    for field in shape.fields():
        if field.shape is not None:
            if field.shape.name and field.shape.name not in definitions:
                definitions[field.shape.name] = field.shape.schema()
            _add_named_shapes(field.shape, definitions)


def schema_text() -> str:
    """Returns the content of the published file."""
    return json.dumps(build_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PUBLISHED.write_text(schema_text(), "utf-8")
