"""The graph of a pipeline's steps as lines of text, and in the language of Mermaid."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ..escape import printable
from .style import Colored, Line

if TYPE_CHECKING:
    from ...pipeline.step_graph import StepNeed, StepNode

_INDENT = "  "
_NARROWEST = 40
_WIDEST = 100
# Results on one arrow of a chart; text lists all.
_MOST_READS = 3

# The entry of a map or list that a path reads, with its list: `Outputs['train']`.
_ENTRY = re.compile(r"\w+\['[^']+'\]|\w+\[\d+\]")
# What ends a label in quotes, or means something in one, and how Mermaid writes it.
_MERMAID = {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "`": "#96;"}


def graph_lines(pipeline: str, steps: Sequence[StepNode], width: int | None) -> Iterator[Line]:
    """Yields each step, and below it what it waits for; steps in a branch are indented.

    `width` is that of the terminal; None is none. No line is longer, apart from names that are.
    """
    width = max(_NARROWEST, min(width or _WIDEST, _WIDEST))
    yield f"{pipeline}: {len(steps)} step{'' if len(steps) == 1 else 's'}"
    depths: dict[str, int] = {"": 0}
    branch = ("", "")
    for step in steps:
        depth = depths[step.inside]
        if step.inside and branch != (step.inside, step.branch):
            yield f"{_INDENT * (2 * depth - 1)}{step.branch}"
        branch = (step.inside, step.branch)
        indent = _INDENT * (2 * depth)
        if not step.inside:
            yield ""
        yield (indent, Colored(step.name, "bold"), f"  {step.kind}")
        depths[step.name] = depth + 1
        for need in step.needs:
            yield from textwrap.wrap(
                printable(f"after {need.step}: {_reasons(need)}"),
                width,
                initial_indent=indent + _INDENT,
                subsequent_indent=indent + _INDENT * 3,
                break_long_words=False,
                break_on_hyphens=False,
            )


def mermaid_lines(steps: Sequence[StepNode]) -> Iterator[str]:
    """Yields a Mermaid flowchart. Steps are `s1`, `s2`, …: a step may have the name of a keyword, such as `end`.

    A step that decides about branches is a rhombus. The text of an arrow is what is read; an arrow without
    text is a DependsOn.
    """
    ids = {step.name: f"s{number}" for number, step in enumerate(steps, 1)}
    deciding = {step.inside for step in steps}
    yield "flowchart TD"
    for step in steps:
        left, right = ("{", "}") if step.name in deciding else ("[", "]")
        yield f'{_INDENT}{ids[step.name]}{left}"{_label(step.name)}<br/>{_label(step.kind)}"{right}'
    for step in steps:
        if step.inside:
            yield f'{_INDENT}{ids[step.inside]} -->|"{_label(step.branch)}"| {ids[step.name]}'
        for need in step.needs:
            yield f"{_INDENT}{_arrow(need, step, ids)}"


def _reasons(need: StepNeed) -> str:
    named = f"DependsOn ({need.trigger})" if need.trigger else "DependsOn"
    read = f"reads {', '.join(need.reads)}" if need.reads else ""
    return "; ".join(filter(None, (named if need.depends_on else "", read)))


def _arrow(need: StepNeed, step: StepNode, ids: Mapping[str, str]) -> str:
    reads = list(dict.fromkeys(map(_short, need.reads)))
    if len(reads) > _MOST_READS:
        reads[_MOST_READS - 1 :] = [f"{len(reads) - _MOST_READS + 1} more"]
    reasons = [f"if {need.trigger}", *reads] if need.trigger else reads
    label = f'|"{_label(", ".join(reasons))}"|' if reasons else ""
    return f"{ids[need.step]} -->{label} {ids[step.name]}"


def _short(result: str) -> str:
    """Returns the part of a path that distinguishes it: a named entry, or else the last member."""
    entries = _ENTRY.findall(result)
    return str(entries[-1]) if entries else result.rsplit(".", 1)[-1]


def _label(text: str) -> str:
    return "".join(_MERMAID.get(character, character) for character in printable(text))
