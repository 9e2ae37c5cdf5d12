"""The set-up as a transcript: sections in the specification's order, for any order of the work.

A section is printed as soon as it and all sections before it are complete. Two rules separate blocks of sections, one
rule separates the sections inside a block, as in the specification's sample output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...config.model import Config
from ...kinds import base as kinds
from ...reconcile.model import Action, Plan, PlannedChange

if TYPE_CHECKING:  # it brings botocore along, which `validate` does not need
    from ...reconcile.apply import ChangeResult

# As the specification draws it.
RULE = "-" * 80

_DONE = {
    Action.CREATE: "created",
    Action.UPDATE: "updated",
    Action.KEEP: "unchanged",
    Action.USE: "used",
    Action.ADOPT: "adopted",
}


def rule(width: int | None) -> str:
    """Returns the line between sections: no wider than a terminal of `width` columns, so that it stays one line."""
    return RULE if width is None else RULE[: max(1, width)]


@dataclass
class PrintedSection:
    """A heading and the keys of the resources below it. Sections with the same `block` stand together."""

    heading: str
    keys: tuple[str, ...]
    block: int
    is_open: bool = False
    results: dict[str, ChangeResult] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        return all(key in self.results for key in self.keys)


class SetupTranscript:
    """Collects results and prints the sections that have become complete."""

    def __init__(self, config: Config, plan: Plan, print_line: Callable[[str], None], rule: str = RULE) -> None:
        members: dict[str, list[str]] = {}
        for change in plan:
            members.setdefault(change.resource.section or change.resource.group, []).append(change.key)
        self._print_line = print_line
        self._rule = rule
        self._waiting = [
            PrintedSection(section.heading, tuple(members.get(section.name, ())), section.block)
            for section in sorted(_layout(config), key=lambda section: section.block)
        ]
        self._block = 0

    def add(self, result: ChangeResult) -> None:
        """Take the result of one resource."""
        for section in self._waiting:
            if result.step.key in section.keys:
                section.results[result.step.key] = result
        while self._waiting and self._waiting[0].is_complete:
            self._print(self._waiting.pop(0))
        if not self._waiting:
            self._enter(0)

    def open_for(self, change: PlannedChange) -> None:
        """Print the heading of the section that `change` belongs to, so that a question can stand below it."""
        section = next((section for section in self._waiting if change.key in section.keys), None)
        if section is not None:
            self._open(section)

    def close(self) -> None:
        """Print what is known of the sections that have begun: no more results come."""
        for section in self._waiting:
            if section.results:
                self._print(section)
        self._waiting = []
        self._enter(0)

    def _print(self, section: PrintedSection) -> None:
        self._open(section)
        for key in section.keys:
            if key in section.results:
                for line in _lines(section.results[key]):
                    self._print_line("        " + line)

    def _open(self, section: PrintedSection) -> None:
        if not section.is_open:
            section.is_open = True
            self._enter(section.block)
            self._print_line(section.heading)

    def _enter(self, block: int) -> None:
        if self._block:
            self._print_line(self._rule)
        if block and block != self._block:
            self._print_line(self._rule)
        self._block = block


def _layout(config: Config) -> Iterator[kinds.Section]:
    """Yield the sections of all kinds."""
    from ...kinds.registry import KINDS  # brings botocore along, which `validate` does not need

    for kind in KINDS:
        yield from kind.sections(config)


def _lines(result: ChangeResult) -> Iterator[str]:
    change = result.step
    label, name = change.resource.kind.label, change.resource.name
    done = "left as it is" if change.reason == "declined" else _DONE.get(change.action, "")
    if result.error is not None:
        yield f"Failed to {change.action} {label} {name}."
    else:
        yield change.resource.kind.describe_result(change.resource, result.identity, done)
