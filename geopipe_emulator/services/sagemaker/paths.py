"""Paths into JSON values: those of step properties in a `Get`, and those of `Std:JsonGet`. Pure.

A path has members (`.name`), keys of maps and of lists of named items (`['key']`), and positions of lists (`[0]`). The
local mode of AWS's SDK finds the item of a list by its name, such as the OutputName of a processing output. So does
this module, with any member of an item whose name ends in `Name`.
"""

from __future__ import annotations

import re
from typing import Any

Part = str | int
Path = tuple[Part, ...]

_PART = re.compile(r"\.?(?P<member>[A-Za-z0-9_\-]+)|\[(?P<position>\d+)\]|\[(?P<quote>['\"])(?P<key>.*?)(?P=quote)\]")


class PathError(Exception):
    """The path is malformed, or the value has nothing there."""


def parse_path(text: str) -> Path:
    """Return the parts of a path such as `a.b['key'][0]`, which may begin with `$`.

    Raises:
        PathError: it is malformed.
    """
    parts: list[Part] = []
    start = 1 if text.startswith("$") else 0
    while start < len(text):
        match = _PART.match(text, start)
        is_first = not parts and start == 0
        if match is None or (match["member"] and text[start] != "." and not is_first):
            raise PathError(f"{text!r} is no path: expected member.member['key'][0]")
        position = match["position"]
        parts.append(int(position) if position else match["member"] or match["key"])
        start = match.end()
    if not parts:
        raise PathError("the path is empty")
    return tuple(parts)


def find(value: Any, path: Path) -> Any:
    """Return what `value` has at the path.

    Raises:
        PathError: there is nothing; the text names the first part that is missing.
    """
    for number, part in enumerate(path):
        try:
            value = _step_into(value, part)
        except LookupError:
            raise PathError(f"there is no {show(path[: number + 1])}") from None
    return value


def put(tree: dict[str, Any], path: Path, value: Any) -> None:
    """Set the value at a path, with new objects and named items on the way where they are missing.

    Raises:
        PathError: a part leads into a value that is neither an object nor a list.
    """
    place: Any = tree
    for number, part in enumerate(path):
        is_last = number == len(path) - 1
        if isinstance(place, dict):
            place = _put_member(place, str(part), value, is_last)
        elif isinstance(place, list) and isinstance(part, int) and part <= len(place):
            place[part : part + 1] = [value if is_last else place[part] if part < len(place) else {}]
            place = place[part]
        elif isinstance(place, list) and isinstance(part, str) and not is_last:
            if (item := _named_item(place, part)) is None:
                item = {"Name": part}
                place.append(item)
            place = item
        else:
            raise PathError(f"{show(path[: number + 1])} cannot be set")


def show(path: Path) -> str:
    """Return the path as a definition has it."""
    text = ""
    for part in path:
        plain = isinstance(part, str) and re.fullmatch(r"\w+", part)
        text += (f".{part}" if text else str(part)) if plain else f"[{part!r}]"
    return text


def _put_member(place: dict[str, Any], key: str, value: Any, is_last: bool) -> Any:
    if is_last:
        place[key] = value
    elif not isinstance(place.get(key), dict | list):
        place[key] = {}
    return place[key]


def _step_into(value: Any, part: Part) -> Any:
    if isinstance(value, list):
        if isinstance(part, int):
            return value[part]
        if (item := _named_item(value, part)) is None:
            raise LookupError
        return item
    if isinstance(value, dict) and isinstance(part, str):
        return value[part]
    raise LookupError


def _named_item(items: list[Any], name: str) -> dict[str, Any] | None:
    for item in items:
        if isinstance(item, dict) and any(key.endswith("Name") and item[key] == name for key in item):
            return item
    return None
