"""Recognizes a valid document without jsonschema, whose import takes longer than everything else in this package.

Only a document that is not recognized is checked by jsonschema, which also says what is wrong with it. So a doubt, such
as a keyword that is unknown here, counts as invalid.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from .explanation import repeated_items

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_ANNOTATIONS = {"$schema", "title", "description", "default", "examples", "patternErrorMessage"}


def is_valid(schema: Any, value: Any) -> bool:
    """Whether the value certainly conforms to the schema."""
    if isinstance(schema, bool):
        return schema
    return all(
        keyword in _ANNOTATIONS or (keyword in _CHECKS and _CHECKS[keyword](limit, value, schema))
        for keyword, limit in schema.items()
    )


def _has_type(names: Any, value: Any, _: Any) -> bool:
    # The type itself: to Python, true is a number.
    return any(type(value) in _TYPES[name] for name in ([names] if isinstance(names, str) else names))


def _has_valid_properties(schemas: Any, value: Any, _: Any) -> bool:
    known = value.items() if isinstance(value, dict) else ()
    return all(is_valid(schemas[name], item) for name, item in known if name in schemas)


def _has_valid_other_properties(schema: Any, value: Any, parent: Any) -> bool:
    others = value.items() if isinstance(value, dict) else ()
    return all(is_valid(schema, item) for name, item in others if name not in parent.get("properties", ()))


# A keyword says nothing about a value of another type than its own.
_CHECKS: Mapping[str, Callable[[Any, Any, Any], bool]] = {
    "type": _has_type,
    "enum": lambda choices, value, _: any(type(value) is type(choice) and value == choice for choice in choices),
    "oneOf": lambda branches, value, _: [is_valid(branch, value) for branch in branches].count(True) == 1,
    "properties": _has_valid_properties,
    "additionalProperties": _has_valid_other_properties,
    "propertyNames": lambda schema, value, _: not isinstance(value, dict) or all(is_valid(schema, n) for n in value),
    "required": lambda names, value, _: not isinstance(value, dict) or all(name in value for name in names),
    "items": lambda schema, value, _: not isinstance(value, list) or all(is_valid(schema, item) for item in value),
    "minItems": lambda limit, value, _: not isinstance(value, list) or len(value) >= limit,
    "maxItems": lambda limit, value, _: not isinstance(value, list) or len(value) <= limit,
    "uniqueItems": lambda unique, value, _: not isinstance(value, list) or next(repeated_items(value), None) is None,
    "pattern": lambda pattern, value, _: not isinstance(value, str) or bool(re.search(pattern, value)),
    "minLength": lambda limit, value, _: not isinstance(value, str) or len(value) >= limit,
    "maxLength": lambda limit, value, _: not isinstance(value, str) or len(value) <= limit,
    "minimum": lambda limit, value, _: not isinstance(value, (int, float)) or value >= limit,
    "maximum": lambda limit, value, _: not isinstance(value, (int, float)) or value <= limit,
    "exclusiveMinimum": lambda limit, value, _: not isinstance(value, (int, float)) or value > limit,
}
