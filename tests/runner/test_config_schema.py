"""The schema itself: complete, consistent, and in step with the code and the documents."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from geopipe_emulator.settings import Settings
from geopipe_runner.config import explanation, model
from geopipe_runner.config.reference import generated_files
from geopipe_runner.config.schema import load_schema, with_defaults
from tests.support.paths import ROOT

# As editors read it.
RAW: dict[str, Any] = json.loads((ROOT / "geopipe_runner/config/schema.json").read_text(encoding="utf-8"))
ANNOTATIONS = {"$schema", "title", "description", "default", "examples", "patternErrorMessage"}
STRUCTURE = {"properties", "items", "oneOf"}
EXPLAINED = {"additionalProperties", "required", "uniqueItems", "propertyNames"} | set(explanation._SENTENCES)


def keys(
    schema: dict[str, Any], path: str = "", required: tuple[str, ...] = ()
) -> Iterator[tuple[str, dict[str, Any], bool]]:
    for name, part in schema.get("properties", {}).items():
        yield f"{path}{name}", part, name in schema.get("required", ())
        yield from keys(part, f"{path}{name}.")


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Every object of the schema that is a schema."""
    yield schema
    inner = [*schema.get("properties", {}).values(), *schema.get("oneOf", ())]
    inner += [
        schema[name]
        for name in ("items", "additionalProperties", "propertyNames")
        if isinstance(schema.get(name), dict)
    ]
    for part in inner:
        yield from parts(part)


KEYS = list(keys(RAW))


def test_schema_is_valid_before_and_after_loading() -> None:
    Draft202012Validator.check_schema(RAW)
    Draft202012Validator.check_schema(load_schema())


@pytest.mark.parametrize(("name", "part", "required"), KEYS, ids=[name for name, _, _ in KEYS])
def test_every_key_is_documented(name: str, part: dict[str, Any], required: bool) -> None:
    assert part["description"].endswith(".")
    assert ("default" in part) != required
    if "properties" not in part:
        assert part["examples"]
    if "pattern" in part:
        assert part["patternErrorMessage"]


@pytest.mark.parametrize(("name", "part", "required"), KEYS, ids=[name for name, _, _ in KEYS])
def test_defaults_and_examples_are_valid(name: str, part: dict[str, Any], required: bool) -> None:
    validator = Draft202012Validator(part)
    for value in [*part.get("examples", []), *([part["default"]] if "default" in part else [])]:
        if value != {}:
            validator.validate(value)


def test_sections_are_closed_except_where_keys_are_free() -> None:
    for part in parts(RAW):
        if "properties" in part:
            assert part["additionalProperties"] is False


def test_every_keyword_has_its_words() -> None:
    """A keyword without an explanation would be a KeyError instead of a message."""
    used = {keyword for part in parts(RAW) for keyword in part}
    assert used - ANNOTATIONS - STRUCTURE <= EXPLAINED


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "config").glob("*.yaml")))
def test_editors_accept_the_shipped_files_as_they_stand(name: str) -> None:
    path = ROOT / "config" / name
    text = path.read_text(encoding="utf-8")
    assert text.splitlines()[0] == "# yaml-language-server: $schema=../geopipe_runner/config/schema.json"
    errors = [list(error.absolute_path) for error in Draft202012Validator(RAW).iter_errors(yaml.safe_load(text))]
    assert errors == ([] if name.startswith("local") else [["account_id"]])


def test_sections_are_the_fields_of_the_model() -> None:
    fields = {field.name for field in dataclasses.fields(model.Config)}
    assert fields - {"path", "document", "secrets", "named_secrets", "entry"} == set(RAW["properties"])


def test_emulator_settings_are_the_emulators() -> None:
    settings = {field.name: field.default for field in dataclasses.fields(Settings)}
    del settings["account_id"], settings["region"]
    settings["steps"] = {}  # the same entries, read by the emulator from a file
    settings["functions"] = {}  # the runner's own: the emulator gets the code
    settings["state_dir"] = None  # an option of the emulator's process, not a setting of the account
    assert with_defaults(RAW["properties"]["emulator"], {}) == settings
    assert {field.name for field in dataclasses.fields(model.EmulatorConfig)} == set(settings)


def test_the_emulator_page_lists_every_setting_with_its_default() -> None:
    page = (ROOT / "docs/reference/emulator.md").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^\| `--([a-z-]+)` \| .+ \| `(.+)` \|$", page, re.MULTILINE))
    settings = {field.name.replace("_", "-"): field.default for field in dataclasses.fields(Settings)}
    settings["steps"] = "none"  # the option names a file
    assert shown == {
        name: f"{default:g}" if type(default) is float else str(default) for name, default in settings.items()
    }


def test_the_function_environment_names_are_the_functions() -> None:
    """What geopipe sets itself is what the function reads, and no user may set it."""
    from geopipe_runner.config.aws_rules import _OWN_ENVIRONMENT

    source = (ROOT / "lambda" / "aws.py").read_text(encoding="utf-8")
    assert all(f'"{name}"' in source for name in _OWN_ENVIRONMENT)


def test_with_defaults_fills_at_any_depth_and_shares_nothing() -> None:
    schema = load_schema()
    first, second = (with_defaults(schema, {"queue": {"name": "x"}}) for _ in range(2))
    assert first["queue"]["name"] == "x"
    assert first["queue"]["visibility_timeout"] == 300
    first["tags"]["a"] = "b"
    assert second["tags"] == {}


def test_generated_files_are_in_step() -> None:
    different = [str(path) for path, text in generated_files().items() if (ROOT / path).read_text("utf-8") != text]
    assert different == [], "run `make reference`"
