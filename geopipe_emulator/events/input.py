"""What a target of a rule gets: the event, a part of it, a constant, or a template with parts of it. Pure.

The rules are those of the EventBridge user guide, "Amazon EventBridge input transformation".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

MISSING = object()
_PATH = re.compile(r"\$((?:\.[A-Za-z0-9_-]+|\[(?:\d+|\*)\]|\['[^']+'\])*)")
_STEP = re.compile(r"\.([A-Za-z0-9_-]+)|\[(\d+|\*)\]|\['([^']+)'\]")
_PLACEHOLDER = re.compile(r"<([A-Za-z0-9_.-]+)>")
_RESERVED = (
    "aws.events.rule-arn",
    "aws.events.rule-name",
    "aws.events.event.ingestion-time",
    "aws.events.event",
    "aws.events.event.json",
)


def is_path(text: str) -> bool:
    """Return whether the text is a JSON path in the syntax that EventBridge has."""
    return _PATH.fullmatch(text) is not None


def find(path: str, event: Any) -> Any:
    """Return what a JSON path selects; MISSING if there is nothing."""
    value = event
    match = _PATH.fullmatch(path)
    for name, index, quoted in _STEP.findall(match[1] if match else ""):
        if index == "*":
            value = value if isinstance(value, list) else MISSING
        elif index:
            value = value[int(index)] if isinstance(value, list) and int(index) < len(value) else MISSING
        else:
            value = value.get(name or quoted, MISSING) if isinstance(value, Mapping) else MISSING
        if value is MISSING:
            return MISSING
    return value


def check_target_input(target: Mapping[str, Any]) -> str:
    """Return what is wrong with the input of a target, in AWS's words; "" if nothing is."""
    given = [name for name in ("Input", "InputPath", "InputTransformer") if target.get(name)]
    if len(given) > 1:
        return f"Only one of Input, InputPath, or InputTransformer must be provided for target {target['Id']}."
    if target.get("Input") and not _is_json(target["Input"]):
        return f"JSON syntax error in input for target {target['Id']}"
    paths = [target["InputPath"]] if target.get("InputPath") else []
    transformer = target.get("InputTransformer") or {}
    named = transformer.get("InputPathsMap") or {}
    for path in [*paths, *named.values()]:
        if not is_path(path):
            return f"Invalid InputPath for target {target['Id']}: {path} is not a JSON path of EventBridge."
    for name in _PLACEHOLDER.findall(transformer.get("InputTemplate", "")):
        if name not in named and name not in _RESERVED:
            return f"InputTemplate for target {target['Id']} contains invalid placeholder {name}."
    return ""


def input_of(target: Mapping[str, Any], event: Mapping[str, Any], rule_arn: str) -> str:
    """Return what the target gets, as text."""
    if target.get("Input"):
        return str(target["Input"])
    if target.get("InputPath"):
        found = find(target["InputPath"], event)
        return json.dumps(None if found is MISSING else found)
    transformer = target.get("InputTransformer")
    if not transformer:
        return json.dumps(event)
    values = {name: find(path, event) for name, path in (transformer.get("InputPathsMap") or {}).items()}
    values |= {
        "aws.events.rule-arn": rule_arn,
        "aws.events.rule-name": rule_arn.rpartition("/")[2],
        "aws.events.event.ingestion-time": event["time"],
        "aws.events.event": {name: value for name, value in event.items() if name != "detail"},
        "aws.events.event.json": event,
    }
    return "".join(_rendered(transformer["InputTemplate"], values))


def _rendered(template: str, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the template in pieces, with a value in place of each placeholder.

    A value in quotes becomes part of the text around it, without quotes of its own.
    """
    position, is_quoted = 0, False
    for match in _PLACEHOLDER.finditer(template):
        text = template[position : match.start()]
        is_quoted ^= len(re.findall(r'(?<!\\)"', text)) % 2 == 1
        yield text
        yield _written(values.get(match[1], MISSING), is_quoted)
        position = match.end()
    yield template[position:]


def _written(value: Any, is_quoted: bool) -> str:
    if value is MISSING:
        return "" if is_quoted else "null"
    if not is_quoted:
        return json.dumps(value)
    return json.dumps(value if isinstance(value, str) else json.dumps(value))[1:-1]


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
