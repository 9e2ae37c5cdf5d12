"""The set-up as a transcript: sections in the specification's order, whatever order the work is done in.

A section is printed as soon as it and all before it are done. Blocks of sections stand between two rules; the
sections inside a block are parted by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ..config.model import Config
from ..reconcile.applier import Outcome
from ..reconcile.model import Action, Plan, Step

RULE = "-" * 80
"""As the specification draws it."""

_DONE = {Action.CREATE: "created", Action.UPDATE: "updated", Action.KEEP: "unchanged", Action.ADOPT: "adopted"}


def rule(width: int | None) -> str:
    """The line between sections; on a terminal of fewer columns as wide as that, so that it stays one line."""
    return RULE if width is None else RULE[: max(1, width)]


@dataclass
class Section:
    """A heading and the resources it speaks of. `block` groups sections between rules."""

    heading: str
    keys: tuple[str, ...]
    block: int
    opened: bool = False
    outcomes: dict[str, Outcome] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        return all(key in self.outcomes for key in self.keys)


class Sections:
    """Collects outcomes and prints the sections that have become complete."""

    def __init__(self, config: Config, plan: Plan, say: Callable[[str], None], drawn: str = RULE) -> None:
        present = {step.key for step in plan}
        self._say = say
        self._rule = drawn
        self._waiting = [
            Section(heading, tuple(key for key in keys if key in present), block)
            for heading, keys, block in _layout(config)
        ]
        self._block = 0

    def add(self, outcome: Outcome) -> None:
        """One resource is done."""
        for section in self._waiting:
            if outcome.step.key in section.keys:
                section.outcomes[outcome.step.key] = outcome
        while self._waiting and self._waiting[0].complete:
            self._print(self._waiting.pop(0))
        if not self._waiting:
            self._enter(0)

    def open_for(self, step: Step) -> None:
        """Print the heading of the section `step` belongs to, so that a question can stand below it."""
        section = next((section for section in self._waiting if step.key in section.keys), None)
        if section is not None:
            self._open(section)

    def close(self) -> None:
        """No more outcomes come: print what is known of the sections begun."""
        for section in self._waiting:
            if section.outcomes:
                self._print(section)
        self._waiting = []
        self._enter(0)

    def _print(self, section: Section) -> None:
        self._open(section)
        for key in section.keys:
            if key in section.outcomes:
                for line in _lines(section.outcomes[key]):
                    self._say("        " + line)

    def _open(self, section: Section) -> None:
        if not section.opened:
            section.opened = True
            self._enter(section.block)
            self._say(section.heading)

    def _enter(self, block: int) -> None:
        if self._block:
            self._say(self._rule)
        if block and block != self._block:
            self._say(self._rule)
        self._block = block


def _layout(config: Config) -> list[tuple[str, tuple[str, ...], int]]:
    iam = config.iam
    return [
        (f"Checking for role named {iam.lambda_role.name}.", ("lambda_role", "lambda_policy"), 1),
        (f"Checking for role named {iam.sagemaker_role.name}.", ("sagemaker_role", "sagemaker_policy"), 1),
        ("Setting up the Lambda function for the pipeline.", ("log_group", "function"), 1),
        (
            f"Setting up queue {config.queue.name}.",
            ("dead_letter_queue", "queue", "mapping", "dead_letter_mapping"),
            2,
        ),
        (f"Setting up bucket {config.bucket.name}.", ("bucket", "input"), 2),
        ("Now we can create and execute our pipeline.", (), 3),
        ("Setting up the pipeline.", ("pipeline",), 4),
    ]


def _lines(outcome: Outcome) -> Iterator[str]:
    step = outcome.step
    label, name = step.resource.kind.label, step.resource.name
    if outcome.error is not None:
        yield f"Failed to {step.action} {label} {name}."
    elif step.key == "function":
        yield f"Lambda ready with ARN {outcome.identity} ({_done(step)})."
    elif step.key == "bucket":
        yield f"Bucket {name} ready ({_done(step)})."
    elif step.key == "pipeline":
        yield f"Pipeline set up with ARN {outcome.identity} ({_done(step)})."
    else:
        yield f"{label[0].upper()}{label[1:]} {name}: {_done(step)}."


def _done(step: Step) -> str:
    return "left as it is" if step.reason == "declined" else _DONE[step.action]
