"""IAM and S3 policy documents: the texts we write, and a normal form for comparison.

IAM ignores the order of statements, actions and keys, the difference between a scalar and a list of one, and the two
spellings of a principal. So does the normal form.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

VERSION = "2012-10-17"

_SETS = ("Action", "NotAction", "Resource", "NotResource")


def document(*statements: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a policy of `statements`."""
    return {"Version": VERSION, "Statement": list(statements)}


def to_json(policy: Mapping[str, Any]) -> str:
    """Returns the text for AWS, without spaces, because they count towards some limits."""
    return json.dumps(policy, separators=(",", ":"))


def normalize(policy: Mapping[str, Any] | str | None) -> dict[str, Any]:
    """Returns `policy` as a tree by statement, so that the path of a difference names the statement."""
    if policy is None:
        return {}
    parsed = json.loads(policy) if isinstance(policy, str) else policy
    statements: dict[str, Any] = {}
    normals = [_statement(statement) for statement in _listed(parsed.get("Statement", []))]
    for normal in sorted(normals, key=lambda normal: json.dumps(normal, sort_keys=True)):
        label = _label(normal)
        while label in statements:
            label += "'"
        statements[label] = normal
    return {"Version": parsed.get("Version", "2008-10-17"), "Statement": statements}


def _statement(statement: Mapping[str, Any]) -> dict[str, Any]:
    normal = {key: value for key, value in statement.items() if key != "Sid"}
    for key in _SETS:
        if key in normal:
            normal[key] = sorted(_listed(normal[key]))
    for key in ("Principal", "NotPrincipal"):
        if key in normal:
            normal[key] = _principal(normal[key])
    if "Condition" in normal:
        normal["Condition"] = {
            operator: {key: sorted(_text(value) for value in _listed(values)) for key, values in tests.items()}
            for operator, tests in normal["Condition"].items()
        }
    return normal


def _label(statement: Mapping[str, Any]) -> str:
    first = next((statement[key] for key in _SETS[:2] if key in statement), ["?"])
    return f"{statement.get('Effect', '?')} {first[0]}"


def _principal(principal: Any) -> dict[str, list[str]]:
    if principal == "*":
        return {"AWS": ["*"]}
    return {kind: sorted(_listed(values)) for kind, values in principal.items()}


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]
