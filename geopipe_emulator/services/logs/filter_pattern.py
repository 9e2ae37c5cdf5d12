"""The filter patterns of FilterLogEvents: terms, JSON and space-delimited fields. Pure.

The language is in "Filter pattern syntax" of the CloudWatch Logs User Guide. A pattern outside of it is refused, as is
what this emulator lacks (selectors with wildcards): to ignore a pattern would return other events than AWS does.
"""

from __future__ import annotations

import fnmatch
import json
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

Matches = Callable[[str], bool]
Value = Callable[[Any], bool]

MAX_PATTERN = 1024
_TERM = re.compile(r'(?P<sign>[-?]?)(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|%(?P<regex>[^%]+)%|(?P<word>[^\s"%]+))')
_STEPS = r'(?:\.[A-Za-z0-9_@-]+|\[\d+\]|\["[^"]+"\])+'
_TOKEN = re.compile(
    rf"\s*(?:(?P<selector>\${_STEPS})"
    r"|(?P<symbol>\(|\)|&&|\|\||!=|<=|>=|=|<|>)"
    r'|(?P<quoted>"(?:[^"\\]|\\.)*")|(?P<regex>%[^%]+%)|(?P<word>[^\s()&|=!<>"%,]+))'
)
_SELECTOR = re.compile(rf"\${_STEPS}")
_STEP = re.compile(r'\.([A-Za-z0-9_@-]+)|\[(\d+)\]|\["([^"]+)"\]')
_FIELD = re.compile(r'"[^"]*"|\[[^\]]*\]|\S+')
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_ORDER: Mapping[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class InvalidPatternError(Exception):
    """The pattern is not in the language; the text says why."""


def parse_pattern(pattern: str) -> Matches:
    """Return whether a message matches `pattern`, as a function.

    Raises:
        InvalidPatternError: the pattern is not valid.
    """
    if len(pattern) > MAX_PATTERN:
        raise InvalidPatternError(f"a pattern has at most {MAX_PATTERN} characters, not {len(pattern)}")
    text = pattern.strip()
    if text.startswith("{"):
        return _parse_json_pattern(text)
    if text.startswith("["):
        return _parse_field_pattern(text)
    return _parse_terms(text)


def _parse_terms(text: str) -> Matches:
    required: list[Matches] = []
    excluded: list[Matches] = []
    optional: list[Matches] = []
    position = 0
    while position < len(text):
        if text[position].isspace():
            position += 1
            continue
        match = _TERM.match(text, position)
        if match is None or (match.end() < len(text) and not text[match.end()].isspace()):
            raise InvalidPatternError(f"the term at {text[position : position + 20]!r} cannot be read")
        terms = {"-": excluded, "?": optional, "": required}[match["sign"]]
        if match["regex"] is not None:
            terms.append(_regex(match["regex"]))
        else:
            terms.append(_contains(_unquote(match["quoted"]) if match["quoted"] is not None else _word(match["word"])))
        position = match.end()
    if optional and not required and not excluded:
        return lambda message: any(matches(message) for matches in optional)
    # AWS ignores the optional terms of a pattern that has other terms, too.
    return lambda message: (
        all(matches(message) for matches in required) and not any(matches(message) for matches in excluded)
    )


def _word(word: str) -> str:
    if not re.fullmatch(r"\w+", word):
        raise InvalidPatternError(f"Invalid character(s) in term '{word}'; put it in double quotes")
    return word


def _contains(part: str) -> Matches:
    return lambda message: part in message


def _regex(source: str) -> Matches:
    # Without groups, a search cannot take exponential time.
    if re.search(r"(?<!\\)[()]", source):
        raise InvalidPatternError(f"the regular expression %{source}% has parentheses, which are not supported")
    try:
        compiled = re.compile(source)
    except re.error as error:
        raise InvalidPatternError(f"the regular expression %{source}% is not valid: {error}") from None
    return lambda message: compiled.search(message) is not None


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


class _Tokens:
    """The tokens of a condition, read from left to right."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        position = 0
        while text[position:].strip():
            match = _TOKEN.match(text, position)
            if match is None:
                raise InvalidPatternError(f"unexpected {text[position:].strip()[:20]!r}")
            self._tokens.append(match.group().strip())
            position = match.end()
        self._tokens.reverse()

    def next(self) -> str:
        if not self._tokens:
            raise InvalidPatternError("the pattern ends too early")
        return self._tokens.pop()

    def take(self, *words: str) -> str:
        """Return the next token and remove it if it is one of `words`; else return ""."""
        return self._tokens.pop() if self._tokens and self._tokens[-1].upper() in words else ""

    def require_end(self) -> None:
        if self._tokens:
            raise InvalidPatternError(f"unexpected {self._tokens[-1]!r}")


def _parse_either(tokens: _Tokens, parse_one: Callable[[_Tokens], Value]) -> Value:
    """Parse conditions with `&&`, which binds more, and `||`."""
    alternatives = [_parse_all(tokens, parse_one)]
    while tokens.take("||"):
        alternatives.append(_parse_all(tokens, parse_one))
    return lambda value: any(holds(value) for holds in alternatives)


def _parse_all(tokens: _Tokens, parse_one: Callable[[_Tokens], Value]) -> Value:
    conditions = [_parse_group(tokens, parse_one)]
    while tokens.take("&&"):
        conditions.append(_parse_group(tokens, parse_one))
    return lambda value: all(holds(value) for holds in conditions)


def _parse_group(tokens: _Tokens, parse_one: Callable[[_Tokens], Value]) -> Value:
    if not tokens.take("("):
        return parse_one(tokens)
    condition = _parse_either(tokens, parse_one)
    if not tokens.take(")"):
        raise InvalidPatternError("a parenthesis is not closed")
    return condition


def _parse_json_pattern(text: str) -> Matches:
    if not text.endswith("}"):
        raise InvalidPatternError("a JSON pattern ends with }")
    tokens = _Tokens(text[1:-1])
    condition = _parse_either(tokens, _parse_property)
    tokens.require_end()

    def matches(message: str) -> bool:
        try:
            document = json.loads(message)
        except (ValueError, RecursionError):
            return False
        return isinstance(document, dict | list) and condition(document)

    return matches


_MISSING = object()
_CONSTANTS = {"TRUE": True, "FALSE": False, "NULL": None}


def _parse_property(tokens: _Tokens) -> Value:
    selector = tokens.next()
    if not _SELECTOR.fullmatch(selector):
        raise InvalidPatternError(f"{selector!r} is not a property selector such as $.level")
    steps = [int(m[2]) if m[2] else (m[1] or m[3]) for m in _STEP.finditer(selector)]
    if tokens.take("NOT"):
        if not tokens.take("EXISTS"):
            raise InvalidPatternError("NOT is followed by EXISTS")
        return lambda document: _select(document, steps) is _MISSING
    if tokens.take("EXISTS"):
        return lambda document: _select(document, steps) is not _MISSING
    if tokens.take("IS"):
        word = tokens.next().upper()
        if word not in _CONSTANTS:
            raise InvalidPatternError(f"IS is followed by TRUE, FALSE or NULL, not {word}")
        return lambda document: _select(document, steps) is _CONSTANTS[word]
    compare = _parse_comparison(tokens)

    def holds(document: Any) -> bool:
        value = _select(document, steps)
        # A property that is missing, or that is not a value, satisfies no comparison.
        return not (value is _MISSING or value is None or isinstance(value, dict | list)) and compare(value)

    return holds


def _select(document: Any, steps: list[int | str]) -> Any:
    for step in steps:
        container: Any = list if isinstance(step, int) else dict
        if not isinstance(document, container):
            return _MISSING
        try:
            document = document[step]
        except LookupError:
            return _MISSING
    return document


def _parse_comparison(tokens: _Tokens) -> Value:
    operation = tokens.take("=", "!=", *_ORDER)
    if not operation:
        raise InvalidPatternError(f"expected an operator: =, !=, {', '.join(_ORDER)}")
    operand = tokens.next()
    if operation in _ORDER:
        if not _NUMBER.fullmatch(operand):
            raise InvalidPatternError(f"{operation} compares numbers, not {operand}")
        compare, limit = _ORDER[operation], float(operand)
        return lambda value: (number := _number(value)) is not None and compare(number, limit)
    equals = _parse_operand(operand)
    return equals if operation == "=" else lambda value: not equals(value)


def _parse_operand(operand: str) -> Value:
    if operand.startswith("%"):
        search = _regex(operand[1:-1])
        return lambda value: search(_text(value))
    if _NUMBER.fullmatch(operand):
        number = float(operand)
        return lambda value: _number(value) == number
    text = _unquote(operand[1:-1]) if operand.startswith('"') else operand
    # Only * is special: ? and [ stand for themselves.
    wildcard = re.compile(fnmatch.translate(re.sub(r"([?\[])", r"[\1]", text)))
    return lambda value: wildcard.match(_text(value)) is not None


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    return float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _parse_field_pattern(text: str) -> Matches:
    if not text.endswith("]"):
        raise InvalidPatternError("a pattern of fields ends with ]")
    fields = [field.strip() for field in _split_fields(text[1:-1])]
    if fields.count("...") > 1:
        raise InvalidPatternError("a pattern of fields has at most one ellipsis")
    conditions = [None if field == "..." else _parse_field(field) for field in fields]
    gap = conditions.index(None) if None in conditions else None
    before = [c for c in conditions[:gap] if c is not None]
    after = [] if gap is None else [c for c in conditions[gap + 1 :] if c is not None]

    def matches(message: str) -> bool:
        values = [_strip_field(value) for value in _FIELD.findall(message)]
        if len(values) < len(before) + len(after) or (gap is None and len(values) != len(before)):
            return False
        last = values[len(values) - len(after) :]
        return all(
            holds(value) for holds, value in zip([*before, *after], [*values[: len(before)], *last], strict=True)
        )

    return matches


def _strip_field(value: str) -> str:
    return value[1:-1] if len(value) > 1 and (value[0], value[-1]) in (('"', '"'), ("[", "]")) else value


def _split_fields(text: str) -> list[str]:
    """Split at the commas that are not in quotes or regular expressions."""
    return re.split(r',(?=(?:[^"%]|"[^"]*"|%[^%]*%)*$)', text)


def _parse_field(field: str) -> Value:
    """Parse a field: a name, or conditions about that name."""
    if not field:
        raise InvalidPatternError("a field has no name")
    if re.fullmatch(r"\w+", field):
        return lambda value: True
    tokens = _Tokens(field)
    names: set[str] = set()

    def parse_one(tokens: _Tokens) -> Value:
        names.add(name := tokens.next())
        if not re.fullmatch(r"\w+", name):
            raise InvalidPatternError(f"{name!r} is not the name of a field")
        return _parse_comparison(tokens)

    condition = _parse_either(tokens, parse_one)
    tokens.require_end()
    if len(names) > 1:
        raise InvalidPatternError(f"one field has two names: {', '.join(sorted(names))}")
    return condition
