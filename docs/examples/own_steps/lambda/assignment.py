"""The long work: the nearest site of every row, part by part, over as many invocations as it takes.

A part is an object in S3 below the run's output prefix, there when it is done. So work that was interrupted goes on
where it stopped, and a message that is delivered twice only does again what comes out the same.
"""

import json
import os
import sys

import points
import storage

PARTS_PER_DELIVERY = int(os.environ.get("PARTS_PER_DELIVERY") or sys.maxsize)


class EndedError(ValueError):
    """Nobody waits for the work any more."""


def go_on(order, name, has_time):
    """Do parts while there is time; whether all of them are done. EndedError after `end` with this `name`."""
    parts, size = int(order["parts"]), int(order["rows_per_part"])
    done = storage.names_below(parts_uri(order))
    if _ended(name) in done:
        raise EndedError("the work was ended")
    left = [part for part in range(parts) if _part_name(part) not in done]
    if not left:
        return True
    rows, sites = storage.read_csv(order["input_uri"]), points.read_sites()
    for count, part in enumerate(left, start=1):
        places = [_place(row, sites) for row in rows[part * size : (part + 1) * size]]
        storage.write_text(parts_uri(order) + _part_name(part), json.dumps(places))
        if count == PARTS_PER_DELIVERY or not has_time():
            return count == len(left)
    return True


def end(order, name):
    """See to it that the work of this name goes no further; what is done stays, for whoever begins it anew."""
    storage.write_text(parts_uri(order) + _ended(name), "")


def parts_uri(order):
    return order["output_uri"] + "parts/"


def read_parts(uri, parts):
    """Site and km of every row, in the order of the input; both "" for a row without a position."""
    return [place for part in range(int(parts)) for place in json.loads(storage.read_text(uri + _part_name(part)))]


def _ended(name):
    return f"ended-{name}"


def _part_name(part):
    return f"{part:06}.json"


def _place(row, sites):
    place = points.position(row)
    if place is None:
        return ["", ""]
    site, km = points.nearest(place, sites)
    return [site, round(km, 1)]
