"""Where things stand in JSON text: Python's parser drops the positions, and keeps the last of two equal keys."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from ..config.document import Position

JsonPath = tuple[str | int, ...]

_TOKEN = re.compile(r'[{}\[\],:]|"(?:[^"\\]|\\.)*"|[^\s{}\[\],:"]+', re.DOTALL)


@dataclass(frozen=True)
class JsonLayout:
    """The position of every value of a JSON text by its path, and the keys that an object has more than once."""

    positions: dict[JsonPath, Position] = field(default_factory=dict)
    repeated_keys: list[tuple[JsonPath, Position]] = field(default_factory=list)

    def nearest(self, path: JsonPath) -> Position:
        """Returns the position of the value at `path`, or of the innermost one around it."""
        while path and path not in self.positions:
            path = path[:-1]
        return self.positions.get(path, Position(1, 1))


@dataclass
class _Container:
    """An object or a list that is being read. `key` is the member that comes next."""

    path: JsonPath
    is_object: bool
    key: str | int | None
    keys: set[str] = field(default_factory=set)


def lay_out(text: str) -> JsonLayout:
    """Returns the layout of `text`, which is known to be JSON."""
    layout = JsonLayout()
    lines = [0, *(match.end() for match in re.finditer("\n", text))]
    line = 0
    stack: list[_Container] = []
    for match in _TOKEN.finditer(text):
        token, start = match[0], match.start()
        while line + 1 < len(lines) and lines[line + 1] <= start:
            line += 1
        here = Position(line + 1, start - lines[line] + 1)
        top = stack[-1] if stack else None
        if token in "}]":
            stack.pop()
        elif token == ",":
            assert top is not None
            top.key = None if top.is_object else int(top.key or 0) + 1
        elif token == ":":
            continue
        elif top is not None and top.is_object and top.key is None:
            _read_key(layout, top, str(json.loads(token)), here)
        else:
            path = () if top is None or top.key is None else (*top.path, top.key)
            layout.positions.setdefault(path, here)
            if token in "{[":
                stack.append(_Container(path, token == "{", None if token == "{" else 0))
    return layout


def find_constant(text: str) -> Position | None:
    """Returns the position of the first NaN, Infinity or -Infinity, which Python reads and JSON does not have."""
    for match in _TOKEN.finditer(text):
        if match[0] in ("NaN", "Infinity", "-Infinity"):
            line = text.count("\n", 0, match.start()) + 1
            return Position(line, match.start() - text.rfind("\n", 0, match.start()))
    return None


def _read_key(layout: JsonLayout, container: _Container, key: str, here: Position) -> None:
    container.key = key
    if key in container.keys:
        layout.repeated_keys.append(((*container.path, key), here))
    container.keys.add(key)


def dotted(path: JsonPath) -> str:
    """Returns a path as in `Steps[1].Arguments.arn`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def find_repeated_key(pairs: list[tuple[str, Any]], found: list[str]) -> dict[str, Any]:
    """Returns the object of `pairs`, and adds keys that are there twice to `found` (an `object_pairs_hook`)."""
    content = dict(pairs)
    if len(content) < len(pairs):
        found.extend(key for key in content if sum(name == key for name, _ in pairs) > 1)
    return content
