"""Saves moto's backends in the state file, and restores them.

A backend is saved in rows: one for each object in its dicts, such as a queue or a bucket, and one for the rest. A row
refers to the others by their names, so that what was one object stays one object, and only rows that have changed are
written. The contents of S3's objects are kept apart, once each.

The rows are pickles. Only classes of moto, a few of the standard library and one of ours are ever loaded from one; a
backend with anything else is not saved, and the emulator says so.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import pickle
import threading
import time
import types
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ..gateway.call_log import is_mutating
from ..messages import warn
from .errors import StateError
from .file import StateFile

if TYPE_CHECKING:
    from ..gateway.call import Call

# Services whose calls change nothing in another one, apart from these calls. Calls of the others may: a database or a
# load balancer has network interfaces, for instance.
_ALONE = frozenset(
    {"dynamodb", "events", "iam", "kms", "logs", "s3", "scheduler", "secretsmanager", "sns", "sqs", "ssm", "sts"}
)
_REACHING = frozenset(
    {
        ("dynamodb", "CreateTable"),
        ("dynamodb", "ExportTableToPointInTime"),
        ("dynamodb", "UpdateTable"),
        ("logs", "CreateExportTask"),
    }
)
# Backends of moto that hold nothing of the account: its own controls, and what our services stand in for.
_NOT_OURS = frozenset({"awslambda", "instance_metadata", "moto_api"})
# Seconds after which a change is saved that no response waits for.
_LATEST_SAVE = 1.0
# Bytes of a body that is read before moto handles the request, so that no slow client keeps others waiting.
_LONGEST_BODY = 8 * 1024 * 1024
_ATTEMPTS = 5
_KIND = "moto/"
_HERE = __name__
# Where the library `cryptography` has its keys and certificates, for KMS, ACM and key pairs.
_KEYS = "cryptography.hazmat.bindings._rust"
_PLAIN = {
    "builtins": {"bytearray", "complex", "dict", "frozenset", "list", "object", "range", "set", "slice", "tuple"},
    "collections": {"Counter", "OrderedDict", "defaultdict", "deque"},
    "copyreg": {"_reconstructor"},
    "datetime": {"date", "datetime", "time", "timedelta", "timezone"},
    "geopipe_emulator.services.logs.cold_events": {"ColdEvents"},
    "decimal": {"Decimal"},
    "ipaddress": {"IPv4Address", "IPv4Network", "IPv6Address", "IPv6Network"},
    "re": {"_compile"},
    "requests.structures": {"CaseInsensitiveDict"},
    "uuid": {"UUID"},
    _HERE: {"_restore_object", "new_condition", "new_dict", "new_key", "new_lock", "new_method", "new_rlock"},
}
_PLAIN["builtins"] |= {"bool", "bytes", "float", "int", "str"}
_BASES = (bool, bytes, dict, float, frozenset, int, list, set, str, tuple)

# Service, region, and name of a row; "" is the row of the backend itself.
RowName = tuple[str, str, str]
KeepObject = Callable[[Any, Mapping[int, RowName]], tuple[str, bytes, set[type]]]


@runtime_checkable
class FollowsMoto(Protocol):
    """A correction of moto that keeps more about its objects than moto does."""

    def restore(self, account_id: str) -> None:
        """Read moto's objects again, which were just restored."""


class MotoState:
    """Saves the backends of one account.

    `backends_of` returns moto's backends by region for a service, in the spelling of AWS's endpoints; nothing for a
    service that moto lacks.
    """

    def __init__(
        self, file: StateFile, account_id: str, backends_of: Callable[[str], tuple[str, Mapping[str, Any]]]
    ) -> None:
        self._file = file
        self._account_id = account_id
        self._backends_of = backends_of
        self._locks: dict[str, threading.RLock] = {}
        self._written: dict[tuple[str, str], bytes] = {}
        # Of S3's objects: what they are compared by, their pickles, the digests of their contents, and classes.
        self._objects: weakref.WeakKeyDictionary[Any, tuple[Any, bytes, str, set[type]]] = weakref.WeakKeyDictionary()
        self._restorable: set[type] = set()
        self._unsaved: dict[str, str] = {}
        self._changed: set[str] = set()
        self._changes = self._saved = 0
        self._lock = threading.Lock()
        self._saving = threading.Lock()
        self._wake = threading.Event()
        self._frozen = False
        self._closed = False

    @property
    def unsaved(self) -> dict[str, str]:
        """The services whose resources are not saved, each with the reason."""
        return dict(self._unsaved)

    # Requests

    def guard(self, call: Call) -> AbstractContextManager[Any]:
        """Return the lock under which moto handles a call, so that no half of it is saved."""
        if not is_mutating(call.service, call.operation) and call.service != "sts":
            return nullcontext()
        length = call.request.environ.get("CONTENT_LENGTH") or "0"
        if not str(length).isdigit() or int(length) > _LONGEST_BODY or call.request.header("Transfer-Encoding"):
            return nullcontext()
        _ = call.request.body
        return self._lock_of(call.service)

    def note(self, call: Call) -> None:
        """Save what a call has changed: before this returns, unless only our own services need not rely on it."""
        if not is_mutating(call.service, call.operation) and call.service != "sts":
            return
        with self._lock:
            self._changed.add(call.service)
            if call.service not in _ALONE or (call.service, call.operation) in _REACHING:
                self._changed |= {name for name, _, _ in self._backends()} - _NOT_OURS
            self._changes += 1
            change = self._changes
        if call.is_internal and (call.service in ("logs", "sts") or call.operation == "ReceiveMessage"):
            self._wake.set()
        else:
            self._save(change)

    def start(self) -> None:
        """Save in the background what no response waits for."""
        threading.Thread(target=self._run, name="state", daemon=True).start()

    def freeze(self) -> None:
        """Save everything, and from now on log lines only: what fails because we end is not part of the account."""
        self.save_all()
        self._frozen = True

    def close(self) -> None:
        self.save_all()
        self._closed = True
        self._wake.set()

    def clear(self) -> None:
        """Empty the file, and forget what was written: the account is empty."""
        with self._saving:
            # A save in between would write rows that nothing removes later, or lose those that it wrote.
            self._file.clear()
            self._written.clear()
            self._objects.clear()
            self._unsaved.clear()

    def _run(self) -> None:
        while not self._closed:
            self._wake.wait()
            self._wake.clear()
            time.sleep(_LATEST_SAVE)
            self.save_all()
            self._file.retry()
            if self._file.problem:
                self._wake.set()

    def save_all(self) -> None:
        """Save all changes so far."""
        with self._lock:
            change = self._changes
        self._save(change)

    def _save(self, change: int) -> None:
        """Save all changes up to this one. Requests that arrive meanwhile share the next save."""
        with self._saving:
            if self._saved >= change or self._closed:
                return
            with self._lock:
                self._saved = self._changes
                services, self._changed = self._changed, set()
            rows = [row for service in sorted(services) for row in self._changed_rows(service)]
            self._file.write(rows)

    def _changed_rows(self, service: str) -> Iterator[tuple[str, str, bytes | None]]:
        if self._frozen and service != "logs":
            return
        name, backends = self._backends_of(service)
        if not name or name in self._unsaved:
            return
        try:
            rows = self._pickled(name, backends, service)
        except Exception as error:  # noqa: BLE001 - the classes of moto's many services raise all kinds
            self._unsaved[name] = str(error)
            warn(f"what the service {name} has is not saved and ends with this emulator: {error}")
            return
        for key, data in rows.items():
            digest = hashlib.blake2b(data, digest_size=16).digest()
            if self._written.get(key) != digest:
                self._written[key] = digest
                yield (*key, data)
        prefix = f"{_KIND}{name}/"
        for key in [key for key in self._written if key[0].startswith(prefix) and key not in rows]:
            del self._written[key]
            yield (*key, None)

    def _pickled(self, name: str, backends: Mapping[str, Any], service: str) -> dict[tuple[str, str], bytes]:
        for attempt in range(_ATTEMPTS):
            try:
                with self._lock_of(service):
                    return self._pickle_rows(name, backends)
            except RuntimeError:
                # A large upload or one of our corrections has changed a dict meanwhile.
                if attempt == _ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    def _pickle_rows(self, service: str, backends: Mapping[str, Any]) -> dict[tuple[str, str], bytes]:
        objects: dict[RowName, Any] = {}
        # A backend may refer to that of another service, which has its own rows.
        names = {id(backend): (other, region, "") for other, region, backend in self._backends()}
        for region, backend in list(backends.items()):
            objects[service, region, ""] = backend
            names[id(backend)] = (service, region, "")
            names |= {id(factory): (service, region, name) for name, factory in _factories(backend)}
            for attribute, items in list(vars(backend).items()):
                for key, item in list(items.items()) if isinstance(items, dict) else ():
                    if _is_row(item) and id(item) not in names:
                        name = (service, region, f"{attribute}/{key!r}")
                        names[id(item)] = name
                        objects[name] = item
        rows = {}
        for (_, region, row), item in objects.items():
            pickler = _Pickler(names, self._keep_object)
            data = pickler.dumps(dict(vars(item)))
            if not pickler.classes <= self._restorable:
                # Some classes can be saved and not restored: better to know it now.
                _Unpickler(data, lambda name: objects.get(name), self._file.content).load()
                self._restorable |= pickler.classes
            head = f"{type(item).__module__}:{type(item).__qualname__}\n".encode()
            rows[f"{_KIND}{service}/{region}", row] = head + data
        return rows

    def _keep_object(self, item: Any, names: Mapping[int, RowName]) -> tuple[str, bytes, set[type]]:
        """Return the digest of the content of one of S3's objects, its other attributes, and their classes.

        A bucket may have many objects, and a call changes few of them. So an object is pickled again only if one of
        its attributes is another one. Its metadata is the only attribute that moto changes in place.
        """
        attributes = {name: value for name, value in vars(item).items() if name not in ("_value_buffer", "lock")}
        mark = (*attributes.values(), dict(item._metadata))
        known = self._objects.get(item)
        if known is None or known[0] != mark or item.multipart is not None:
            pickler = _Pickler(names, self._keep_object)
            known = self._objects[item] = (mark, pickler.dumps(attributes), self._keep_content(item), pickler.classes)
        return known[2], known[1], known[3]

    def _keep_content(self, item: Any) -> str:
        """Keep the content of an object, and return its digest. That of a deleted object is empty."""
        try:
            return self._file.keep(item.value)
        except ValueError:
            return self._file.keep(b"")

    def _backends(self) -> Iterator[tuple[str, str, Any]]:
        """Yield moto's name, the region and the backend of all that moto has made for this account."""
        from moto.core.base_backend import BackendDict

        for backends in list(BackendDict._instances):
            if self._account_id in backends:
                for region, backend in list(backends[self._account_id].items()):
                    yield type(backend).__module__.split(".")[1], region, backend

    def _backend(self, name: RowName) -> Any:
        """Return the backend of a service that another one refers to. Raises KeyError for a row that is missing."""
        service, region, row = name
        if row:
            raise KeyError(name)
        return self._backends_of(service)[1][region]

    def _lock_of(self, service: str) -> threading.RLock:
        with self._lock:
            return self._locks.setdefault(service, threading.RLock())

    # Restoring

    def restore_patches(self, patches: Iterable[Any]) -> None:
        """Let the corrections of moto read what was restored."""
        for patch in patches:
            if isinstance(patch, FollowsMoto):
                patch.restore(self._account_id)

    def load(self) -> set[str]:
        """Restore all backends. Returns the digests of the contents that they use.

        Raises:
            StateError: a row cannot be read. Nothing in the file was changed.
        """
        objects: dict[RowName, Any] = {}
        states: dict[RowName, bytes] = {}
        for kind in self._file.kinds(_KIND):
            service, region = kind.removeprefix(_KIND).split("/")
            backends = self._backends_of(service)[1]
            for key, data in self._file.rows(kind):
                assert isinstance(data, bytes)
                self._written[kind, key] = hashlib.blake2b(data, digest_size=16).digest()
                head, _, states[service, region, key] = data.partition(b"\n")
                kept = find_class(*head.decode().split(":"))
                objects[service, region, key] = kept.__new__(kept) if key else backends[region]
                if not key:
                    objects |= {(service, region, name): made for name, made in _factories(backends[region])}
        used: set[str] = set()

        def content(digest: str) -> bytes:
            used.add(digest)
            return self._file.content(digest)

        def find(name: RowName) -> Any:
            return objects[name] if name in objects else self._backend(name)

        for name, state in states.items():
            try:
                restored = _Unpickler(state, find, content).load()
            except Exception as error:
                raise StateError(f"{self._file.path}: moto {'/'.join(name)} cannot be read: {error!r}") from error
            vars(objects[name]).clear()
            vars(objects[name]).update(restored)
        self._restore_bucket_owners()
        return used

    def _restore_bucket_owners(self) -> None:
        """Moto finds the account of a bucket in a dict outside of its backends."""
        from moto.s3.models import s3_backends

        for partition, backend in s3_backends[self._account_id].items():
            for bucket in backend.buckets:
                s3_backends.bucket_accounts[bucket] = (partition, self._account_id)


class _Pickler(pickle.Pickler):
    def __init__(self, names: Mapping[int, RowName], keep: KeepObject) -> None:
        self._output = io.BytesIO()
        super().__init__(self._output, protocol=5)
        self._names = names
        self._keep = keep
        self.classes: set[type] = set()

    def dumps(self, item: Any) -> bytes:
        self.dump(item)
        return self._output.getvalue()

    def persistent_id(self, item: Any) -> RowName | None:
        return self._names.get(id(item))

    def reducer_override(self, item: Any) -> Any:
        self.classes.add(type(item))
        if isinstance(item, type | types.FunctionType | types.BuiltinFunctionType):
            find_class(item.__module__, item.__qualname__)
        elif isinstance(item, _LOCK):
            return new_lock, ()
        elif isinstance(item, _RLOCK):
            return new_rlock, ()
        elif isinstance(item, threading.Condition):
            return new_condition, ()
        elif isinstance(item, types.MethodType):
            new_method(item.__self__, item.__func__.__name__)
            return new_method, (item.__self__, item.__func__.__name__)
        elif type(item).__module__.startswith(_KEYS):
            return new_key, serialized_key(item)
        elif isinstance(item, dict) and type(item).__module__.startswith("moto."):
            # Such a class may have a constructor with arguments, and items() that leaves something out.
            raw = dict(dict.items(item))
            return new_dict, (type(item), raw, getattr(item, "default_factory", None), dict(vars(item)))
        elif type(item).__name__ == "FakeKey":
            digest, state, classes = self._keep(item, self._names)
            self.classes |= classes
            return _restore_object, (type(item), digest, state)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes, find: Callable[[RowName], Any], content: Callable[[str], bytes]) -> None:
        super().__init__(io.BytesIO(data))
        self._find = find
        self._content = content

    def persistent_load(self, name: RowName) -> Any:
        return self._find(name)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == (_HERE, "_restore_object"):
            return self._restore_object
        return find_class(module, name)

    def _restore_object(self, kept: Any, digest: str, state: bytes) -> Any:
        item = kept.__new__(kept)
        attributes = _Unpickler(state, self._find, self._content).load()
        item.__setstate__({**attributes, "value": self._content(digest)})
        return item


def find_class(module: str, name: str) -> Any:
    """Returns a class that a pickle may name. Raises UnpicklingError for anything else."""
    if name in _PLAIN.get(module, ()):
        return getattr(importlib.import_module(module), name)
    if module == "moto" or module.startswith("moto."):
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part, None)
        if isinstance(found, type) and found.__module__ == module:
            return found
    raise pickle.UnpicklingError(f"{module}.{name} is not among the classes that a state folder may have")


def _restore_object(kept: Any, digest: str, state: bytes) -> Any:
    """Stand in pickles for the method of the unpickler with this name."""
    raise pickle.UnpicklingError("an object of S3 can be restored from a state file only")


def new_dict(kept: Any, raw: dict[Any, Any], factory: Any, attributes: dict[str, Any]) -> Any:
    made = kept.__new__(kept)
    dict.update(made, raw)
    if factory is not None:
        made.default_factory = factory
    vars(made).update(attributes)
    return made


def new_lock() -> Any:
    return threading.Lock()


def new_rlock() -> Any:
    return threading.RLock()


def new_condition() -> threading.Condition:
    return threading.Condition()


def new_method(owner: Any, name: str) -> Any:
    """Returns a method of one of moto's objects. Raises UnpicklingError for anything else."""
    found = getattr(owner, name, None) if type(owner).__module__.startswith("moto.") else None
    if not isinstance(found, types.MethodType) or found.__self__ is not owner:
        raise pickle.UnpicklingError(f"{name} is no method of an object of moto")
    return found


def serialized_key(item: Any) -> tuple[str, bytes]:
    """Returns a private key, a public key or a certificate as the arguments of `new_key`."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    if hasattr(item, "private_bytes"):
        return "private", item.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    if type(item).__name__ == "Certificate":
        return "certificate", item.public_bytes(Encoding.DER)
    if hasattr(item, "public_bytes"):
        return "public", item.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    raise pickle.PicklingError(f"a {type(item).__name__} of cryptography cannot be saved")


def new_key(kind: str, data: bytes) -> Any:
    from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key
    from cryptography.x509 import load_der_x509_certificate

    if kind == "private":
        return load_der_private_key(data, None)
    return load_der_public_key(data) if kind == "public" else load_der_x509_certificate(data)


_LOCK = type(threading.Lock())
_RLOCK = type(threading.RLock())


def _factories(backend: Any) -> list[tuple[str, Any]]:
    """Returns what makes the default values of the dicts of a backend, by name. A new backend has the same."""
    found = ((name, getattr(items, "default_factory", None)) for name, items in list(vars(backend).items()))
    return [(f"{name}()", factory) for name, factory in found if isinstance(factory, types.FunctionType)]


def _is_row(item: Any) -> bool:
    """Whether an object can be saved by its attributes alone."""
    kind = type(item)
    if not kind.__module__.startswith("moto.") or isinstance(item, _BASES) or not hasattr(item, "__dict__"):
        return False
    defines = {name for base in kind.__mro__[:-1] for name in vars(base)}
    return not defines & {"__getstate__", "__setstate__", "__reduce__", "__reduce_ex__", "__slots__", "__getnewargs__"}
