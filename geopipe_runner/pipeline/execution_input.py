"""What a run asks of the pipeline: its definition, and the parameters an execution is started with. Local only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ..config.aws_rules import MAX_PARAMETER_LENGTH
from ..config.document import KeyPath
from ..config.messages import choice, one_of, quote
from ..config.model import Config, ParameterValue
from ..deployment import Deployment, NamedResource
from ..errors import ConfigError, Problem
from ..jobs.registry import job_of
from . import definition as definitions
from . import offline_steps, template
from .named_resources import named_resources, unmade_resources
from .run_id import new_run_id

_INTEGER = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def load_definition(deployment: Deployment) -> dict[str, Any]:
    """Returns the pipeline's definition, rendered and checked. Raises TemplateError."""
    return _load(deployment)[0]


def _load(deployment: Deployment) -> tuple[dict[str, Any], template.DefinitionPositions]:
    path = deployment.config.pipeline.template
    definition, positions = template.render_with_positions(path, template.variables(deployment))
    definitions.check(definition, path, positions, deployment.account.region)
    return definition, positions


def check(deployment: Deployment) -> dict[str, Any]:
    """Returns the definition when it and its parameters are in order. Raises TemplateError or ConfigError."""
    definition, positions = _load(deployment)
    values = parameters(deployment, definition, new_run_id())
    missing = unmade_resources(deployment, definition, values)
    definitions.refuse(missing, deployment.config.pipeline.template, positions)
    # Last: these problems name lines to add, which a definition that changes would change too.
    offline_steps.check(deployment.config, definition)
    return definition


def named(deployment: Deployment, definition: Mapping[str, Any]) -> tuple[NamedResource, ...]:
    """Returns the functions and queues that the pipeline uses and others have to have made."""
    return named_resources(deployment, definition, parameters(deployment, definition, new_run_id()))


def parameters(deployment: Deployment, definition: Mapping[str, Any], run_id: str) -> dict[str, str]:
    """Returns the values to start the pipeline with; those of the configuration win. Raises ConfigError."""
    config = deployment.config
    declared = definitions.declared_parameters(definition)
    computed = job_of(config.job).parameters(deployment, run_id)
    configured = {name: _text(value) for name, value in config.pipeline.parameters.items()}
    values = {name: value for name, value in {**computed, **configured}.items() if name in declared}
    problems = [*_undeclared(config, declared), *_too_long(config, values), *_unfit(config, definition, values)]
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
    """Yields values over the limit: mostly those that the job computes from several settings, each short enough."""
    for name, value in values.items():
        if len(value) > MAX_PARAMETER_LENGTH:
            what = f"the value of pipeline parameter {name} has {len(value):,} characters: {quote(value)}"
            valid = f"SageMaker allows {MAX_PARAMETER_LENGTH:,}; shorten what it is made from"
            yield config.problem(_key(config, name), what, valid)


def _unfit(config: Config, definition: Mapping[str, Any], values: Mapping[str, str]) -> Iterator[Problem]:
    """Yields what StartPipelineExecution would refuse: missing and empty values, wrong types, unknown choices."""
    for parameter in definition.get("Parameters", []):
        name, kind = parameter["Name"], parameter["Type"]
        what = f"the value of pipeline parameter {name}"
        if name not in values:
            if "DefaultValue" not in parameter:
                missing = f"pipeline parameter {name} has neither a value nor a default"
                yield config.problem(("pipeline", "parameters"), missing, job_of(config.job).missing_value(name))
        elif not values[name]:
            yield config.problem(_key(config, name), f"{what} is empty", _way_out_of_empty(parameter))
        elif not _has_type(kind, values[name]):
            yield config.problem(_key(config, name), f"{what} is {quote(values[name])}", _valid_for(kind))
        elif parameter.get("EnumValues") and values[name] not in map(_text, parameter["EnumValues"]):
            valid = choice([_text(value) for value in parameter["EnumValues"]])
            yield config.problem(_key(config, name), f"{what} is {quote(values[name])}", f"the template allows {valid}")


def _way_out_of_empty(parameter: Mapping[str, Any]) -> str:
    way_out = "leave it out to use the default" if "DefaultValue" in parameter else "give it a value"
    return f"SageMaker refuses empty values; {way_out}"


def _has_type(kind: str, text: str) -> bool:
    """Whether SageMaker can convert a value, which travels as text, to the type that the definition declares."""
    if kind == "Boolean":
        return text.casefold() in ("true", "false")
    if kind == "String":
        return True
    return (_INTEGER if kind == "Integer" else _FLOAT).fullmatch(text) is not None


def _valid_for(kind: str) -> str:
    valid = {"Boolean": "true or false", "Integer": "a whole number", "Float": "a number"}[kind]
    return f"the template declares it as {kind}: {valid}"


def _key(config: Config, name: str) -> KeyPath:
    return ("pipeline", "parameters", name) if name in config.pipeline.parameters else ("job",)


def _text(value: ParameterValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)
