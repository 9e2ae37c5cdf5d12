"""The values that apply, each with the text that it comes from. Secrets are not among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..hidden_values import hide_secret
from .document import Document, KeyPath
from .layers import DEPLOYMENTS, EXTENDS
from .messages import dotted
from .schema import Schema, load_schema, with_defaults


@dataclass(frozen=True)
class ValueWithOrigin:
    """A value, its key, and where it stands: `file:line`, a `--set` option, or "default"."""

    key: str
    value: Any
    origin: str


def values_with_origins(document: Document) -> Iterator[ValueWithOrigin]:
    """Yield every value of a checked configuration, in the order of the reference."""
    schema = load_schema()
    values = {
        key: value for key, value in with_defaults(schema, document.data).items() if key not in (EXTENDS, DEPLOYMENTS)
    }
    yield from _values(document, schema, values, ())


def _values(document: Document, schema: Schema, value: Any, path: KeyPath) -> Iterator[ValueWithOrigin]:
    if isinstance(value, Mapping) and value:
        known = [key for key in schema.get("properties", {}) if key in value]
        for key in (*known, *(key for key in value if key not in known)):
            inner = schema.get("properties", {}).get(key) or schema.get("additionalProperties") or {}
            yield from _values(document, inner if isinstance(inner, dict) else {}, value[key], (*path, key))
        return
    position = document.origin(path)
    origin = "default" if position is None else position.name
    if position is not None and not origin.startswith("--set "):
        origin = f"{origin}:{position.line}"
    yield ValueWithOrigin(dotted(path), hide_secret(str(path[-1]), value), origin)
