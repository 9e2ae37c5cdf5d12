"""A short Markdown account of the command, appended to the file a CI system names for it (`$GITHUB_STEP_SUMMARY`)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..reconcile.model import Action, Step
from . import events
from .plan_text import summary
from .several import Listener


class JobSummary(Listener):
    """Collects what matters and writes it when the command has finished."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[str] = []

    def hear(self, event: events.Event) -> None:
        """A file that cannot be written costs the summary, not the run."""
        self._lines += _lines(event)
        if isinstance(event, events.Finished) and self._lines:
            try:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write("\n".join(["## geopipe", "", *self._lines, ""]))
            except OSError:
                self._lines = []


def _lines(event: events.Event) -> Iterator[str]:
    if isinstance(event, events.Planned):
        yield f"Deployment `{event.config.deployment}` in account {event.account.account_id}, {event.account.region}"
        yield ""
        yield f"**{summary(event.plan)}**"
        yield ""
        shown = [step for step in event.plan if step.action not in (Action.KEEP, Action.ABSENT)]
        if shown:
            yield from ("| action | resource | name | changes |", "| --- | --- | --- | --- |")
            yield from (_row(step) for step in shown)
            yield ""
    elif isinstance(event, events.ExecutionEnded):
        yield f"Execution **{event.view.status}**: `{event.view.arn}`"
        yield ""
    elif isinstance(event, events.ResultsRead):
        yield f"{event.results.rows:,} rows, {event.results.valid:,} of them Valid Data."
        yield ""
    elif isinstance(event, events.Failed):
        yield from ("**Failed**", "", "```", event.error.message, "```", "")
    elif isinstance(event, events.Complete):
        yield f"Still there: {len(event.remaining)} resources." if event.remaining else "Everything is cleaned up."
        yield ""


def _row(step: Step) -> str:
    changes = ", ".join(f"`{change.path}`" for change in step.changes) or step.reason
    return f"| {step.action} | {step.resource.kind.label} | `{step.resource.name}` | {changes} |"
