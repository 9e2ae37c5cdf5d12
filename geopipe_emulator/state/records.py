"""The tables of our own services: dicts whose entries are written to the state file as they change.

Keys and values are JSON of plain values and of the dataclasses that a table names when it opens. Nothing else is ever
made from what a file says. A field that an older file lacks gets its default.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ..cold_storage import ColdValue
from .errors import StateError

if TYPE_CHECKING:
    from .file import StateFile

Key = TypeVar("Key")
Value = TypeVar("Value")

_TAG = "$"
# Longer bytes are kept once, as a content of the file.
_LONGEST_INLINE = 256


class Contents(Protocol):
    """Where large bytes are kept."""

    def keep(self, data: bytes) -> str: ...

    def content(self, digest: str) -> bytes: ...


@dataclasses.dataclass(frozen=True)
class KeptForm:
    """How objects of a class are kept that are no dataclass, or not as one: as a simpler value, and back."""

    name: str
    kept_class: type
    simplify: Callable[[Any], Any]
    restore: Callable[[Any], Any]


class Codec:
    """Turns values into JSON and back. `classes` are the dataclasses and enumerations that may occur."""

    def __init__(self, contents: Contents, classes: tuple[type, ...] = (), forms: tuple[KeptForm, ...] = ()) -> None:
        self.used: set[str] = set()
        self._contents = contents
        self._classes = {kept.__name__: kept for kept in classes}
        self._forms = {form.name: form for form in forms}
        self._by_class = {form.kept_class: form for form in forms}

    def encode(self, value: Any) -> str:
        return json.dumps(self._simple(value), separators=(",", ":"))

    def decode(self, text: str) -> Any:
        """Raises StateError for what `encode` cannot have written."""
        try:
            return self._restored(json.loads(text))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StateError(f"a record cannot be read ({type(error).__name__}: {error})") from error

    def _simple(self, value: Any) -> Any:
        kind = type(value)
        if value is None or kind in (bool, int, float, str):
            return value
        if kind in self._by_class:
            form = self._by_class[kind]
            return {_TAG: form.name, "value": self._simple(form.simplify(value))}
        if kind.__name__ in self._classes:
            if isinstance(value, Enum):
                return {_TAG: kind.__name__, "value": value.value}
            fields = {f.name: self._simple(getattr(value, f.name)) for f in dataclasses.fields(value)}
            return {_TAG: kind.__name__, **fields}
        if kind is list:
            return [self._simple(item) for item in value]
        if kind in (tuple, set, frozenset):
            return {_TAG: kind.__name__, "value": [self._simple(item) for item in value]}
        if kind is bytes:
            if len(value) <= _LONGEST_INLINE:
                return {_TAG: "bytes", "value": base64.b64encode(value).decode()}
            return {_TAG: "content", "value": self._contents.keep(value)}
        if isinstance(value, datetime):
            return {_TAG: "datetime", "value": value.isoformat()}
        if isinstance(value, Mapping):
            if all(type(key) is str and key != _TAG for key in value):
                return {key: self._simple(item) for key, item in value.items()}
            return {_TAG: "dict", "value": [[self._simple(key), self._simple(item)] for key, item in value.items()]}
        raise TypeError(f"{kind.__name__} is not among the classes of this table")

    def _restored(self, plain: Any) -> Any:
        if isinstance(plain, list):
            return [self._restored(item) for item in plain]
        if not isinstance(plain, dict):
            return plain
        if _TAG not in plain:
            return {key: self._restored(item) for key, item in plain.items()}
        tag = plain[_TAG]
        if tag in self._forms:
            return self._forms[tag].restore(self._restored(plain["value"]))
        if tag in self._classes:
            kept = self._classes[tag]
            if issubclass(kept, Enum):
                return kept(plain["value"])
            return kept(**{name: self._restored(item) for name, item in plain.items() if name != _TAG})
        value = plain["value"]
        match tag:
            case "tuple":
                return tuple(self._restored(item) for item in value)
            case "set":
                return {self._restored(item) for item in value}
            case "frozenset":
                return frozenset(self._restored(item) for item in value)
            case "bytes":
                return base64.b64decode(value)
            case "content":
                self.used.add(value)
                return self._contents.content(value)
            case "datetime":
                return datetime.fromisoformat(value)
            case "dict":
                return {self._restored(key): self._restored(item) for key, item in value}
        raise ValueError(f"{tag!r} is not known")


class RecordTable(dict[Key, Value]):
    """A dict that passes on each change. Its values do not change, or their owner calls `save`.

    Only `[]`, `del`, `pop` and `clear` change it; the other ways of a dict are not for tables.
    """

    def __init__(self, write: Callable[[Key, Any], None] | None = None) -> None:
        super().__init__()
        self._write = write

    def load(self, key: Key, value: Value) -> None:
        """Add an entry that the file already has."""
        super().__setitem__(key, value)

    def __setitem__(self, key: Key, value: Value) -> None:
        super().__setitem__(key, value)
        self.save(key)

    def __delitem__(self, key: Key) -> None:
        super().__delitem__(key)
        self.save(key)

    def pop(self, key: Key, *default: Any) -> Any:
        value = super().pop(key, *default)
        self.save(key)
        return value

    def clear(self) -> None:
        for key in list(self):
            del self[key]

    def save(self, key: Key) -> None:
        """Write an entry as it is now, or that it is gone."""
        if self._write is not None:
            self._write(key, self.get(key))


class ColdRecordTable(RecordTable[Key, Value]):
    """A table that moves values to cold storage for which `is_cold` is true. Each read of one returns a new copy."""

    def __init__(self, write: Callable[[Key, Any], None] | None, is_cold: Callable[[Value], bool]) -> None:
        super().__init__(write)
        self._is_cold = is_cold

    def load(self, key: Key, value: Value) -> None:
        held: Any = ColdValue(value) if self._is_cold(value) else value
        super().load(key, held)

    def __setitem__(self, key: Key, value: Value) -> None:
        self.load(key, value)
        self.save(key)

    def __getitem__(self, key: Key) -> Value:
        return self._warm(super().__getitem__(key))

    def get(self, key: Key, default: Any = None) -> Any:
        return self._warm(super().get(key, default))

    def pop(self, key: Key, *default: Any) -> Any:
        return self._warm(super().pop(key, *default))

    def values(self) -> Any:
        return [self._warm(value) for value in super().values()]

    def items(self) -> Any:
        return [(key, self._warm(value)) for key, value in super().items()]

    def _warm(self, value: Any) -> Value:
        warm: Value = value.read() if isinstance(value, ColdValue) else value
        return warm


class RecordTables:
    """Opens tables: in the state file, or without one in memory only."""

    def __init__(self, file: StateFile | None = None) -> None:
        self._file = file
        self._codecs: list[Codec] = []

    @property
    def are_kept(self) -> bool:
        """Whether the tables survive the process."""
        return self._file is not None

    def open(
        self,
        kind: str,
        *classes: type,
        forms: tuple[KeptForm, ...] = (),
        simplify: Callable[[Any], Any] = lambda value: value,
        restore: Callable[[Any], Any] = lambda value: value,
        is_cold: Callable[[Any], bool] | None = None,
    ) -> RecordTable[Any, Any]:
        """Return the table of this kind with its entries, in the order in which they were added.

        Args:
            kind: Its name in the file.
            classes: The dataclasses and enumerations in its keys and values.
            forms: What is kept in another form.
            simplify: What is written of a value. It cannot be None.
            restore: Makes a value of what was written.
            is_cold: Whether a value may leave memory until someone reads it. It is then a new copy each time.

        Raises:
            StateError: an entry cannot be read.
        """
        file = self._file
        if file is None:
            return _new_table(None, is_cold)
        codec = Codec(file, classes, forms)
        self._codecs.append(codec)

        def write(key: Any, value: Any) -> None:
            if self._file is None:
                return
            content = None if value is None else codec.encode(simplify(value))
            with file.together():
                # Under the lock, as in `close`: nothing is written after it.
                if self._file is not None:
                    file.write([(kind, codec.encode(key), content)])

        table = _new_table(write, is_cold)
        for key, value in file.rows(kind):
            try:
                table.load(codec.decode(str(key)), restore(codec.decode(str(value))))
            except StateError as error:
                raise StateError(f"{file.path}: {kind} {key}: {error}") from error
        return table

    def together(self) -> AbstractContextManager[None]:
        """Return a block whose changes are written together: a kill leaves all of them, or none.

        It holds the lock of the file. So a lock that is held elsewhere during a change must be taken before it.
        """
        return nullcontext() if self._file is None else self._file.together()

    def used_contents(self) -> set[str]:
        """Returns the digests of all contents that the entries had when their tables opened."""
        return {digest for codec in self._codecs for digest in codec.used}

    def close(self) -> None:
        """Write nothing more: what changes from now on is not part of the account."""
        with self.together():
            self._file = None


def _new_table(
    write: Callable[[Any, Any], None] | None, is_cold: Callable[[Any], bool] | None
) -> RecordTable[Any, Any]:
    return RecordTable(write) if is_cold is None else ColdRecordTable(write, is_cold)
