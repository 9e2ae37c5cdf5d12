"""A mutated definition is sound or has problems, never a traceback; what we accept, CreatePipeline accepts.

`GEOPIPE_FUZZ_DEFINITIONS` sets how many are tried, `GEOPIPE_FUZZ_SEED` where to start.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from geopipe_emulator.services.sagemaker.parsing import parse
from geopipe_emulator.services.sagemaker.steps import STEP_TYPES
from geopipe_runner.errors import ConfigError, TemplateError
from geopipe_runner.kinds.sagemaker_pipeline import normalize_definition
from geopipe_runner.pipeline import execution_input, template
from geopipe_runner.pipeline.definition import check, outline, problems
from tests.support import fuzz
from tests.support.definition_mutations import SDK_DEFINITIONS, SOUND, mutated
from tests.support.pipelines import create_environment
from tests.support.runner_fakes import FUNCTION_ARN, config, deployment

COUNT = fuzz.count("DEFINITIONS", 150)
SEED = fuzz.seed()
EMULATED = {type_.name: type_ for type_ in (create(create_environment({})) for create in STEP_TYPES)}


def is_accepted(path: Path) -> bool:
    """Whether a file passes everything that `validate` does with it. Any other error is a bug, and comes out."""
    try:
        definition = template.render(path, {"function_arn": FUNCTION_ARN})
        check(definition, path)
        execution_input.parameters(deployment(config(pipeline={"template": path})), definition, "run")
    except (TemplateError, ConfigError) as error:
        assert str(error)
        return False
    assert normalize_definition(definition) and outline(definition)
    return True


@pytest.mark.parametrize("sound", SOUND)
def test_the_definitions_to_mutate_are_sound(sound: object) -> None:
    text = json.dumps(sound)
    check(json.loads(text), Path("none.json"))
    assert parse(text, EMULATED, "us-west-2").steps


def test_no_mutated_definition_ends_in_a_traceback(tmp_path: Path) -> None:
    print(f"seed {SEED}, {COUNT} definitions")
    random = Random(SEED)
    path = tmp_path / "p.json"
    accepted = 0
    for _ in range(COUNT):
        text = json.dumps(mutated(random), indent=random.choice([None, 1]))
        if random.random() < 0.1:
            cut = random.randrange(len(text))
            text = text[:cut] + random.choice(['"', "{", "NaN", "\\", ""]) + text[cut + random.randrange(3) :]
        path.write_text(text, encoding="utf-8")
        if is_accepted(path):
            accepted += 1
            try:
                parse(text, EMULATED, "us-west-2")
            except Exception as error:  # the emulator's DefinitionError, or a bug of it
                raise AssertionError(f"validate accepts what CreatePipeline refuses: {error}\n{text}") from error
    assert accepted < COUNT


def test_no_mutated_definition_of_the_sdk_ends_in_a_traceback() -> None:
    """Their steps have the shapes of SageMaker's API, which go deeper than the definitions above.

    Here too, what we accept, CreatePipeline accepts.
    """
    print(f"seed {SEED}, {COUNT} definitions")
    random = Random(SEED)
    originals = [json.loads(path.read_text("utf-8")) for path in SDK_DEFINITIONS]
    assert originals
    for _ in range(COUNT):
        definition = mutated(random, originals)
        found = list(problems(definition))
        assert all(problem.text for problem in found)
        if not found:
            assert outline(definition)
            parse(json.dumps(definition), EMULATED, "us-west-2")
