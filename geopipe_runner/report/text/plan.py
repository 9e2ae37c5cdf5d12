"""A plan as text: one line per resource, and below an update each attribute with its old and new value."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ...documents import shown_sides
from ...kinds.base import MISSING
from ...reconcile.model import Action, Plan
from ..code_changes import code_changes, is_of_code
from .style import Colored, Line

_SIGNS = {
    Action.CREATE: ("+", "green"),
    Action.UPDATE: ("~", "yellow"),
    Action.DELETE: ("-", "red"),
    Action.ADOPT: (">", "yellow"),
    Action.REFUSE: ("!", "red"),
    Action.ORPHAN: ("?", "yellow"),
    Action.KEEP: (" ", ""),
    Action.USE: ("=", ""),
    Action.ABSENT: (" ", ""),
}
_MORE = {Action.USE: "used", Action.ADOPT: "to adopt", Action.REFUSE: "refused", Action.ORPHAN: "left behind"}
_WIDEST_VALUE = 120
_INDENT = " " * 13


def plan_lines(plan: Plan, *, with_files: bool = False) -> Iterator[Line]:
    """Yields the plan, its summary last. `with_files` lists each file of the code that differs."""
    changes = [change for change in plan if change.action is not Action.ABSENT]
    width = max((len(change.resource.kind.label) for change in changes), default=0)
    for change in changes:
        sign, color = _SIGNS[change.action]
        line = f"  {sign} {change.action:<6}  {change.resource.kind.label:<{width}}  {change.resource.name}"
        yield (Colored(line, color), f"  ({change.reason})" if change.reason else "")
        code = code_changes((c.path, c.old is not MISSING, c.new is not MISSING) for c in change.changes)
        if code:
            yield f"{_INDENT}code: {code}"
            yield from (f"{_INDENT}  {line}" for line in (code.lines() if with_files else ()))
        for attribute in change.changes:
            if not is_of_code(attribute.path):
                old, new = shown_sides(attribute)
                yield f"{_INDENT}{attribute.path}: {_value(old)} → {_value(new)}"
    yield summary_line({action.value: len(plan.having(action)) for action in Action})
    if plan.having(Action.ORPHAN):
        yield "Resources that are left behind stay, unless you pass --prune or answer yes when asked."


def summary_line(count: Mapping[str, int]) -> str:
    """Returns `Plan: 3 to create, 1 to update, 0 to delete, 9 unchanged.` from the number of resources per action."""
    text = (
        f"Plan: {count[Action.CREATE]} to create, {count[Action.UPDATE]} to update, "
        f"{count[Action.DELETE]} to delete, {count[Action.KEEP]} unchanged"
    )
    return text + "".join(f", {count[action]} {words}" for action, words in _MORE.items() if count.get(action)) + "."


def _value(value: Any) -> str:
    if value is MISSING or value is None:
        return "(none)"
    text = json.dumps(value, ensure_ascii=False) if not isinstance(value, str) else f'"{value}"'
    return text if len(text) <= _WIDEST_VALUE else text[: _WIDEST_VALUE - 1] + "…"
