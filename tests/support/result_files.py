"""Result files in memory, read as from S3."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from geopipe_runner.jobs.base import PointColumns
from geopipe_runner.jobs.reverse_geocoding import ReverseGeocoding
from geopipe_runner.results import read as results

FORMAT = ReverseGeocoding.results


HEADER = "Longitude,Latitude,reverse_geo.country,reverse_geo.status\n"


POINTS = PointColumns("Longitude", "Latitude")


START = datetime(2026, 1, 1, tzinfo=UTC)


class Bucket:
    """Objects in memory, listed in pages and read in small pieces."""

    def __init__(self, objects: dict[str, bytes], piece: int = 7, content_type: str = "") -> None:
        self.objects = objects
        self.piece = piece
        self.content_type = content_type
        self.fetched: list[int] = []

    def client(self, _service: str) -> Bucket:
        return self

    def get_paginator(self, _operation: str) -> Bucket:
        return self

    def paginate(self, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803
        yield {}
        for age, key in enumerate(self.objects):
            if key.startswith(Prefix):
                written = START + timedelta(seconds=age)
                yield {"Contents": [{"Key": key, "LastModified": written, "Size": len(self.objects[key])}]}

    def get_object(
        self,
        Bucket: str,  # noqa: N803
        Key: str,  # noqa: N803
        Range: str = "bytes=0-",  # noqa: N803
        IfMatch: str = "etag",  # noqa: N803
    ) -> dict[str, Any]:
        first, last = Range.removeprefix("bytes=").split("-")
        part = self.objects[Key][int(first) : int(last) + 1 if last else None]
        assert part or not last, "S3 refuses a range beyond the end"
        assert IfMatch == "etag"
        self.fetched.append(len(part))
        body = Pieces(io.BytesIO(part), self.piece)
        return {"Body": body, "ETag": "etag", "ContentType": self.content_type}


class Pieces:
    """A body that returns less than is requested."""

    def __init__(self, body: Any, piece: int) -> None:
        self.body = body
        self.piece = piece

    def read(self, size: int | None = None) -> bytes:
        data: bytes = self.body.read(size if size is None else min(size, self.piece))
        return data


def read(
    *files: bytes | str, preview: int = 5, save_to: Path | None = None, piece: int = 7, content_type: str = ""
) -> results.Results:
    """Returns what is read of these files, which are saved in `save_to` if that is named."""
    objects = {
        f"output/run/x/results_{number}.csv": file.encode() if isinstance(file, str) else file
        for number, file in enumerate(files)
    }
    aws: Any = Bucket(objects, piece, content_type)
    result_files = results.ResultFiles("bucket", tuple(objects), tuple(map(len, objects.values())))
    if save_to is None:
        return results.show(aws, result_files, FORMAT, preview)
    return results.save(aws, result_files, FORMAT, preview, save_to, POINTS)


class Rows:
    """A body of many rows that exist only while they are read."""

    ROW = b"-149.8935557,61.21759217,USA,                                               ,Valid Data\n"

    def __init__(self, count: int) -> None:
        self.left = count
        self.ready = b"Longitude,Latitude,country,label,reverse_geo.status\n"

    def read(self, size: int) -> bytes:
        missing = min(self.left, max(0, size - len(self.ready)) // len(self.ROW) + 1)
        self.left -= missing
        self.ready += self.ROW * missing
        data, self.ready = self.ready[:size], self.ready[size:]
        return data
