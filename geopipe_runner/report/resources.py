"""Resources of a run's document as rows for tables: what was planned for each, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..kinds import KINDS
from ..reconcile.model import Action

_LABELS = {kind.name: kind.label for kind in KINDS}
_DONE = {
    Action.CREATE: "created",
    Action.UPDATE: "updated",
    Action.ADOPT: "adopted",
    Action.KEEP: "unchanged",
    Action.REFUSE: "refused",
    Action.ORPHAN: "left behind",
    Action.DELETE: "deleted",
    Action.ABSENT: "was not there",
}
_LONGEST_VALUE = 400


@dataclass(frozen=True)
class ResourceRow:
    """One resource. `state` is what became of it, or what would have; `look` is good, bad, warn or idle."""

    action: str
    state: str
    look: str
    kind: str
    name: str
    identity: str
    note: str
    changes: tuple[tuple[str, str, str], ...]


def resource_rows(document: Mapping[str, Any]) -> tuple[ResourceRow, ...]:
    """The plan's resources in the plan's order; nothing where no plan was made."""
    applied = {done["key"]: done for done in document["applied"]}
    planned = (document["plan"] or {"steps": []})["steps"]
    return tuple(_row(step, applied.get(step["key"])) for step in planned if step["action"] != Action.ABSENT)


def label(kind: str) -> str:
    """A resource kind as people call it."""
    return _LABELS.get(kind, kind.replace("_", " "))


def _row(step: Mapping[str, Any], done: Mapping[str, Any] | None) -> ResourceRow:
    state, look = _state(step["action"], done)
    changes = tuple((change["path"], _value(change, "old"), _value(change, "new")) for change in step["changes"])
    identity = (done or {}).get("identity") or step.get("identity") or ""
    note = (done or {}).get("error") or step.get("reason") or ""
    return ResourceRow(step["action"], state, look, label(step["kind"]), step["name"], identity, note, changes)


def _state(action: str, done: Mapping[str, Any] | None) -> tuple[str, str]:
    if done is None:
        waits = action in (Action.CREATE, Action.UPDATE, Action.ADOPT, Action.DELETE)
        return (f"to {action}", "warn") if waits else (_DONE[Action(action)], "idle")
    if "error" in done:
        return f"{action} failed", "bad"
    return _DONE[Action(done["action"])], "idle" if done["action"] == Action.KEEP else "good"


def _value(change: Mapping[str, Any], side: str) -> str:
    if change.get(side) is None:
        return "(none)"
    value = change[side]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "…"
