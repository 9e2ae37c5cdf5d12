"""The published schema of the events, ready to check lines with."""

from __future__ import annotations

import json

from jsonschema import Draft202012Validator

from tests.support.paths import ROOT

SCHEMA = json.loads((ROOT / "geopipe_runner/events.schema.json").read_text())


EVENTS = Draft202012Validator(SCHEMA)
