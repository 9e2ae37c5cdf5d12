"""Answers in the form in which AWS itself gives them, and the emulator may not: what they describe is as it should be.

Each file holds the cases of one kind: the resource, and what every call of `observe` answers. A list stands for pages.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore.model
import pytest
from botocore import xform_name
from botocore.loaders import Loader

from geopipe_runner.aws.account import Account
from geopipe_runner.kinds.base import Observed, Resource
from geopipe_runner.kinds.registry import KINDS
from tests.support.kinds import ACCOUNT, REGION, blueprint_of, write_config

SHAPES = Path(__file__).parent / "aws_shapes"
CASES = [
    pytest.param(case, id=f"{file.stem}-{case['what']}")
    for file in sorted(SHAPES.glob("*.json"))
    for case in json.loads(file.read_text())
]
DEFINITION = "(the definition, spaced and ordered otherwise)"
CODE_HASH = "(the hash of the code)"
_LOADER = Loader()
_MODELS: dict[str, botocore.model.ServiceModel] = {}


def model_of(service: str) -> botocore.model.ServiceModel:
    if service not in _MODELS:
        _MODELS[service] = botocore.model.ServiceModel(_LOADER.load_service_model(service, "service-2"), service)
    return _MODELS[service]


class Recorded:
    """A client that answers what was recorded, and fails for any other call."""

    def __init__(self, service: str, answers: Mapping[str, Any]) -> None:
        self._answers = {
            xform_name(call.partition(":")[2]): answer
            for call, answer in answers.items()
            if call.partition(":")[0] == service
        }

    def __getattr__(self, method: str) -> Any:
        return lambda **_: self._answers[method]

    def get_paginator(self, method: str) -> Any:
        return SimpleNamespace(paginate=lambda **_: iter(self._answers[method]))


def resource_of(case: Mapping[str, Any], folder: Path) -> Resource:
    config = write_config(folder, "shapes", None, target="aws", **case.get("changes", {}))
    resources = blueprint_of(config, Account(ACCOUNT, REGION)).resources
    return next(resource for resource in resources if resource.key == case["key"])


def observe(case: Mapping[str, Any], resource: Resource) -> Observed:
    definition = getattr(resource.spec, "definition", None)
    text = json.dumps(case["answers"])
    if definition is not None:
        spaced = json.dumps(definition, indent=3, sort_keys=True)
        text = text.replace(json.dumps(DEFINITION), json.dumps(spaced))
    package = getattr(resource.spec, "package", None)
    if package is not None:
        text = text.replace(CODE_HASH, package.sha256)
    answers = json.loads(text)
    aws: Any = SimpleNamespace(
        client=lambda service: Recorded(service, answers),
        account=Account(ACCOUNT, REGION),
        read_only=None,
        read_once=lambda _what, read: read(),
    )
    found = resource.kind.observe(aws, resource.spec)
    assert found is not None
    return found


def test_every_kind_has_some() -> None:
    assert {file.stem for file in SHAPES.glob("*.json")} == {kind.name for kind in KINDS}


@pytest.mark.parametrize("case", CASES)
def test_what_is_as_it_should_be_needs_no_change(case: dict[str, Any], tmp_path: Path) -> None:
    resource = resource_of(case, tmp_path)
    found = observe(case, resource)
    assert resource.kind.compare(resource.spec, found) == ()
    assert found.owner == "shapes"


@pytest.mark.parametrize("case", CASES)
def test_another_configuration_differs_from_it(case: dict[str, Any], tmp_path: Path) -> None:
    """So that none of these is taken for right because nothing of it is looked at."""
    resource = resource_of(case, tmp_path)
    found = observe(case, resource)
    spec: Any = dataclasses.replace(resource.spec, tags={**resource.spec.tags, "one": "more"})
    assert [change.path for change in resource.kind.compare(spec, found)] == ["tags.one"]


@pytest.mark.parametrize("case", CASES)
def test_the_answers_have_the_form_of_the_service(case: dict[str, Any]) -> None:
    for call, answer in case["answers"].items():
        service, _, operation = call.partition(":")
        shape = model_of(service).operation_model(operation).output_shape
        for page in answer if isinstance(answer, list) else [answer]:
            assert list(unknown_members(shape, page)) == []


def unknown_members(shape: Any, value: Any, path: str = "") -> Iterator[str]:
    """Paths at which `value` has what the service's model does not know, or in another form."""
    if shape.type_name == "structure" and isinstance(value, dict):
        for name, member in value.items():
            if name not in shape.members:
                yield f"{path}.{name}"
            else:
                yield from unknown_members(shape.members[name], member, f"{path}.{name}")
    elif shape.type_name == "list" and isinstance(value, list):
        for member in value:
            yield from unknown_members(shape.member, member, path)
    elif shape.type_name in _PLAIN and not isinstance(value, _PLAIN[shape.type_name]):
        yield f"{path}: {value!r} is no {shape.type_name}"


_PLAIN: dict[str, Any] = {
    "structure": dict,
    "list": list,
    "map": dict,
    "boolean": bool,
    "integer": int,
    "long": int,
    "string": (str, dict),  # policy documents come parsed
    "timestamp": str,
}
