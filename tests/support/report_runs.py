"""Documents as `run.json` holds them, and results next to them, for the tests of the reports."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Document = dict[str, Any]

HEADER = ("Longitude", "Latitude", "reverse_geo.label", "reverse_geo.neighborhood", "reverse_geo.status")


@dataclass(frozen=True)
class Row:
    """One row of a result; no `at` means that it has no coordinates."""

    at: tuple[float, float] | None
    label: str
    status: str = "Valid Data"


def succeeded() -> Document:
    """A run that did all it should: recorded from `run.py config/local.yaml --cleanup=all --output-dir out`."""
    document: Document = json.loads(Path(__file__).with_name("report_run.json").read_text("utf-8"))
    return document


def failed() -> Document:
    """The job did not like its input, so the second step failed and the others never began."""
    document = succeeded()
    first, second = document["steps"][:2]
    second |= {"status": "Failed", "failure": "The callback failed.", "outputs": {}}
    return document | {
        "status": "Failed",
        "steps": [first, second],
        "results": None,
        "failure": {
            "code": "input-column-missing",
            "step": "vej-callback-step",
            "reason": "vej-callback-step: the job failed.",
            "job_error": "Job FAILED: CLIENT_ERROR no column Longitude",
            "log_lines": ["[INFO] Received 1 record", "[ERROR] job FAILED"],
            "advice": "Name the columns as the input's first line does.",
        },
        "remaining": document["applied"][:2],
    }


def dry() -> Document:
    """A plan and nothing more."""
    nothing = dict.fromkeys(("run_id", "execution_arn", "status", "results", "failure", "remaining"))
    return succeeded() | nothing | {"applied": [], "steps": [], "definition": [], "parameters": {}, "notes": []}


def refused() -> Document:
    """It ended before there was a plan."""
    reason = {"code": None, "step": None, "reason": "Wrong account.", "job_error": None, "log_lines": [], "advice": ""}
    unknown = dict.fromkeys(("deployment", "account_id", "region", "endpoint", "plan"))
    return dry() | unknown | {"failure": reason}


def save_results(folder: Path, rows: Iterable[Row]) -> None:
    """results.csv and results.geojson as a run writes them."""
    with (
        (folder / "results.csv").open("w", encoding="utf-8", newline="") as table,
        (folder / "results.geojson").open("w", encoding="utf-8") as features,
    ):
        write = csv.writer(table).writerow
        write(HEADER)
        features.write('{"type":"FeatureCollection","features":[')
        for number, row in enumerate(rows):
            write([*(row.at or ("", "")), row.label, "", row.status])
            features.write((",\n" if number else "\n") + feature(row))
        features.write("\n]}\n")


def feature(row: Row) -> str:
    """A row as a line of results.geojson."""
    geometry = {"type": "Point", "coordinates": list(row.at)} if row.at else None
    properties = {"reverse_geo.label": row.label, "reverse_geo.neighborhood": "", "reverse_geo.status": row.status}
    feature = {"type": "Feature", "geometry": geometry, "properties": properties}
    return json.dumps(feature, ensure_ascii=False, separators=(",", ":"))
