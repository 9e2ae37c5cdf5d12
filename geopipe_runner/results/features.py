"""A result whose table is a GeoJSON file: its features become rows, and the other files are saved as they are.

The GeoJSON file passes through memory whole.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..aws.transfer import Meter, Progress, ignore_progress
from ..errors import AwsError
from ..jobs.base import PointColumns
from .read import ResultFiles, Results
from .save import Saving, saving

if TYPE_CHECKING:
    from ..aws.clients import Aws

_CHUNK = 1 << 20


def read_features(
    aws: Aws,
    files: ResultFiles,
    table: str,
    preview: int,
    points: PointColumns,
    folder: Path | None = None,
    progress: Progress = ignore_progress,
) -> Results:
    """Returns the features of the file named `table` as rows; with `folder`, saves them and the other files there.

    Raises:
        AwsError: There is no such file, it is not GeoJSON, or something cannot be written.
    """
    keys = {key.rsplit("/", 1)[-1]: key for key in files.keys}
    if table not in keys:
        raise AwsError(
            f"The export left {', '.join(keys)}, but no {table}.", "Run again: the job's export is incomplete."
        )
    sizes = dict(zip(files.keys, files.sizes, strict=True))
    size = files.size if folder else sizes[keys[table]]
    meter = Meter(progress, f"Downloading {table}", size)
    with saving(folder, points) if folder else nullcontext() as copy:
        header, rows = _table(files.uri(keys[table]), b"".join(_body(aws, files.bucket, keys[table], meter)), points)
        if copy is not None:
            _save_rows(copy, header, rows)
            for name in sorted(keys):
                target = copy.add_file(name)
                for data in _body(aws, files.bucket, keys[name], meter if name != table else None):
                    target.write(data)
    return Results(
        files.bucket,
        files.keys,
        tuple(header),
        tuple(map(tuple, rows[:preview])),
        len(rows),
        None,
        copy.paths[0] if copy else None,
        files.size,
        copy.paths if copy else (),
    )


def _body(aws: Aws, bucket: str, key: str, meter: Meter | None) -> Iterator[bytes]:
    body = aws.client("s3").get_object(Bucket=bucket, Key=key)["Body"]
    while data := body.read(_CHUNK):
        if meter is not None:
            meter.add(len(data))
        yield data


def _save_rows(copy: Saving, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    copy.begin_rows(header)
    copy.copy(_csv_line(header))
    for row in rows:
        copy.copy(_csv_line(row))
        copy.add(row)


def _csv_line(cells: Sequence[str]) -> bytes:
    sink = io.StringIO(newline="")
    csv.writer(sink, lineterminator="\r\n").writerow(cells)
    return sink.getvalue().removesuffix("\r\n").encode() + b"\n"


def _table(uri: str, data: bytes, points: PointColumns) -> tuple[list[str], list[list[str]]]:
    """Returns the names of the columns and the rows: longitude, latitude, and the properties of all features."""
    try:
        features = [_feature(feature) for feature in json.loads(data)["features"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise AwsError(f"{uri} is not GeoJSON with a list of features ({type(error).__name__}).") from None
    taken = {points.longitude, points.latitude}
    # A dict keeps the order in which the names come first.
    names = list(dict.fromkeys(key for _, properties in features for key in properties))
    names = [name for name in names if name not in taken]
    rows = [[*point, *(_text(properties.get(name)) for name in names)] for point, properties in features]
    return [points.longitude, points.latitude, *names], rows


def _feature(feature: Mapping[str, Any]) -> tuple[tuple[str, str], Mapping[str, Any]]:
    geometry = feature.get("geometry") or {}
    point = ("", "")
    if geometry.get("type") == "Point":
        longitude, latitude, *_ = geometry["coordinates"]
        point = (_text(longitude), _text(latitude))
    properties: dict[str, Any] = dict(feature.get("properties") or {})
    return point, properties


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
