"""What a pipeline definition is once it has been checked: parameters and a graph of steps.

Pure data. `parsing` makes it from JSON text; nothing here asks a service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .values import from_text

CONDITION = "Condition"
FAIL = "Fail"
"""The two step types that shape the run itself; all others are work, and known to their own modules only."""


class DefinitionError(Exception):
    """The definition, or the parameters given for it, cannot be run; the text says everything that is wrong."""


@dataclass(frozen=True)
class Parameter:
    name: str
    type: str
    default: Any = None
    """None: there is none, and a start must give the value."""
    enum: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Branch:
    """The side of a Condition step that a step stands on."""

    condition: str
    outcome: bool


@dataclass(frozen=True)
class Step:
    name: str
    type: str
    body: Mapping[str, Any]
    """The step as written, references unresolved; a Condition without the steps of its branches."""
    needs: frozenset[str] = frozenset()
    """Steps that must succeed first: DependsOn, those referred to, and the Condition around this step."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """Declared output parameters: name and type."""
    branch: Branch | None = None
    """None: the step is outside of any Condition."""

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
    steps: tuple[Step, ...]

    def bind(self, given: Mapping[str, str]) -> dict[str, Any]:
        """Typed values of all parameters for one execution; DefinitionError when `given` does not fit."""
        if unknown := sorted(set(given) - set(self.parameters)):
            raise DefinitionError(f"Pipeline parameters not declared in the pipeline definition: {', '.join(unknown)}")
        if missing := sorted(n for n, p in self.parameters.items() if p.default is None and n not in given):
            raise DefinitionError(f"Pipeline parameters without a default need a value: {', '.join(missing)}")
        return {n: _bind(p, given[n]) if n in given else p.default for n, p in self.parameters.items()}


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
