"""The page as a whole: what each part of it shows, put into the templates."""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ..plan_text import counted
from ..resources import label, resource_rows
from ..wording import between, clock, count, percent, span
from . import points, rows
from .course import course, look, names
from .graph import drawings

_HERE = Path(__file__).parent


def bokeh() -> Sequence[str]:
    """What draws the map, as scripts. Imported by name, for it may not be installed. Raises ImportError then."""
    resources = importlib.import_module("bokeh.resources")
    bundles: Sequence[str] = resources.Resources(mode="inline", components=["bokeh", "bokeh-api"]).js_raw
    return bundles


def render(document: Mapping[str, Any], folder: Path, library: Callable[[], Sequence[str]] = bokeh) -> str:
    """The page for the run in `document`, with the results that lie in `folder`; a map asks for the `library`."""
    found = points.read(folder / "results.geojson") if document["results"] else None
    table = rows.read(folder / "results.csv") if document["results"] else None
    mapped = [_closed(script) for script in library()] + [_read("map.js")] if found and found.longitude else []
    scripts = [*mapped, _read("table.js")] if table else mapped
    went = course(document)
    environment = Environment(
        loader=PackageLoader(__package__, ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"clock": clock, "count": count, "data": _data, "pretty": _pretty}
    return environment.get_template("page.html.j2").render(
        run=document,
        look=_verdict(document),
        facts=_facts(document),
        tiles=_tiles(document),
        course=went,
        told=names(went.rows),
        drawings=drawings(document["definition"], went.rows),
        resources=resource_rows(document),
        plan_line=counted(document["plan"]["summary"]) if document["plan"] else "",
        remaining=[(label(one["kind"]), one["name"]) for one in document["remaining"] or ()],
        points=found,
        map_line=_map_line(found) if found else "",
        map_data=_map_data(found) if found and found.longitude else None,
        table=table,
        good=points.GOOD,
        style=Markup(_read("style.css")),
        policy=_policy(scripts),
        scripts=[Markup(script) for script in scripts],
    )


def _read(name: str) -> str:
    return (_HERE / name).read_text("utf-8")


def _closed(script: str) -> str:
    """A script that cannot end its element early, with the line ends a browser makes of all."""
    script = script.replace("\r\n", "\n").replace("\r", "\n")
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _policy(scripts: Sequence[str]) -> str:
    """A content security policy: these scripts only, and no network at all."""
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{one}'" for one in hashes) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _data(value: object) -> Markup:
    """JSON for a script element: no character of it can end the element or begin a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029"))


def _pretty(value: str) -> str:
    """A JSON value over several lines; anything else as it is."""
    try:
        return json.dumps(json.loads(value), indent=2, ensure_ascii=False) if value[:1] in "{[" else value
    except ValueError:
        return value


def _verdict(document: Mapping[str, Any]) -> tuple[str, str, str]:
    """Look, sign and words for the whole run."""
    if document["failure"] and document["status"] in (None, "Succeeded"):
        return *look("Failed"), "Failed"
    if document["status"]:
        return *look(document["status"]), document["status"]
    return "idle", "○", "Not run"


def _facts(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and value of what identifies the run; what there is not is left out."""
    results = document["results"] or {"bucket": "", "keys": []}
    facts = {
        "Configuration": document["config"],
        "Account": document["account_id"],
        "Region": document["region"],
        "Endpoint": document["endpoint"],
        "Run": document["run_id"],
        "Execution": document["execution_arn"],
        "Began": clock(document["began"]),
        "Ended": clock(document["ended"]),
        "Results": "\n".join(f"s3://{results['bucket']}/{key}" for key in results["keys"]),
    }
    return [(name, value) for name, value in facts.items() if value]


def _tiles(document: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The few numbers to see first: name, value, and what to know about it."""
    tiles = []
    results = document["results"]
    if results and results["rows"] is not None:
        good, all_rows = results["valid"], results["rows"]
        tiles.append(("Rows", f"{all_rows:,}", count(len(results["keys"]), "result file")))
        if good is not None:
            tiles.append(("Valid Data", percent(good, all_rows), f"{good:,} of {count(all_rows, 'row')}"))
    starts = [step["started"] for step in document["steps"] if step["started"]]
    ends = [step["ended"] for step in document["steps"] if step["ended"]]
    took = between(min(starts, default=None), max(ends, default=None))
    done = sum(step["status"] == "Succeeded" for step in document["steps"])
    if document["steps"]:
        # What has not begun by a good end lies on a branch that was not taken.
        waiting = 0 if document["status"] == "Succeeded" else len(document["definition"])
        all_steps = max(waiting, len(document["steps"]))
        tiles.append(("Steps", f"{done} of {all_steps}", "succeeded"))
    if took is not None:
        tiles.append(("Pipeline", span(took), "first step to last"))
    whole = between(document["began"], document["ended"])
    if whole is not None:
        tiles.append(("Command", span(whole), "from start to end"))
    return tiles


def _map_line(found: points.Points) -> str:
    """What the map shows of all there is."""
    line = f"{count(len(found.longitude), 'point')}"
    if found.every > 1:
        line += f": one row in {found.every} of {found.rows:,} is drawn"
    if found.nowhere:
        line += f"; {count(found.nowhere, 'row has', 'rows have')} no coordinates"
    return line + "."


def _map_data(found: points.Points) -> Mapping[str, Any]:
    return {
        "longitude": found.longitude,
        "latitude": found.latitude,
        "status": found.status,
        "label": found.label,
        "statuses": [status or "no status" for status in found.statuses],
        "counts": found.counts,
        "good": points.GOOD,
        "world": json.loads(_read("world.json"))["polygons"],
    }
