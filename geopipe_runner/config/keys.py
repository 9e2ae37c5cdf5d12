"""How a field of `model.py` says what its key means: description, form, limits, default and examples.

`schema.py` turns these into a JSON schema, and `reference.py` into the reference page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field
from typing import Any

_METADATA = "key"


class Required:
    """Marks a key that every configuration must give."""


@dataclass(frozen=True)
class Form:
    """What text must look like: a regular expression from `^` to `$`, and the same in words."""

    pattern: str
    words: str


@dataclass(frozen=True)
class Key:
    """What one key means.

    `written` is the type of the value in the file where the field of the model has another one. `limits` are keywords
    of JSON schema.
    """

    description: str
    default: Any = Required
    examples: Sequence[Any] = ()
    form: Form | None = None
    written: Any = None
    limits: Mapping[str, Any] = field(default_factory=dict)


def key(
    description: str,
    *,
    default: Any = Required,
    examples: Sequence[Any] = (),
    form: Form | None = None,
    written: Any = None,
    **limits: Any,
) -> dict[str, Key]:
    """Returns the metadata of a dataclass field that is a key of the configuration."""
    return {_METADATA: Key(description, default, examples, form, written, limits)}


def key_of(model_field: Field[Any]) -> Key | None:
    """Returns what the field's key means; None for a field that the file does not give."""
    return model_field.metadata.get(_METADATA)
