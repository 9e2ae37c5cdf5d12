"""PNGs that carry the text they were drawn from, so that an outdated picture is found without drawing it again."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEYWORD = b"Source\0\x01\0\0\0"
"""Of an iTXt chunk: compressed, in no particular language."""


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a PNG: type and content. Raises ValueError where it is none."""
    if not png.startswith(_SIGNATURE):
        raise ValueError("not a PNG")
    place = len(_SIGNATURE)
    while place < len(png):
        length, kind = struct.unpack_from(">I4s", png, place)
        yield kind, png[place + 8 : place + 8 + length]
        place += length + 12


def with_source(png: bytes, source: str) -> bytes:
    """The same picture, carrying the text it was drawn from, and no other."""
    (header, *rest) = (chunk for chunk in chunks(png) if chunk[0] != b"iTXt")
    text = (b"iTXt", _KEYWORD + zlib.compress(source.encode(), 9))
    return _SIGNATURE + b"".join(_chunk(kind, content) for kind, content in (header, text, *rest))


def source_of(png: bytes) -> str:
    """The text a picture was drawn from; "" where it carries none."""
    for kind, content in chunks(png):
        if kind == b"iTXt" and content.startswith(_KEYWORD):
            return zlib.decompress(content.removeprefix(_KEYWORD)).decode()
    return ""


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
