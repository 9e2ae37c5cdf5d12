"""The resources of a run's document as rows for tables: what was planned for each, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..kinds.registry import KINDS
from ..reconcile.model import Action
from .code_changes import code_changes, is_of_code

_LABELS = {kind.name: kind.label for kind in KINDS}
_DONE = {
    Action.CREATE: "created",
    Action.UPDATE: "updated",
    Action.ADOPT: "adopted",
    Action.KEEP: "unchanged",
    Action.USE: "used",
    Action.REFUSE: "refused",
    Action.ORPHAN: "left behind",
    Action.DELETE: "deleted",
    Action.ABSENT: "was not there",
}
_WRITES = (Action.CREATE, Action.UPDATE, Action.ADOPT, Action.DELETE)
_LONGEST_VALUE = 400


@dataclass(frozen=True)
class ResourceRow:
    """One resource. `state` is what became of it, or what was planned; `style` is good, bad, warn or idle.

    `changes` are the path, the old and the new value of each attribute that differs. Changed code is one entry that
    has no values.
    """

    action: str
    state: str
    style: str
    kind: str
    name: str
    identity: str
    note: str
    changes: tuple[tuple[str, str, str], ...]


def resource_rows(document: Mapping[str, Any]) -> tuple[ResourceRow, ...]:
    """Returns the plan's resources in the plan's order; nothing where there is no plan."""
    results = {result["key"]: result for result in document["applied"]}
    rows = []
    for change in (document["plan"] or {"steps": []})["steps"]:
        action = Action(change["action"])
        if action is Action.ABSENT:
            continue
        result = results.get(change["key"])
        if result is None:
            state, style = (f"to {action}", "warn") if action in _WRITES else (_DONE[action], "idle")
        elif "error" in result:
            state, style = f"{action} failed", "bad"
        else:
            state, style = (
                _DONE[Action(result["action"])],
                "idle" if result["action"] in (Action.KEEP, Action.USE) else "good",
            )
        rows.append(
            ResourceRow(
                action,
                state,
                style,
                label(change["kind"]),
                change["name"],
                identity=(result or {}).get("identity") or change.get("identity") or "",
                note=(result or {}).get("error") or change.get("reason") or "",
                changes=tuple(_changes(change["changes"])),
            )
        )
    return tuple(rows)


def label(kind: str) -> str:
    """Returns what people call a resource kind."""
    return _LABELS.get(kind, kind.replace("_", " "))


def _changes(changes: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    code = code_changes((change["path"], "old" in change, "new" in change) for change in changes)
    if code:
        yield f"code: {code}", "", ""
    for change in changes:
        if not is_of_code(change["path"]):
            yield change["path"], _value(change.get("old")), _value(change.get("new"))


def _value(value: Any) -> str:
    if value is None:
        return "(none)"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "…"
