"""A Jinja environment in which every template ends: in time, in memory, and in the length of what it makes.

A template is a program. A loop in a loop, or a number such as `10**(10**9)`, would keep us busy forever, and Python
cannot be interrupted within one operation. So the length of a result is estimated before each operation that could
make a long one, and a clock is read at every line of the template.
"""

from __future__ import annotations

import functools
import re
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator, MappingView, Sequence, Set
from contextlib import contextmanager
from itertools import islice
from types import FrameType
from typing import Any

from jinja2 import nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

MAX_SECONDS = 5.0
# SageMaker's limit for a pipeline definition, in bytes. No value on the way to one needs to be longer.
MAX_LENGTH = 1_048_576
_MAX_BITS = 10_000
_MAX_MEMORY = 512 * 1024 * 1024
# Python fills a few MB in this time. To ask the system at every line takes longer than to run the line.
_MEMORY_CHECK_SECONDS = 0.001
_COLLECTIONS: tuple[type[Any], ...] = (Sequence, Set, dict, MappingView)
# A width or precision of seven digits, or one that is an argument.
_LONG_WIDTH = re.compile(r"[0-9]{7}|%[-+ #0-9]*\*")


class LimitExceeded(Exception):  # noqa: N818 - the message continues a sentence about the template
    """The template needs more time, memory or room than any pipeline definition."""


class BoundedEnvironment(SandboxedEnvironment):
    """The sandbox of Jinja, with bounds on everything that grows."""

    intercepted_binops = frozenset({"+", "*", "**", "%"})

    def __init__(self, **options: Any) -> None:
        # Without the optimizer, nothing is computed before the clock runs.
        super().__init__(optimized=False, finalize=check_size, **options)
        self.globals.pop("lipsum")  # random text has no place in a definition
        for name, function in self.filters.items():
            self.filters[name] = _bound(function)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Apply an operator whose result is not too long."""
        if operator == "%" and isinstance(left, str):
            _check_widths(left)
        elif isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length()
            if (operator == "**" and bits * right > _MAX_BITS) or (
                operator == "*" and bits + right.bit_length() > _MAX_BITS
            ):
                raise LimitExceeded("a number is too large")
        elif operator == "*" and isinstance(left, int):
            _check_product(right, left)
        elif operator == "*" and isinstance(right, int):
            _check_product(left, right)
        return check_size(super().call_binop(context, operator, left, right))

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - as in Jinja
        """Call a function or method whose result is not too long."""
        # The sandbox wraps `str.format`.
        method = getattr(__obj, "__wrapped__", __obj)
        owner = getattr(method, "__self__", None)
        args = _materialize(args)
        _check_arguments(owner, *args, *kwargs.values())
        if isinstance(owner, str) and method.__name__ in ("format", "format_map"):
            _check_widths(owner)
        result = check_size(super().call(__context, __obj, *args, **kwargs))
        check_size(owner)  # which `append` and the like have changed
        return result

    @staticmethod
    def concat(parts: Iterable[str]) -> str:
        """Returns the parts as one text; stops as soon as it is too long."""
        collected: list[str] = []
        length = 0
        for part in parts:
            length += len(part)
            if length > MAX_LENGTH:
                raise LimitExceeded(f"it makes more than {MAX_LENGTH:,} characters")
            collected.append(part)
        return "".join(collected)


class _BoundedCode(CodeGenerator):
    """Checks the size of every list, section and joined text that a template makes."""

    def _checked(self, visit: Callable[..., None], node: nodes.Node, frame: Frame) -> None:
        self.write("environment.check_size(")
        visit(node, frame)
        self.write(")")

    def visit_List(self, node: nodes.List, frame: Frame) -> None:  # noqa: N802 - Jinja calls it by this name
        self._checked(super().visit_List, node, frame)

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:  # noqa: N802
        self._checked(super().visit_Dict, node, frame)

    def visit_Tuple(self, node: nodes.Tuple, frame: Frame) -> None:  # noqa: N802
        if node.ctx == "load":
            self._checked(super().visit_Tuple, node, frame)
        else:
            super().visit_Tuple(node, frame)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802
        self.write("environment.join(")
        for operand in node.nodes:
            self.visit(operand, frame)
            self.write(", ")
        self.write(")")


def check_size(value: Any) -> Any:
    """Returns a value, unless it would be too long in JSON."""
    length = 0
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            length += len(item)
        elif isinstance(item, dict):
            pending += item.keys()
            pending += item.values()
        elif isinstance(item, _COLLECTIONS):
            pending += item
        length += 1
        if length + len(pending) > MAX_LENGTH:
            raise LimitExceeded(f"a value is longer than {MAX_LENGTH:,} characters")
    return value


def _join(*operands: Any) -> str:
    """Returns what the operator `~` makes."""
    return BoundedEnvironment.concat(str(check_size(operand)) for operand in operands)


BoundedEnvironment.code_generator_class = _BoundedCode
BoundedEnvironment.check_size = staticmethod(check_size)  # type: ignore[attr-defined]
BoundedEnvironment.join = staticmethod(_join)  # type: ignore[attr-defined]


def _bound(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a filter that refuses arguments from which it would make a long result."""

    @functools.wraps(function)
    def bounded(*args: Any, **kwargs: Any) -> Any:
        args = _materialize(args)
        _check_arguments(*args, *kwargs.values())
        for argument in args:
            if function.__name__ == "do_format" and isinstance(argument, str):
                _check_widths(argument)
        return check_size(function(*args, **kwargs))

    return bounded


def _materialize(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Returns arguments with lists in place of generators, whose length is unknown."""
    lists = (list(islice(item, MAX_LENGTH)) if isinstance(item, Iterator) else item for item in arguments)
    return tuple(lists)


def _check_arguments(*arguments: Any) -> None:
    """Refuses widths and counts that are too large, and texts that would be put between too many others."""
    product = 1
    for argument in arguments:
        if isinstance(argument, int) and abs(argument) > MAX_LENGTH:
            raise LimitExceeded("a number is too large")
        if isinstance(argument, _COLLECTIONS):  # text is one, too
            check_size(argument)
            product *= len(argument) + 1
    if product > 16 * MAX_LENGTH:
        raise LimitExceeded(f"a value is longer than {MAX_LENGTH:,} characters")


def _check_product(value: Any, count: int) -> None:
    if isinstance(value, str | list | tuple) and len(value) * count > MAX_LENGTH:
        raise LimitExceeded(f"a value is longer than {MAX_LENGTH:,} characters")


def _check_widths(text: str) -> None:
    if _LONG_WIDTH.search(text):
        raise LimitExceeded("a width is too large")


@contextmanager
def limited(filename: str) -> Iterator[None]:
    """Bound the time and memory of a template while the block runs it; `filename` is that of its code."""
    # The highest use so far, in KB (bytes on macOS).
    unit = 1 if sys.platform == "darwin" else 1024
    memory_limit = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + _MAX_MEMORY // unit
    began = next_memory_check = time.monotonic()
    deadline = began + MAX_SECONDS
    before = sys.gettrace()

    def check(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal next_memory_check
        is_template = frame.f_code.co_filename == filename
        if is_template and event == "call":
            return check  # the line of a call is not known yet
        now = time.monotonic()
        if now > deadline:
            raise LimitExceeded(f"it takes more than {MAX_SECONDS:g} seconds")
        if now >= next_memory_check:
            next_memory_check = now + _MEMORY_CHECK_SECONDS
            if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > memory_limit:
                raise LimitExceeded(f"it needs more than {_MAX_MEMORY:,} bytes of memory")
        return check if is_template else None

    sys.settrace(check)
    try:
        yield
    finally:
        sys.settrace(before)
