"""Imports a library without the modules that it needs for rare things only, until one of them happens."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any


@contextmanager
def deferred_imports(*names: str) -> Iterator[None]:
    """Within the block, `from NAME import function` gives a stand-in that imports the module when it is called.

    A module that is loaded already stays as it is. The stand-ins are good for calls and attributes only: nothing can
    inherit from one, or be an instance of one.
    """
    stand_ins = {name: _DeferredModule(name) for name in names if name not in sys.modules}
    sys.modules.update(stand_ins)
    try:
        yield
    finally:
        for name in stand_ins:
            sys.modules.pop(name, None)


class _DeferredModule(ModuleType):
    """A module that has every name."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _DeferredName(self.__name__, name)


class _DeferredName:
    """A function, class or object of a module that is not loaded yet."""

    def __init__(self, module: str, name: str) -> None:
        self._module = module
        self._name = name

    def _load(self) -> Any:
        return getattr(importlib.import_module(self._module), self._name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._load()(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._load(), name)
