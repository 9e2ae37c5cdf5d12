"""What a job in parts keeps in S3, below `parts/` of the run's output prefix.

    manifest.json               the parts and the settings: written once, before any work
    sent                        all parts are in the queue
    results/00000012-4211.csv   the rows of part 12 with their result columns: 4211 rows, written once
    progress/00000012-900.csv   the results of the first 900 rows of a part that takes long; of several, most rows count
    progress/00000012.json      what the provider knows of that part, and why the last attempt ended
    given_up/00000012.json      how many rows were kept when the workers last gave a part up, and the ids of the dead
                                letters that were answered by sending it again
    failed/00000012.json        why a part cannot be finished
    ended.json                  the job is over, or stopped; names the callback that was answered

S3 is the only state, and every write can be repeated, so a function may be killed anywhere and run again. SQS can
deliver a part to two workers at the same time. So how many rows are kept is in the names of the objects with the rows:
a note can be written back in an older state, and an object with more rows stays.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, Literal

from aws import AwsError, Client, ErrorKind, InvocationContext, error_code, error_kind
from cutting import Part

RESULTS_FILE = "results_0.csv"
_PARTS = "parts/"
_CONFLICT_ATTEMPTS = 5
_BLOCK_BYTES = 1024 * 1024
_BEFORE_PUT = "before-call.s3.PutObject"

Note = Literal["progress", "given_up", "failed"]


@dataclass(frozen=True)
class Location:
    """A place in S3: an object, or a prefix that ends with a slash."""

    bucket: str
    key: str

    @classmethod
    def parse(cls, uri: str) -> "Location":
        """Raises ValueError: the text is not `s3://bucket/key`."""
        scheme, _, rest = uri.partition("://")
        bucket, _, key = rest.partition("/")
        if scheme != "s3" or not bucket or not key:
            raise ValueError(f"{uri!r} is not an S3 location such as s3://bucket/key")
        return cls(bucket, key)

    @property
    def uri(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


@dataclass(frozen=True)
class Manifest:
    """What a job in parts consists of. `settings` are those of the job; `etag` is that of the input."""

    input: Location
    etag: str
    header: tuple[str, ...]
    parts: tuple[Part, ...]
    settings: Mapping[str, Any]

    def to_json(self) -> str:
        parts = [[part.start, part.end, part.lines] for part in self.parts]
        fields = {"version": 1, "input": self.input.uri, "etag": self.etag, "header": self.header, "parts": parts}
        return json.dumps({**fields, "settings": dict(self.settings)})

    @classmethod
    def from_json(cls, text: bytes) -> "Manifest":
        fields = json.loads(text)
        parts = tuple(Part(*part) for part in fields["parts"])
        return cls(Location.parse(fields["input"]), fields["etag"], tuple(fields["header"]), parts, fields["settings"])

    def rows_of(self, number: int) -> str:
        """Returns which rows a part has, counted from 1 after the header: "rows 1 to 4,211"."""
        before = sum(part.lines for part in self.parts[:number])
        return f"rows {before + 1:,} to {before + self.parts[number].lines:,}"


@dataclass(frozen=True)
class PartResult:
    """The object with the rows of a finished part."""

    number: int
    rows: int
    key: str
    size: int


class PartStore:
    """Reads and writes what is below the output prefix of one run."""

    def __init__(self, manifest_uri: str, invocation: InvocationContext) -> None:
        location = Location.parse(manifest_uri)
        if not location.key.endswith(f"/{_PARTS}manifest.json"):
            raise ValueError(f"{manifest_uri!r} is not the manifest of a job in parts")
        self.uri = manifest_uri
        self.bucket = location.bucket
        self.prefix = location.key.removesuffix("manifest.json")
        self._invocation = invocation

    @classmethod
    def below(cls, output_uri: str, invocation: InvocationContext) -> "PartStore":
        """Returns the store of the run whose results go below this prefix."""
        prefix = Location.parse(output_uri.rstrip("/") + "/")
        return cls(f"{prefix.uri}{_PARTS}manifest.json", invocation)

    @property
    def s3(self) -> Client:
        return self._invocation.client("s3")

    @property
    def results(self) -> Location:
        return Location(self.bucket, self.prefix.removesuffix(_PARTS) + RESULTS_FILE)

    def manifest(self) -> Manifest | None:
        text = self.read("manifest.json")
        return Manifest.from_json(text) if text is not None else None

    def read(self, name: str) -> bytes | None:
        """Returns the content of an object, or None if it does not exist."""
        try:
            body: bytes = self.s3.get_object(Bucket=self.bucket, Key=self.prefix + name)["Body"].read()
        except AwsError as error:
            if error_kind(error) is ErrorKind.NOT_FOUND:
                return None
            raise
        return body

    def write(self, name: str, body: bytes) -> None:
        self.s3.put_object(Bucket=self.bucket, Key=self.prefix + name, Body=body)

    def write_once(self, name: str, body: bytes | IO[bytes]) -> bool:
        """Write an object unless it exists; a file from its beginning. Returns whether it was written now.

        A conflict means that another write is under way. That one may still fail, so this one is repeated.
        """
        for attempt in range(1, _CONFLICT_ATTEMPTS + 1):
            if not isinstance(body, bytes):
                body.seek(0)
            try:
                _put_unless_exists(self.s3, Bucket=self.bucket, Key=self.prefix + name, Body=body)
            except AwsError as error:
                if error_code(error) == "PreconditionFailed":
                    return False
                if error_code(error) != "ConditionalRequestConflict" or attempt == _CONFLICT_ATTEMPTS:
                    raise
                self._invocation.sleep(0.1 * 2**attempt)
            else:
                break
        return True

    def delete(self, name: str) -> None:
        self.s3.delete_object(Bucket=self.bucket, Key=self.prefix + name)

    def read_note(self, kind: Note, number: int) -> dict[str, Any] | None:
        text = self.read(_note_name(kind, number))
        note: dict[str, Any] | None = json.loads(text) if text is not None else None
        return note

    def write_note(self, kind: Note, number: int, note: Mapping[str, Any]) -> None:
        self.write(_note_name(kind, number), json.dumps(note).encode())

    def delete_note(self, kind: Note, number: int) -> None:
        self.delete(_note_name(kind, number))

    def kept_rows(self, number: int) -> list[int]:
        """Returns how many rows of a part are kept: the counts of all objects, of which the last one is the highest."""
        keys = (key for key, _ in self._list(f"progress/{number:08}-"))
        return sorted(int(key.rpartition("-")[2].removesuffix(".csv")) for key in keys)

    def save_rows(self, number: int, count: int, output: IO[bytes], note: Mapping[str, Any]) -> bool:
        """Keep the results of the first `count` rows of a part and `note`, and delete what was kept before.

        In this order: a worker that is ended in between leaves rows that can be used. Returns whether that was done;
        False if at least as many rows are kept already.
        """
        before = self.kept_rows(number)
        if before and before[-1] >= count:
            return False
        output.seek(0)
        self.s3.put_object(Bucket=self.bucket, Key=self.prefix + _rows_name(number, count), Body=output)
        self.write_note("progress", number, {**note, "rows": count})
        for older in before:
            self.delete(_rows_name(number, older))
        return True

    def load_rows(self, number: int, output: IO[bytes]) -> dict[str, Any]:
        """Append the most rows that `save_rows` kept to a file. Returns the note, with `rows` if there are some."""
        note = self.read_note("progress", number) or {}
        while counts := self.kept_rows(number):
            place = {"Bucket": self.bucket, "Key": self.prefix + _rows_name(number, counts[-1])}
            try:
                body = self.s3.get_object(**place)["Body"]
            except AwsError as error:
                if error_kind(error) is not ErrorKind.NOT_FOUND:
                    raise
                continue  # another worker with the same part has kept more rows since, or finished
            for block in body.iter_chunks(_BLOCK_BYTES):
                output.write(block)
            return {**note, "rows": counts[-1]}
        if note.pop("rows", 0) and self.read_note("progress", number) is not None:
            self._invocation.log.warning("kept rows are missing, so the part begins again", part=number)
            self.write_note("progress", number, note)
            self.delete_note("given_up", number)
        return note

    def delete_progress(self, number: int) -> None:
        """Delete what was kept of a part. The note goes first: no worker may miss the rows that it names."""
        for kind in ("progress", "given_up"):
            self.delete(_note_name(kind, number))
        for count in self.kept_rows(number):
            self.delete(_rows_name(number, count))

    def failed_parts(self) -> list[int]:
        return sorted(int(key[-13:-5]) for key, _ in self._list("failed/"))

    def write_result(self, number: int, rows: int, body: IO[bytes]) -> bool:
        return self.write_once(f"results/{number:08}-{rows}.csv", body)

    def has_result(self, number: int) -> bool:
        return any(True for _ in self._list(f"results/{number:08}-"))

    def part_results(self) -> dict[int, PartResult]:
        """Returns the finished parts by number.

        Raises:
            ValueError: a part has two results, with different numbers of rows.
        """
        found: dict[int, PartResult] = {}
        for key, size in self._list("results/"):
            number, _, rows = key.rpartition("/")[2].removesuffix(".csv").partition("-")
            result = PartResult(int(number), int(rows), key, size)
            if result.number in found:
                raise ValueError(f"part {result.number} has two results, with different numbers of rows")
            found[result.number] = result
        return found

    def _list(self, name: str) -> Iterator[tuple[str, int]]:
        """Yield the keys and sizes of all objects whose names begin like this."""
        for page in self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=self.prefix + name):
            for entry in page.get("Contents", ()):
                yield entry["Key"], entry["Size"]


def _note_name(kind: Note, number: int) -> str:
    return f"{kind}/{number:08}.json"


def _rows_name(number: int, count: int) -> str:
    return f"progress/{number:08}-{count}.csv"


def _put_unless_exists(s3: Client, **request: Any) -> None:
    """Call PutObject with IfNoneMatch, a parameter that boto3 in older runtimes does not know: so it is a header."""
    s3.meta.events.register(_BEFORE_PUT, _add_condition)
    try:
        s3.put_object(**request)
    finally:
        s3.meta.events.unregister(_BEFORE_PUT, _add_condition)


def _add_condition(params: dict[str, Any], **_: Any) -> None:
    params["headers"]["If-None-Match"] = "*"
