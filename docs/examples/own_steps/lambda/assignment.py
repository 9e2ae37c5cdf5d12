"""The long work: the nearest site of every row, in parts, over as many invocations as it takes.

callbacks.py calls `check` each time the callback's message is delivered, and `stop` when no step waits any more.
A finished part is an object in S3 below the run's output prefix. So interrupted work continues where it stopped, and
a message that is delivered twice does the same parts again with the same result.
"""

import json
import os
import sys

import points
import storage
from aws import AwsError
from callbacks import failure, still_running, success

PARTS_PER_DELIVERY = int(os.environ.get("PARTS_PER_DELIVERY") or sys.maxsize)
NEVER_THERE = ("NoSuchKey", "NoSuchBucket")


class EndedError(ValueError):
    """No step waits for the work any more."""


def check(callback, invocation):
    """Do some parts, and return the verdict: success once all are done."""
    order = callback.arguments
    try:
        done = do_parts(order, callback.step_id, invocation.has_time)
    except AwsError as error:
        if getattr(error, "response", {}).get("Error", {}).get("Code") in NEVER_THERE:
            return failure(f"{order['input_uri']} cannot be read: {error}")
        return still_running(str(error))  # throttled, denied, unreachable: that can pass
    except (KeyError, TypeError, ValueError) as error:  # a wrong order or input does not get better
        return failure(f"{type(error).__name__}: {error}")
    if done:
        return success("all parts are done", {"parts_uri": parts_uri(order)})
    return still_running("parts are left", seconds=1)


def stop(callback, invocation):
    """Keep the other messages of this step from continuing the work. Finished parts stay for a later step."""
    storage.write_text(parts_uri(callback.arguments) + _end_marker(callback.step_id), "")


def do_parts(order, step_id, has_time):
    """Do parts while there is time, and return whether all are done. Raises EndedError after `stop`."""
    parts, size = int(order["parts"]), int(order["rows_per_part"])
    done = storage.names_below(parts_uri(order))
    if _end_marker(step_id) in done:
        raise EndedError("the work was ended because its step does not wait for it any more")
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


def parts_uri(order):
    return order["output_uri"] + "parts/"


def read_parts(uri, parts):
    """Returns site and km of every row, in the order of the input; both are "" for a row without a position."""
    return [place for part in range(int(parts)) for place in json.loads(storage.read_text(uri + _part_name(part)))]


def _end_marker(step_id):
    return f"ended-{step_id}"


def _part_name(part):
    return f"{part:06}.json"


def _place(row, sites):
    place = points.position(row)
    if place is None:
        return ["", ""]
    site, km = points.nearest(place, sites)
    return [site, round(km, 1)]
