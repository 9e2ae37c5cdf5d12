"""Keeps the contents of S3's objects in cold storage, and lets moto's objects carry less.

An account may have many small objects, for which moto takes three kilobytes each: a file, and an attribute for each
feature of S3. Here the content is on disk, and an attribute that has its usual value is the class's.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from ...cold_storage import ColdBytes

if TYPE_CHECKING:
    from moto.s3.models import FakeDeleteMarker, FakeKey

# moto moves larger contents to files of their own.
LONGEST_CONTENT = 1024 * 1024
# What most objects have, as moto's constructor sets it.
_USUAL: dict[str, Any] = {
    "_transitions": [(None, "IN_PROGRESS"), ("IN_PROGRESS", "RESTORED")],
    "_status": None,
    "_tick": 0,
    "model_name": "s3::keyrestore",
    "website_redirect_location": None,
    "checksum_algorithm": None,
    "_storage_class": "STANDARD",
    "_expiry": None,
    "_version_id": "null",
    "_is_versioned": False,
    "multipart": None,
    "disposed": False,
    "encryption": "AES256",
    "kms_key_id": None,
    "bucket_key_enabled": "false",
    "lock_mode": None,
    "lock_legal_status": None,
    "lock_until": None,
    "checksum_value": None,
    "checksum_type": None,
    "checksum_parts": None,
}


class ColdContent:
    """Stands in for the file with an object's content: reads it from cold storage until something is written."""

    __slots__ = ("_content", "_position")

    def __init__(self, content: bytes) -> None:
        self._content: ColdBytes | io.BytesIO = ColdBytes(content)
        self._position = 0

    def seek(self, position: int) -> None:
        self._position = position

    def read(self, size: int = -1) -> bytes:
        content = self._content.read() if isinstance(self._content, ColdBytes) else self._content.getvalue()
        part = content[self._position :] if size < 0 else content[self._position : self._position + size]
        self._position += len(part)
        return part

    def truncate(self) -> None:
        self._writable().truncate(self._position)

    def write(self, data: bytes) -> None:
        file = self._writable()
        file.seek(self._position)
        self._position += file.write(data)

    def close(self) -> None:
        """Do nothing: the content ends with the object."""

    def _writable(self) -> io.BytesIO:
        if isinstance(self._content, ColdBytes):
            self._content = io.BytesIO(self._content.read())
        return self._content


def store_object_cold(key: FakeKey | FakeDeleteMarker | None) -> None:
    """Move the content of an object that was just written to cold storage. A delete marker has none."""
    if key is None or not hasattr(key, "_value_buffer") or isinstance(key._value_buffer, ColdContent):
        return
    attributes = vars(key)
    _set_usual_attributes(type(key))
    if key.size <= LONGEST_CONTENT:
        _ = key.etag  # moto makes it from the content
        with key.lock:
            file: Any = key._value_buffer
            file.seek(0)
            attributes["_value_buffer"] = ColdContent(file.read())
            file.close()
    # A new dict, because one from which entries are deleted stays as large as it was.
    key.__dict__ = {name: value for name, value in attributes.items() if not _is_usual(name, value)}


def _set_usual_attributes(kind: type[Any]) -> None:
    for name, value in _USUAL.items():
        if name not in vars(kind):
            setattr(kind, name, value)


def _is_usual(name: str, value: Any) -> bool:
    return name in _USUAL and type(value) is type(_USUAL[name]) and value == _USUAL[name]
