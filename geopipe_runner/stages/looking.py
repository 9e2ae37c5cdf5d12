"""Reading everything a plan rests on, at the same time and without changing anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..aws.parallel import in_parallel
from ..jobs import JOBS
from ..reconcile import orphans, planner
from ..reconcile.model import Step
from ..report.events import Note
from .work import Work


@dataclass(frozen=True)
class Sight:
    """What is there of the blueprint's resources, what else is ours, and what may be lacking for the job."""

    seen: planner.Seen
    left_behind: tuple[Step, ...]
    warning: str | None


def look(work: Work, *, for_a_run: bool) -> Sight:
    """Everything a plan rests on, read at the same time."""
    aws, blueprint = work.aws, work.blueprint
    looks: dict[str, Callable[[], Any]] = {
        "seen": partial(planner.observe, aws, blueprint.resources),
        "warning": partial(JOBS[work.config.job.kind].warning, aws) if for_a_run else _nothing,
        # An emulator that has just started holds nothing to search for.
        "arns": frozenset if work.config.embedded else partial(_search, work),
    }
    found = in_parallel(looks)
    left_behind = orphans.find(aws, blueprint, found["seen"], found["arns"])
    return Sight(found["seen"], left_behind, found["warning"])


def _nothing() -> None:
    return None


def _search(work: Work) -> frozenset[str]:
    """The ARNs of everything that is ours; none, with a warning, for a caller who may not search."""
    try:
        return orphans.search(work.aws, work.blueprint)
    except orphans.NotAllowedToSearchError as error:
        work.report.tell(
            Note(f"Warning: not allowed {error.operation}, so what earlier configurations left behind stays unknown.")
        )
        return frozenset()
