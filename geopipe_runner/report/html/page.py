"""The page as a whole: fills the templates with what each part shows."""

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

from ..escape import printable, printable_lines, to_json
from ..resources import label, resource_rows
from ..text.messages import between, clock, count, percent, span
from ..text.plan import summary_line
from . import points, rows
from .graph import drawings
from .timeline import build_timeline, status_style

_HERE = Path(__file__).parent


def bokeh() -> Sequence[str]:
    """Returns the scripts that draw the map. Raises ImportError where Bokeh is not installed."""
    resources = importlib.import_module("bokeh.resources")
    bundles: Sequence[str] = resources.Resources(mode="inline", components=["bokeh", "bokeh-api"]).js_raw
    return bundles


def render(document: Mapping[str, Any], folder: Path, library: Callable[[], Sequence[str]] = bokeh) -> str:
    """Returns the page for the run in `document`, with the results in `folder`; only a map needs the `library`."""
    on_map = points.read(folder / "results.geojson") if document["results"] else None
    table = rows.read(folder / "results.csv") if document["results"] else None
    has_map = on_map is not None and bool(on_map.longitude)
    scripts = [_closed(script) for script in library()] + [_read("map.js")] if has_map else []
    if table:
        scripts.append(_read("table.js"))
    timeline = build_timeline(document)
    environment = Environment(
        loader=PackageLoader(__package__, ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters |= {"clock": clock, "count": count, "data": _data, "pretty": _pretty}
    return environment.get_template("page.html.j2").render(
        run=document,
        verdict=_verdict(document),
        facts=_facts(document),
        tiles=_tiles(document),
        timeline=timeline,
        description=timeline.describe(),
        drawings=drawings(document["definition"], timeline.rows),
        resources=resource_rows(document),
        plan_line=summary_line(document["plan"]["summary"]) if document["plan"] else "",
        remaining=[(label(resource["kind"]), resource["name"]) for resource in document["remaining"] or ()],
        points=on_map,
        map_line=_map_line(on_map) if on_map else "",
        map_data=_map_data(on_map) if on_map and has_map else None,
        has_geonames=_has_geonames(document),
        table=table,
        good=points.GOOD,
        css=Markup(_read("style.css")),
        policy=_policy(scripts),
        scripts=[Markup(script) for script in scripts],
    )


def _read(name: str) -> str:
    return (_HERE / name).read_text("utf-8")


def _finalize(value: object) -> object:
    """Returns what the templates print, made safe before it is escaped for HTML."""
    return printable_lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _closed(script: str) -> str:
    """Returns a script that cannot end its element early, with the line ends that a browser makes of all."""
    script = script.replace("\r\n", "\n").replace("\r", "\n")
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _policy(scripts: Sequence[str]) -> str:
    """Returns a content security policy: these scripts only, and no network at all."""
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes) or "'none'"
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )


def _data(value: object) -> Markup:
    """Returns JSON for a script element: no character of it can end the element or begin a comment."""
    return Markup(to_json(value).replace("<", "\\u003c"))


def _pretty(value: str) -> str:
    """Returns a JSON value over several lines; anything else as it is."""
    try:
        return json.dumps(json.loads(value), indent=2, ensure_ascii=False) if value[:1] in "{[" else value
    except ValueError:
        return value


def _verdict(document: Mapping[str, Any]) -> tuple[str, str, str]:
    """Returns style, sign and words for the whole run."""
    if document["failure"] and document["status"] in (None, "Succeeded"):
        return *status_style("Failed"), "Failed"
    if document["status"]:
        return *status_style(document["status"]), document["status"]
    return "idle", "○", "Not run"


def _facts(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns name and value of what identifies the run, without those that have no value."""
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
    """Returns the few numbers to see first: name, value, and what to know about it."""
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
        # A step that has not begun when the execution succeeds is on a branch that was not taken.
        waiting = 0 if document["status"] == "Succeeded" else len(document["definition"])
        all_steps = max(waiting, len(document["steps"]))
        tiles.append(("Steps", f"{done} of {all_steps}", "succeeded"))
    if took is not None:
        tiles.append(("Pipeline", span(took), "first step to last"))
    whole = between(document["began"], document["ended"])
    if whole is not None:
        tiles.append(("Command", span(whole), "from start to end"))
    return tiles


def _has_geonames(document: Mapping[str, Any]) -> bool:
    """Returns whether the results' place names are those of the emulator, which come from GeoNames."""
    header = (document["results"] or {}).get("header", ())
    return bool(document["endpoint"]) and any(name.startswith("reverse_geo.") for name in header)


def _map_line(on_map: points.Points) -> str:
    """Returns how much of the result the map shows."""
    line = f"{count(len(on_map.longitude), 'point')}"
    if on_map.every > 1:
        line += f": one row in {on_map.every} of {on_map.rows:,} is drawn"
    if on_map.nowhere:
        line += f"; {count(on_map.nowhere, 'row has', 'rows have')} no coordinates"
    return line + "."


def _map_data(on_map: points.Points) -> Mapping[str, Any]:
    return {
        "longitude": on_map.longitude,
        "latitude": on_map.latitude,
        "status": on_map.status,
        "label": [printable(text) for text in on_map.label],
        "statuses": [printable(status) or "no status" for status in on_map.statuses],
        "counts": on_map.counts,
        "good": points.GOOD,
        "world": json.loads(_read("world.json"))["polygons"],
    }
