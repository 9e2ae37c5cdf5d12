"""What a run asks of the pipeline: its definition, and the parameters an execution is started with. Local only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..config.model import ParameterValue
from ..errors import TemplateError
from ..jobs import JOBS
from ..kinds.base import Deployment
from . import definition as definitions
from . import template
from .run import new_run_id

MAX_VALUE = 1024
"""Characters of a parameter's value (StartPipelineExecution)."""


def load_definition(deployment: Deployment) -> dict[str, Any]:
    """The pipeline's definition, rendered and checked. Raises TemplateError."""
    path = deployment.config.pipeline.template
    rendered = template.render(path, template.variables(deployment))
    definitions.check(rendered, path)
    return rendered


def check(deployment: Deployment) -> None:
    """Everything that can be wrong with definition and parameters. Raises TemplateError."""
    parameters(deployment, load_definition(deployment), new_run_id())


def parameters(deployment: Deployment, definition: Mapping[str, Any], run_id: str) -> dict[str, str]:
    """The values the pipeline declares parameters for; the configuration's own win. Raises TemplateError."""
    config = deployment.config
    declared = definitions.declared_parameters(definition)
    values = dict(JOBS[config.job.kind].parameters(deployment, run_id))
    given = {name: _text(value) for name, value in config.pipeline.parameters.items()}
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise TemplateError(
            f"{config.path}: pipeline.parameters: {', '.join(unknown)} not declared by {config.pipeline.template}",
            f"It declares: {', '.join(declared) or 'none'}.",
        )
    values |= given
    for name in declared:
        if len(values.get(name, "")) > MAX_VALUE:
            raise TemplateError(
                f"{config.path}: the value of pipeline parameter {name} has {len(values[name]):,} characters; "
                f"SageMaker takes {MAX_VALUE:,}.",
                f"It is: {values[name][:80]}…",
            )
    return {name: values[name] for name in declared if name in values}


def _text(value: ParameterValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)
