"""What a run asks of the pipeline: its definition, and the parameters an execution is started with. Local only."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..config.aws_rules import MAX_PARAMETER_LENGTH
from ..config.model import Config, ParameterValue
from ..config.wording import one_of, quote
from ..errors import ConfigError, Problem
from ..jobs import JOBS
from ..kinds.base import Deployment
from . import definition as definitions
from . import template
from .run import new_run_id


def load_definition(deployment: Deployment) -> dict[str, Any]:
    """The pipeline's definition, rendered and checked. Raises TemplateError."""
    path = deployment.config.pipeline.template
    rendered = template.render(path, template.variables(deployment))
    definitions.check(rendered, path)
    return rendered


def check(deployment: Deployment) -> dict[str, Any]:
    """The definition, when nothing is wrong with it and the parameters. Raises TemplateError or ConfigError."""
    definition = load_definition(deployment)
    parameters(deployment, definition, new_run_id())
    return definition


def parameters(deployment: Deployment, definition: Mapping[str, Any], run_id: str) -> dict[str, str]:
    """The values the pipeline declares parameters for; the configuration's own win. Raises ConfigError."""
    config = deployment.config
    declared = definitions.declared_parameters(definition)
    computed = JOBS[config.job.kind].parameters(deployment, run_id)
    given = {name: _text(value) for name, value in config.pipeline.parameters.items()}
    values = {name: value for name, value in {**computed, **given}.items() if name in declared}
    problems = [*_undeclared(config, declared), *_too_long(config, values)]
    if problems:
        raise ConfigError(problems)
    return {name: values[name] for name in declared if name in values}


def _undeclared(config: Config, declared: tuple[str, ...]) -> Iterator[Problem]:
    for name in config.pipeline.parameters:
        if name not in declared:
            what = f"pipeline parameter {name} is not declared by {config.pipeline.template}"
            yield config.problem(("pipeline", "parameters", name), what, one_of(name, declared, _listed(declared)))


def _listed(declared: tuple[str, ...]) -> str:
    return f"it declares {', '.join(declared) or 'none'}"


def _too_long(config: Config, values: Mapping[str, str]) -> Iterator[Problem]:
    """Mostly values that the job makes of several settings, none of which is too long by itself."""
    for name, value in values.items():
        if len(value) > MAX_PARAMETER_LENGTH:
            key = ("pipeline", "parameters", name) if name in config.pipeline.parameters else ("job",)
            what = f"the value of pipeline parameter {name} has {len(value):,} characters: {quote(value)}"
            yield config.problem(key, what, f"SageMaker allows {MAX_PARAMETER_LENGTH:,}; shorten what it is made from")


def _text(value: ParameterValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)
