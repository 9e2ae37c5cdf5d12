"""A plan as text: one line per resource, and below an update each attribute with its old and new value."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..kinds.base import MISSING, Change
from ..reconcile.model import Action, Plan, Step
from .paint import Paint
from .secrets import sides

_SIGNS = {
    Action.CREATE: ("+", "green"),
    Action.UPDATE: ("~", "yellow"),
    Action.DELETE: ("-", "red"),
    Action.ADOPT: (">", "yellow"),
    Action.REFUSE: ("!", "red"),
    Action.ORPHAN: ("?", "yellow"),
    Action.KEEP: (" ", ""),
    Action.ABSENT: (" ", ""),
}
_WIDEST_VALUE = 120


def lines(plan: Plan, paint: Paint) -> Iterator[str]:
    """The plan, its summary last."""
    shown = [step for step in plan if step.action is not Action.ABSENT]
    width = max((len(step.resource.kind.label) for step in shown), default=0)
    for step in shown:
        yield from _step(step, width, paint)
    yield summary(plan)
    if plan.having(Action.ORPHAN):
        yield "What was left behind stays, unless you pass --prune or answer yes when asked."


def summary(plan: Plan) -> str:
    """`Plan: 3 to create, 1 to update, 0 to delete, 9 unchanged.`"""
    return counted({action.value: len(plan.having(action)) for action in Action})


def counted(count: Mapping[str, int]) -> str:
    """The same from how many resources each action has, by the action's name."""
    text = (
        f"Plan: {count[Action.CREATE]} to create, {count[Action.UPDATE]} to update, "
        f"{count[Action.DELETE]} to delete, {count[Action.KEEP]} unchanged"
    )
    more = {Action.ADOPT: "to adopt", Action.REFUSE: "refused", Action.ORPHAN: "left behind"}
    return text + "".join(f", {count[action]} {words}" for action, words in more.items() if count[action]) + "."


def _step(step: Step, width: int, paint: Paint) -> Iterator[str]:
    sign, colour = _SIGNS[step.action]
    line = f"  {sign} {step.action:<6}  {step.resource.kind.label:<{width}}  {step.resource.name}"
    reason = f"  ({step.reason})" if step.reason else ""
    yield paint(line, colour) + reason
    for change in step.changes:
        yield f"             {change.path}: {_change(change)}"


def _change(change: Change) -> str:
    old, new = sides(change)
    return f"{_value(old)} → {_value(new)}"


def _value(value: Any) -> str:
    if value is MISSING or value is None:
        return "(none)"
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else f'"{value}"'
    return text if len(text) <= _WIDEST_VALUE else text[: _WIDEST_VALUE - 1] + "…"
