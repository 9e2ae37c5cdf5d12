"""`report.md`: a run in short, as Markdown. CI systems show the same text for a job."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..reconcile.model import Action
from .escape import printable, printable_lines
from .resources import label, resource_rows
from .text.messages import between, count, span
from .text.plan import summary_line

NAME = "report.md"

_SPECIAL = re.compile(r"([\\`*_~\[\]<>&|@])")
_BLOCK_START = re.compile(r"^(?=[#+=:-])|^(\d+)(?=[.)])")
_LONGEST_CELL = 200


def render(document: Mapping[str, Any]) -> str:
    """Returns the text for the document of `run.json`. Parts without content are left out."""
    return "\n".join(["## geopipe", "", *_lines(document)])


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    if document["deployment"]:
        place = f"{_text(document['account_id'])}, {_text(document['region'])}"
        yield from (f"Deployment {_code(document['deployment'])} in account {place}", "")

    failure = document["failure"]
    if failure:
        where = f" in {_code(failure['step'])}" if failure["step"] else ""
        code = f" ({_code(failure['code'])})" if failure["code"] else ""
        yield from (f"**Failed**{where}{code}", "")
        details = [failure["reason"], failure["job_error"], *failure["log_lines"]]
        yield from _block("\n".join(line for line in details if line))
        if failure["advice"]:
            yield from (f"What to do: {_text(failure['advice'])}", "")

    if document["plan"]:
        yield from (f"**{summary_line(document['plan']['summary'])}**", "")
        rows = [row for row in resource_rows(document) if row.action != Action.KEEP or row.style == "bad"]
        if rows:
            cells = []
            for row in rows:
                changes = ", ".join(_code(path) for path, _, _ in row.changes)
                cells.append((row.state, row.kind, _code(row.name), changes or _text(row.note)))
            yield from _table(("state", "resource", "name", "changes"), cells)

    if document["status"]:
        yield from (f"Execution **{_text(document['status'])}**: {_code(document['execution_arn'] or '')}", "")
        if document["steps"]:
            steps = []
            for step in document["steps"]:
                seconds = between(step["started"], step["ended"])
                duration = "" if seconds is None else span(seconds)
                steps.append((_code(step["name"]), _text(step["type"]), _text(step["status"]), duration))
            yield from _table(("step", "type", "status", "took"), steps)

    results = document["results"]
    if results:
        if results["rows"] is not None:
            valid = "" if results["valid"] is None else f", {results['valid']:,} of them Valid Data"
            yield from (f"{count(results['rows'], 'row')}{valid}.", "")
        yield from ("- " + _code(f"s3://{results['bucket']}/{key}") for key in results["keys"])
        yield ""

    if document["notes"]:
        yield from (f"- {_text(note)}" for note in document["notes"])
        yield ""

    remaining = document["remaining"]
    if remaining:
        yield from (f"Still there: {count(len(remaining), 'resource')}.", "")
        yield from (f"- {label(resource['kind'])} {_code(resource['name'])}" for resource in remaining)
        yield ""
    elif remaining is not None:
        yield from ("Everything is cleaned up.", "")


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield "| --- " * len(header) + "|"
    yield from ("| " + " | ".join(re.sub(r"(?<!\\)\|", r"\\|", cell) for cell in row) + " |" for row in rows)
    yield ""


def _text(value: str) -> str:
    """Returns text from elsewhere on one line, without any character that means something in Markdown or HTML."""
    return _BLOCK_START.sub(lambda match: f"{match[1]}\\" if match[1] else "\\", _SPECIAL.sub(r"\\\1", _line(value)))


def _code(value: str) -> str:
    """Returns a name as code, in more backticks than it has itself."""
    line = _line(value)
    ticks = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{ticks}{space}{line}{space}{ticks}" if line else ""


def _line(value: str) -> str:
    line = printable(" ".join(str(value).split()))
    return line if len(line) <= _LONGEST_CELL else line[:_LONGEST_CELL] + "…"


def _block(text: str) -> Iterator[str]:
    """Yields lines as they are, in a longer fence than any of their own."""
    fence = "`" * max(3, max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    yield from (fence, *printable_lines(text).split("\n"), fence, "")
