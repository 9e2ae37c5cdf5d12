"""Turns YAML text into plain data that remembers where each key and value stands.

It knows YAML and nothing of what the keys mean. It is stricter than YAML where YAML surprises: duplicate keys, merge
keys, foreign tags and keys that are not text are problems, not guesses. PyYAML's pure Python parser is used on
purpose: its positions and messages are the same on every machine, and deep nesting cannot crash it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import yaml

from ..errors import ConfigError
from .document import Document, KeyPath, Span
from .messages import quote
from .source import STARTING_POINT

MAX_VALUES = 10_000
# Aliases may repeat text, but not more of it than a file may hold.
MAX_TEXT = 1_000_000
# No number that a configuration needs is longer. Python takes quadratic time to read long ones, and refuses to print
# integers of more than 4,300 digits.
_MAX_NUMBER_LENGTH = 100
_TAG = "tag:yaml.org,2002:"
_SCALAR_TAGS = {_TAG + name for name in ("null", "bool", "int", "float", "str", "timestamp")}
_NUMBER_TAGS = {_TAG + "int", _TAG + "float"}

# PyYAML's wording, and what it means to someone who wrote a configuration.
_SYNTAX = {
    "could not find expected ':'": ("a colon is missing after a key", "write `key: value`"),
    "mapping values are not allowed here": (
        "a colon in a place where YAML allows none",
        "indent evenly; quote text with a colon in it",
    ),
    "expected <block end>": ("the indentation does not fit the lines above", "indent the keys of a section alike"),
    "found undefined alias": ("an alias (*name) without its anchor (&name)", "put text that begins with * in quotes"),
    "found unexpected end of stream": ("a quote is opened and never closed", "close it"),
    "found another document": ("a second document begins here", "keep one, without `---`"),
    "cannot start any token": ("a character that cannot begin a value", "put the value in quotes"),
    "found unknown escape character": ("an unknown escape after a backslash", "use single quotes"),
    "but got '<stream end>'": ("a bracket is opened and never closed", "close it"),
    "expected ',' or": ("a comma or a closing bracket is missing before this", "add it"),
}


def parse(name: str, text: str) -> Document:
    """Returns the document in `text`.

    Raises:
        ConfigError: nothing can be read after some position.
    """
    document = Document(name, text)
    try:
        root = _compose(document)
        if root is None:
            raise document.fatal(0, "the file holds no settings", STARTING_POINT)
        if not isinstance(root, yaml.MappingNode):
            raise document.fatal(
                root.start_mark.index, "the file has text but no settings", "write lines of `key: value`"
            )
        document.data = _Reader(document).value(root, (), root.start_mark.index) or {}
    except RecursionError:
        raise document.fatal(0, "the settings are nested too deeply", STARTING_POINT) from None
    return document


def parse_value(name: str, text: str, path: KeyPath, column: int, *, as_text: bool) -> Document:
    """Returns the document in which only the value at `path` is given. It stands `column` characters into a line.

    Raises:
        ConfigError: it is no YAML.
    """
    document = Document(name, " " * column + text)
    node: yaml.Node | None
    if as_text:
        start, end = (yaml.Mark(name, index, 0, index, None, 0) for index in (column, len(document.text)))
        node = yaml.ScalarNode(_TAG + "str", text, start, end, style="'")
    else:
        node = _compose(document) if text.strip() else None
    if node is None:
        raise document.fatal(column, "there is no value after =", "write null for none")
    value = _Reader(document).value(node, path, 0)
    for length in range(len(path)):
        document.spans[path[:length]] = Span(0, len(document.text), "", 0)
    for key in reversed(path):
        value = {key: value}
    document.data = value
    return document


class _Loader(yaml.SafeLoader):
    """Stops at the first node too many, before the whole file has been parsed."""

    def __init__(self, document: Document) -> None:
        super().__init__(document.text)
        self._document = document
        self._nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        self._nodes += 1
        if self._nodes > 2 * MAX_VALUES:  # a key and its value
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise _too_many_values(self._document, event.start_mark.index)
        return super().compose_node(parent, index)


def _too_many_values(document: Document, index: int) -> ConfigError:
    return document.fatal(index, f"there are more than {MAX_VALUES:,} values", STARTING_POINT)


def _compose(document: Document) -> yaml.Node | None:
    try:
        root: yaml.Node | None = _Loader(document).get_single_node()
        return root
    except yaml.reader.ReaderError as error:
        code = error.character if isinstance(error.character, int) else ord(error.character)
        raise document.fatal(error.position, f"character U+{code:04X} is not allowed", "remove it") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        index = mark.index if mark else 0
        tab = _tab_near(document.text, index)
        if tab is not None:
            raise document.fatal(tab, "a tab is used for indentation", "use spaces") from None
        # What was opened and never closed is noticed at the very end, which is of no help.
        opened = error.context_mark if error.context_mark and _never_ended(error) else None
        raise document.fatal(opened.index if opened else index, *_explain(error)) from None


def _never_ended(error: yaml.MarkedYAMLError) -> bool:
    endings = ("could not find expected ':'", "found unexpected end of stream", "but got '<stream end>'")
    return any(ending in (error.problem or "") for ending in endings)


def _explain(error: yaml.MarkedYAMLError) -> tuple[str, str]:
    said = " ".join(part for part in (error.context, error.problem) if part)
    for fragment, explanation in _SYNTAX.items():
        if fragment in said:
            return explanation
    return f"this is not valid YAML ({error.problem or error.context})", "put text with special characters in quotes"


def _tab_near(text: str, index: int) -> int | None:
    """Where a tab indents the line at `index`, or the line before it, since parsers notice late."""
    start = text.rfind("\n", 0, index) + 1
    before = text.rfind("\n", 0, max(start - 1, 0)) + 1
    for line_start in (start, before):
        line = text[line_start:].split("\n", 1)[0]
        indentation = line[: len(line) - len(line.lstrip())]
        if "\t" in indentation and line.strip():
            return line_start + indentation.index("\t")
    return None


class _Reader:
    """Turns nodes into data, noting spans and problems in the document."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._scalars = yaml.constructor.SafeConstructor()
        self._values = 0
        self._text = 0
        self._open: set[int] = set()

    def value(self, node: yaml.Node, path: KeyPath, key_start: int) -> Any:
        start = node.start_mark.index
        written = node.value if isinstance(node, yaml.ScalarNode) else ""
        plain = isinstance(node, yaml.ScalarNode) and node.style is None
        self._document.spans[path] = Span(start, node.end_mark.index, written, key_start, plain)
        self._values += 1
        self._text += len(written)
        if self._values > MAX_VALUES:
            raise _too_many_values(self._document, start)
        if self._text > MAX_TEXT:
            raise self._document.fatal(start, f"aliases repeat more than {MAX_TEXT:,} characters", STARTING_POINT)
        if id(node) in self._open:
            raise self._document.fatal(start, "an alias contains itself", "write the values out")
        self._open.add(id(node))
        try:
            return self._read(node, path)
        finally:
            self._open.discard(id(node))

    def _read(self, node: yaml.Node, path: KeyPath) -> Any:
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALAR_TAGS:
            return self._scalar(node, path)
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.value(item, (*path, at), item.start_mark.index) for at, item in enumerate(node.value)]
        valid = "write a plain value"
        if isinstance(node, yaml.ScalarNode) and node.tag in (_TAG + "value", _TAG + "merge"):
            valid = f"put it in quotes: {quote(node.value)}"  # `=` and `<<` mean something in old YAML
        return self._unknown(node, path, f"the tag {_tag(node.tag)} is not supported", valid)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        first: dict[str, int] = {}
        data: dict[str, Any] = {}
        for key_node, value_node in self._entries(node):
            key, start = key_node.value, key_node.start_mark.index
            if key in first:
                earlier = self._document.position(first[key])
                what = f"key {quote(key)} is given twice"
                self._report(key_node, what, f"keep one of them; the first is at {earlier}")
            else:
                first[key] = start
                data[key] = self.value(value_node, (*path, key), start)
        return data

    def _entries(self, node: yaml.MappingNode) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._report(key_node, "a list or a section is used as a key", "keys are plain words")
            elif key_node.tag == _TAG + "merge":
                self._report(key_node, "merge keys (<<) are not supported", "write the keys out")
            elif key_node.tag != _TAG + "str":
                written = quote(key_node.value or "null")
                self._report(key_node, f"the key {written[1:-1]} is not text", f"put it in quotes: {written}")
            else:
                yield key_node, value_node

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> Any:
        written = quote(node.value)
        if node.tag in _NUMBER_TAGS and len(node.value) > _MAX_NUMBER_LENGTH:
            return self._unknown(node, path, f"the number {written} is too long", "put it in quotes if it is text")
        try:
            value = self._scalars.construct_object(node)
        # PyYAML fails in many ways on text that does not fit an explicit tag, such as `!!timestamp x`.
        except (ValueError, LookupError, OverflowError, AttributeError, TypeError, yaml.YAMLError):
            return self._unknown(node, path, f"{written} cannot be read", "put it in quotes if it is text")
        if isinstance(value, float) and not math.isfinite(value):
            return self._unknown(
                node,
                path,
                f"{written} is not a number to count with",
                "write a finite number, or put it in quotes if it is text",
            )
        return value

    def _unknown(self, node: yaml.Node, path: KeyPath, what: str, valid: str) -> None:
        self._document.unknown.add(path)
        self._report(node, what, valid)

    def _report(self, node: yaml.Node, what: str, valid: str) -> None:
        self._document.report(self._document.position(node.start_mark.index), what, valid)


def _tag(tag: str) -> str:
    return quote(tag.replace(_TAG, "!!", 1))[1:-1]
