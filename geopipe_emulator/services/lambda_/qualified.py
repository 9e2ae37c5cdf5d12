"""What functions have for each qualifier: a version, an alias, or the function as a whole."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

from ...state.records import RecordTables
from .names import LATEST, FunctionKey, FunctionName

Value = TypeVar("Value")


class QualifiedStore(Generic[Value]):
    """Values by function and qualifier. A name without a qualifier is the same as one with $LATEST."""

    def __init__(self, kept_class: type[Value], tables: RecordTables | None = None) -> None:
        self.lock = threading.RLock()
        self._values: dict[tuple[FunctionKey, str], Value] = (tables or RecordTables()).open(
            f"lambda {kept_class.__name__}", FunctionKey, kept_class
        )

    def get(self, name: FunctionName) -> Value | None:
        with self.lock:
            return self._values.get((name.key, name.qualifier or LATEST))

    def put(self, name: FunctionName, value: Value) -> None:
        with self.lock:
            self._values[name.key, name.qualifier or LATEST] = value

    def remove(self, name: FunctionName) -> None:
        with self.lock:
            self._values.pop((name.key, name.qualifier or LATEST), None)

    def of(self, key: FunctionKey) -> dict[str, Value]:
        """Return the values of all qualifiers of a function."""
        with self.lock:
            return {qualifier: value for (function, qualifier), value in self._values.items() if function == key}

    def all(self) -> list[tuple[FunctionName, Value]]:
        """Return everything, with the name that has it."""
        with self.lock:
            return [(FunctionName(key, None if q == LATEST else q), value) for (key, q), value in self._values.items()]

    def remove_deleted(self, name: FunctionName) -> None:
        """Forget a qualifier that was deleted; all of the function if the name has none."""
        for qualifier in [name.qualifier] if name.qualifier else list(self.of(name.key)):
            self.remove(FunctionName(name.key, qualifier))
