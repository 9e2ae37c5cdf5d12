"""Fills `${...}` in the text values of a document: account_id, region, deployment, and environment variables.

A value whose variable is missing becomes unknown: it is reported here, once, and nobody judges it further.
`$${` stands for a literal `${`. Keys are never interpolated, and what comes in is never interpolated again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .document import Document, KeyPath
from .wording import one_of, quote

VARIABLES = ("account_id", "region", "deployment")
_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_ENVIRONMENT = re.compile(r"env:([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
_FORMS = "known are ${account_id}, ${region}, ${deployment}, ${env:NAME} and ${env:NAME:-default}"


class Interpolation:
    """One pass over a document. `depends` says which of VARIABLES each interpolated value was made from."""

    def __init__(self, document: Document, environ: Mapping[str, str]) -> None:
        self.depends: dict[KeyPath, frozenset[str]] = {}
        self._document = document
        self._environ = environ
        self._variables: dict[str, str | None] = {}
        self._resolving: list[str] = []

    def run(self) -> None:
        """Replaces the document's data by the interpolated data."""
        for name in VARIABLES:
            self._variable(name)
        for key, value in self._document.data.items():
            if key not in VARIABLES:
                self._document.data[key] = self._walk(value, (key,))

    def _walk(self, value: Any, path: KeyPath) -> Any:
        if isinstance(value, str):
            return self._text(value, path)
        if isinstance(value, dict):
            return {key: self._walk(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._walk(inner, (*path, at)) for at, inner in enumerate(value)]
        return value

    def _text(self, text: str, path: KeyPath) -> str:
        if "${" not in text:
            return text
        parts: list[str] = []
        done = 0
        uses: set[str] = set()
        for match, index in self._references(text, path):
            parts.append(text[done : match.start()])
            parts.append(self._replacement(match, index, path, uses))
            done = match.end()
        self.depends[path] = frozenset(uses)
        return "".join(parts) + text[done:]

    def _references(self, text: str, path: KeyPath) -> Iterator[tuple[re.Match[str], int]]:
        """Each reference and where it stands in the file: there, quoting may have spread the value."""
        span = self._document.spans[path]
        searched = span.start
        for match in _REFERENCE.finditer(text):
            found = self._document.text.find(match.group(), searched, span.end)
            yield match, found if found >= 0 else span.start
            searched = max(searched, found + len(match.group()))

    def _replacement(self, match: re.Match[str], index: int, path: KeyPath, uses: set[str]) -> str:
        if match.group() == "$${":
            return "${"
        name = match.group(1)
        if name is None:
            return self._missing(index, path, "${ is never closed", "close it with }, or write $${ for a literal ${")
        if name.startswith("env:"):
            return self._from_environment(name, index, path)
        if name not in VARIABLES:
            return self._missing(
                index, path, f"unknown variable {quote(match.group())}", one_of(name, VARIABLES, _FORMS)
            )
        return self._from_variable(name, index, path, uses)

    def _from_environment(self, reference: str, index: int, path: KeyPath) -> str:
        match = _ENVIRONMENT.fullmatch(reference)
        if not match:
            valid = "write ${env:NAME} or ${env:NAME:-default}"
            return self._missing(index, path, f"{quote(reference)} names no environment variable", valid)
        name, default = match.groups()
        # As in a shell, an empty variable counts as missing where there is a default.
        value = self._environ.get(name) or default
        if value is None:
            value = self._environ.get(name)
        if value is None:
            valid = f"set it, or write ${{env:{name}:-default}}"
            return self._missing(index, path, f"environment variable {name} is not set", valid)
        return value

    def _from_variable(self, name: str, index: int, path: KeyPath, uses: set[str]) -> str:
        uses.add(name)
        if name in self._resolving:
            circle = " -> ".join([*self._resolving[self._resolving.index(name) :], name])
            return self._missing(index, path, f"${{{name}}} refers to itself ({circle})", "write one of them out")
        value = self._variable(name)
        uses |= self.depends.get((name,), frozenset())
        if value is None:
            self._document.unknown.add(path)
        return value or ""

    def _variable(self, name: str) -> str | None:
        """The variable's value; None when it is missing or not to be known, which others report."""
        if name in self._variables:
            return self._variables[name]
        path: KeyPath = (name,)
        value = self._document.data.get(name)
        if isinstance(value, str):
            self._resolving.append(name)
            value = self._document.data[name] = self._text(value, path)
            self._resolving.pop()
        usable = isinstance(value, str) and path not in self._document.unknown
        self._variables[name] = value if usable else None
        return self._variables[name]

    def _missing(self, index: int, path: KeyPath, what: str, valid: str) -> str:
        self._document.unknown.add(path)
        self._document.report(self._document.place(index), what, valid)
        return ""
