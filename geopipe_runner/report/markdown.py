"""`report.md`: a run in short, as Markdown: the text twin of the page, and what a CI system shows for a job."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..reconcile.model import Action
from .plan_text import counted
from .resources import ResourceRow, label, resource_rows
from .wording import between, count, span

NAME = "report.md"

_SPECIAL = re.compile(r"([\\`*_~\[<&])")
_LONGEST_CELL = 200


def render(document: Mapping[str, Any]) -> str:
    """The whole text, for the document that `run.json` holds. Parts of which there is nothing are left out."""
    parts = (_head, _failure, _plan, _execution, _results, _notes, _remaining)
    return "\n".join(["## geopipe", "", *(line for part in parts for line in part(document))])


def _head(document: Mapping[str, Any]) -> Iterator[str]:
    if document["deployment"]:
        yield f"Deployment {_code(document['deployment'])} in account {document['account_id']}, {document['region']}"
        yield ""


def _failure(document: Mapping[str, Any]) -> Iterator[str]:
    failure = document["failure"]
    if not failure:
        return
    where = f" in {_code(failure['step'])}" if failure["step"] else ""
    code = f" ({_code(failure['code'])})" if failure["code"] else ""
    yield from (f"**Failed**{where}{code}", "")
    told = [failure["reason"], failure["job_error"], *failure["log_lines"]]
    yield from _block("\n".join(line for line in told if line))
    if failure["advice"]:
        yield from (f"What to do: {_text(failure['advice'])}", "")


def _plan(document: Mapping[str, Any]) -> Iterator[str]:
    if not document["plan"]:
        return
    yield from (f"**{counted(document['plan']['summary'])}**", "")
    shown = [row for row in resource_rows(document) if row.action != Action.KEEP or row.look == "bad"]
    if shown:
        yield from _table(("state", "resource", "name", "changes"), [_resource(row) for row in shown])


def _resource(row: ResourceRow) -> tuple[str, ...]:
    changes = ", ".join(_code(path) for path, _, _ in row.changes)
    return row.state, row.kind, _code(row.name), changes or _text(row.note)


def _execution(document: Mapping[str, Any]) -> Iterator[str]:
    if not document["status"]:
        return
    yield from (f"Execution **{_text(document['status'])}**: {_code(document['execution_arn'] or '')}", "")
    if document["steps"]:
        yield from _table(("step", "type", "status", "took"), [_step(step) for step in document["steps"]])


def _step(step: Mapping[str, Any]) -> tuple[str, ...]:
    took = between(step["started"], step["ended"])
    return _code(step["name"]), _text(step["type"]), _text(step["status"]), "" if took is None else span(took)


def _results(document: Mapping[str, Any]) -> Iterator[str]:
    results = document["results"]
    if not results:
        return
    if results["rows"] is not None:
        good = "" if results["valid"] is None else f", {results['valid']:,} of them Valid Data"
        yield from (f"{count(results['rows'], 'row')}{good}.", "")
    yield from ("- " + _code(f"s3://{results['bucket']}/{key}") for key in results["keys"])
    yield ""


def _notes(document: Mapping[str, Any]) -> Iterator[str]:
    if document["notes"]:
        yield from (f"- {_text(note)}" for note in document["notes"])
        yield ""


def _remaining(document: Mapping[str, Any]) -> Iterator[str]:
    remaining = document["remaining"]
    if remaining is None:
        return
    if not remaining:
        yield from ("Everything is cleaned up.", "")
        return
    yield from (f"Still there: {count(len(remaining), 'resource')}.", "")
    yield from (f"- {label(one['kind'])} {_code(one['name'])}" for one in remaining)
    yield ""


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield "| --- " * len(header) + "|"
    yield from ("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
    yield ""


def _text(value: str) -> str:
    """Words of others, on one line, with no character that Markdown or HTML takes for its own."""
    return _SPECIAL.sub(r"\\\1", _line(value))


def _code(value: str) -> str:
    """A name as code, in more backticks than it has itself."""
    line = _line(value)
    ticks = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{ticks}{space}{line}{space}{ticks}" if line else ""


def _line(value: str) -> str:
    line = " ".join(str(value).split())
    return line if len(line) <= _LONGEST_CELL else line[:_LONGEST_CELL] + "…"


def _block(text: str) -> Iterator[str]:
    """Lines as they are, in a longer fence than any of their own."""
    fence = "`" * max(3, max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    yield from (fence, *text.splitlines(), fence, "")
