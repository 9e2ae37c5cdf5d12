"""Fills `${...}` in the text values of a document: account_id, region, deployment, bucket, environment variables.

A value whose variable is missing becomes unknown: it is reported here, once, and no other check reads it.
`$${` stands for a literal `${`. Keys are never interpolated, and what comes in is never interpolated again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .document import Document, KeyPath
from .messages import one_of, quote
from .parser import MAX_TEXT

# By name, the key that a variable stands for.
VARIABLES: Mapping[str, KeyPath] = {
    "account_id": ("account_id",),
    "region": ("region",),
    "deployment": ("deployment",),
    "bucket": ("bucket", "name"),
}
_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_ENVIRONMENT = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
_FORMS = "known are ${account_id}, ${region}, ${deployment}, ${bucket}, ${env:NAME} and ${env:NAME:-default}"


class Interpolation:
    """One pass over a document.

    `depends` says which keys of VARIABLES each interpolated value was made from, `from_environment` which values have a
    variable of the environment in them, or its default.
    """

    def __init__(self, document: Document, environ: Mapping[str, str]) -> None:
        self.depends: dict[KeyPath, frozenset[KeyPath]] = {}
        self.from_environment: set[KeyPath] = set()
        self._document = document
        self._environ = environ
        self._variables: dict[str, str | None] = {}
        self._resolving: list[str] = []
        self._length = 0

    def run(self) -> None:
        """Replaces the document's data by the interpolated data."""
        for name in VARIABLES:
            self._variable(name)
        for key, value in self._document.data.items():
            self._document.data[key] = self._walk(value, (key,))

    def _walk(self, value: Any, path: KeyPath) -> Any:
        if path in VARIABLES.values():
            return value
        if isinstance(value, str):
            return self._text(value, path)
        if isinstance(value, dict):
            return {key: self._walk(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._walk(inner, (*path, index)) for index, inner in enumerate(value)]
        return value

    def _text(self, text: str, path: KeyPath) -> str:
        if "${" not in text:
            return text
        reading = _Text(text, path, set(), {})
        parts: list[str] = []
        end = 0
        for match in _REFERENCE.finditer(text):
            parts += text[end : match.start()], self._replacement(match, reading)
            end = match.end()
            self._length += len(parts[-2]) + len(parts[-1])
            if self._length > MAX_TEXT:
                what = f"the text with all variables filled in is longer than {MAX_TEXT:,} characters"
                raise self._document.fatal(self._document.spans[path].start, what, "refer to shorter values")
        self.depends[path] = frozenset(reading.variables)
        if reading.environment:
            self._document.environment[path] = reading.environment
        return "".join(parts) + text[end:]

    def _replacement(self, match: re.Match[str], reading: _Text) -> str:
        if match.group() == "$${":
            return "${"
        name = match.group(1)
        if name is None:
            return self._missing(match, reading, "${ is never closed", "close it with }, or write $${ for a literal ${")
        if name.startswith("env:"):
            return self._from_environment(match, reading)
        if name not in VARIABLES:
            what = f"unknown variable {quote(match.group())}"
            return self._missing(match, reading, what, one_of(name, VARIABLES, _FORMS))
        return self._from_variable(match, reading)

    def _from_environment(self, match: re.Match[str], reading: _Text) -> str:
        reference = _ENVIRONMENT.fullmatch(match.group(1))
        if not reference:
            what = f"{quote(match.group(1))} is not the name of an environment variable"
            return self._missing(match, reading, what, "write ${env:NAME} or ${env:NAME:-default}")
        name, default = reference.groups()
        self.from_environment.add(reading.path)
        value = self._environ.get(name)
        # As in a shell, an empty variable counts as missing where there is a default.
        if not value and default is not None:
            return str(default)
        if value is None:
            valid = f"set it, or write ${{env:{name}:-default}}"
            return self._missing(match, reading, f"environment variable {name} is not set", valid)
        if value:
            reading.environment[name] = value
        return value

    def _from_variable(self, match: re.Match[str], reading: _Text) -> str:
        name = match.group(1)
        path = VARIABLES[name]
        reading.variables.add(path)
        if name in self._resolving:
            circle = " -> ".join([*self._resolving[self._resolving.index(name) :], name])
            what = f"${{{name}}} refers to itself ({circle})"
            return self._missing(match, reading, what, "write one of them out")
        value = self._variable(name)
        reading.variables.update(self.depends.get(path, ()))
        if self._written(path) is None and len(path) > 1:
            # The keys at the top are required, so that others report one that is missing.
            return self._missing(match, reading, f"${{{name}}} has no value", f"set {'.'.join(map(str, path))}")
        if value is None:
            self._document.unknown.add(reading.path)
        return value or ""

    def _variable(self, name: str) -> str | None:
        """Returns the variable's value; None when it is missing or cannot be known, which others report."""
        if name in self._variables:
            return self._variables[name]
        path = VARIABLES[name]
        value = self._written(path)
        if isinstance(value, str):
            self._resolving.append(name)
            value = self._text(value, path)
            self._section(path)[path[-1]] = value
            self._resolving.pop()
        usable = isinstance(value, str) and path not in self._document.unknown
        self._variables[name] = value if usable else None
        return self._variables[name]

    def _written(self, path: KeyPath) -> Any:
        section = self._section(path)
        return section.get(path[-1]) if isinstance(section, dict) else None

    def _section(self, path: KeyPath) -> Any:
        section: Any = self._document.data
        for key in path[:-1]:
            section = section.get(key) if isinstance(section, dict) else None
        return section

    def _missing(self, match: re.Match[str], reading: _Text, what: str, valid: str) -> str:
        self._document.unknown.add(reading.path)
        self._document.report(self._document.position(self._index(match, reading)), what, valid)
        return ""

    def _index(self, match: re.Match[str], reading: _Text) -> int:
        """Returns where a reference is in the file, where quotes and escapes may have spread the value."""
        span = self._document.spans[reading.path]
        index = span.start
        for earlier in _REFERENCE.finditer(reading.text, 0, match.end()):
            start = self._document.text.find(earlier.group(), index, span.end)
            if start < 0:
                return span.start
            index = start + len(earlier.group())
        return index - len(match.group())


@dataclass(frozen=True)
class _Text:
    """A text that is being interpolated, and what has gone into it so far."""

    text: str
    path: KeyPath
    variables: set[KeyPath]
    environment: dict[str, str]
