"""The two Lambda steps. Both can run again at any time: they write the same objects with the same content.

A step returns what the template declares as its OutputParameters: names, and values that are text or numbers.
"""

import json
from collections import Counter

import assignment
import points
import storage

ADDED_COLUMNS = ["nearest_site", "distance_km", "status"]


def inspect(event):
    """Returns how many rows the input has, how many have a position, and into how many parts they are divided."""
    rows = storage.read_csv(event["input_uri"])
    points.check_columns(rows)
    usable = sum(points.position(row) is not None for row in rows)
    parts = -(-len(rows) // int(event["rows_per_part"]))
    return {"rows": len(rows), "usable": usable, "parts": parts}


def summarize(event):
    """Join the parts to results.csv and summary.json below the run's output prefix."""
    rows, places = storage.read_csv(event["input_uri"]), assignment.read_parts(event["parts_uri"], event["parts"])
    if len(rows) != len(places):
        raise ValueError(
            f"the input has {len(rows)} rows, but the parts have {len(places)}: the input changed during the run"
        )
    statuses = [_status(place, float(event["max_km"])) for place in places]
    results = [
        {**row, **dict(zip(ADDED_COLUMNS, [*place, status], strict=True))}
        for row, place, status in zip(rows, places, statuses, strict=True)
    ]
    counts = Counter(statuses)
    per_site = Counter(site for (site, _), status in zip(places, statuses, strict=True) if status == "assigned")
    summary = {"rows": len(rows), "statuses": dict(counts), "deliveries_per_site": dict(per_site.most_common())}
    storage.write_text(event["output_uri"] + "summary.json", json.dumps(summary, indent=2))
    storage.write_csv(event["output_uri"] + "results.csv", results)
    return {"assigned": counts["assigned"], "results_uri": event["output_uri"] + "results.csv"}


def _status(place, max_km):
    _, km = place
    if km == "":
        return "no position"
    return "assigned" if km <= max_km else "too far"
