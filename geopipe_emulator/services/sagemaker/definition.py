"""What a pipeline definition is once it has been checked: parameters and a graph of steps.

Pure data. `parsing` makes it from JSON text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .values import from_text

if TYPE_CHECKING:
    from .steps.base import StepType


class DefinitionError(Exception):
    """The definition, or a set of parameters for it, cannot be run; the text lists every problem."""


@dataclass(frozen=True)
class Parameter:
    """A declared parameter. Without a default (None), every start must have a value for it."""

    name: str
    type: str
    default: Any = None
    enum: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Branch:
    """One side of a step that decides which steps run: the name of that step, and the outcome of this side."""

    step: str
    outcome: bool


@dataclass(frozen=True)
class StepDefinition:
    """A step of the graph.

    - `body` is the step as written: references are unresolved, the steps of its branches are left out.
    - `dependencies` must succeed first: DependsOn, the steps referred to, and the step that decides the branch.
    - `outputs` are the declared output parameters, by name with their types.
    - `branch` is None for a step outside of any branch.
    """

    name: str
    type: StepType
    body: Mapping[str, Any]
    dependencies: frozenset[str] = frozenset()
    outputs: Mapping[str, str] = field(default_factory=dict)
    branch: Branch | None = None

    @property
    def display_name(self) -> str | None:
        return self.body.get("DisplayName")

    @property
    def description(self) -> str | None:
        return self.body.get("Description")


@dataclass(frozen=True)
class Definition:
    text: str
    parameters: Mapping[str, Parameter]
    steps: tuple[StepDefinition, ...]
    region: str = ""

    def bind(self, values: Mapping[str, str]) -> dict[str, Any]:
        """Return the typed values of all parameters for one execution.

        Raises:
            DefinitionError: `values` does not fit the declared parameters.
        """
        if unknown := sorted(set(values) - set(self.parameters)):
            raise DefinitionError(f"Pipeline parameters not declared in the pipeline definition: {', '.join(unknown)}")
        if missing := sorted(n for n, p in self.parameters.items() if p.default is None and n not in values):
            raise DefinitionError(f"Pipeline parameters without a default need a value: {', '.join(missing)}")
        return {n: _bind(p, values[n]) if n in values else p.default for n, p in self.parameters.items()}


def _bind(parameter: Parameter, text: str) -> Any:
    try:
        value = from_text(parameter.type, text)
    except ValueError:
        raise DefinitionError(
            f"Value of pipeline parameter '{parameter.name}' is not of type {parameter.type}: {text!r}"
        ) from None
    if parameter.enum and value not in parameter.enum:
        raise DefinitionError(f"Value of pipeline parameter '{parameter.name}' must be one of {list(parameter.enum)}")
    return value
