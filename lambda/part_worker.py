"""The worker's entry point: each message of the work queue is one part of a job.

A part is read, processed by the job's provider, and written once. A worker that runs out of time keeps what it has in
S3 and returns the message, so that the next one continues from there. Results are on the disk until they are in S3,
because they can be several times as large as the part.
"""

import csv
import json
import os
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from typing import IO, Any

import callbacks
from aws import AwsError, Clients, FunctionSettings, InvocationContext, LambdaContext, error_code, own_region
from part_rows import PartReader, SomeRows, csv_text, find_column
from part_store import Manifest, PartStore
from providers import ProviderRefusedError, provider_of

# A worker has minutes. If it gave up after a few throttled calls, its part would lose one of its few deliveries.
_ATTEMPTS = 8
_READ_SECONDS = 20

SETTINGS = FunctionSettings.read(os.environ)
CLIENTS = Clients(own_region(), attempts=_ATTEMPTS, seconds=_READ_SECONDS)
CLIENTS.prepare(["s3", "sqs"])

_COORDINATES = ("LongitudeColumn", "LatitudeColumn")
# What reading and writing the largest results takes, kept free at the end.
_SPARE_SECONDS = 20.0
# A part that takes longer is saved this often, so that an ended worker costs little work. A part that is large is saved
# less often: saving may take this share of the time.
_SAVE_SECONDS = 2.0
_SAVING_SHARE = 0.05
_SECONDS_TO_RETURN = 1


def lambda_handler(event: Any, context: LambdaContext) -> dict[str, Any]:
    """Lambda calls this function."""
    return handle(event, InvocationContext.begin(context, CLIENTS, SETTINGS))


def handle(event: Any, invocation: InvocationContext) -> dict[str, Any]:
    """Process the parts in a batch. Returns what Lambda expects: the ids of the messages that must come again."""
    records = [callbacks.read_record(record) for record in event["Records"]]
    again = [record.message_id for record in records if not _settle(record, invocation)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}


def _settle(record: callbacks.Record, invocation: InvocationContext) -> bool:
    """Returns whether the message may be deleted. Raises nothing: one message must not fail its whole batch."""
    log = invocation.log
    try:
        message = json.loads(record.body)
        number, store = int(message["part"]), PartStore(str(message["manifest"]), invocation)
    except (ValueError, KeyError, TypeError) as error:
        log.error("a message of the work queue is malformed", problem=str(error))
        return True
    with tempfile.TemporaryFile() as output:
        work = _Work(number, store, invocation, output, is_repeated=record.is_repeated)
        try:
            if work.finish():
                return True
        except (ProviderRefusedError, UnreadablePartError) as error:
            log.error("the part cannot be processed", part=number, error=str(error))
            store.write_note("failed", number, {"error": str(error)})
            return True
        except Exception as error:  # noqa: BLE001 - only this message comes again
            log.error("the part failed", part=number, traceback=traceback.format_exc())
            work.save(error=f"{type(error).__name__}: {error}")
    _return_soon(record, invocation)
    return False


def _return_soon(record: callbacks.Record, invocation: InvocationContext) -> None:
    """Make the message visible again. If that fails, the queue's visibility timeout holds."""
    queue_url = invocation.settings.queue_url_of(record.queue_arn)
    if not queue_url or not record.receipt_handle:
        return
    try:
        invocation.client("sqs").change_message_visibility(
            QueueUrl=queue_url, ReceiptHandle=record.receipt_handle, VisibilityTimeout=_SECONDS_TO_RETURN
        )
    except AwsError as error:
        invocation.log.warning("the message keeps its visibility", error=str(error))


class UnreadablePartError(Exception):
    """The rows of a part cannot be read. Another attempt would not help."""


class _Work:
    """One attempt at one part, and what its provider gets besides the rows."""

    def __init__(
        self, number: int, store: PartStore, invocation: InvocationContext, output: IO[bytes], *, is_repeated: bool
    ) -> None:
        self.settings: Mapping[str, Any] = {}
        self.known: dict[str, str] = {}
        self.now, self.sleep = invocation.now, invocation.sleep
        self._number = number
        self._store = store
        self._invocation = invocation
        self._rows = 0
        self._output = output
        # Whether this attempt, or an earlier one that may have been ended at any point, has kept something.
        self._may_have_progress = is_repeated
        self._saved_at = invocation.now()
        self._seconds_between_saves = _SAVE_SECONDS

    def save(self, error: str = "") -> None:
        """Keep the rows so far, and the error for the case that no attempt is left. Logs it if that fails."""
        began = self.now()
        try:
            note = {"known": self.known, "error": error}
            self._may_have_progress = self._may_have_progress or self._rows > 0
            is_saved = self._rows > 0 and self._store.save_rows(self._number, self._rows, self._output, note)
            if error and not is_saved:
                earlier = self._store.read_note("progress", self._number) or {}
                self._store.write_note("progress", self._number, {**earlier, "error": error})
        except AwsError as problem:
            self._invocation.log.warning("the progress could not be saved", error=str(problem))
        self._output.seek(0, os.SEEK_END)
        self._saved_at = self.now()
        self._seconds_between_saves = max(_SAVE_SECONDS, (self._saved_at - began) / _SAVING_SHARE)

    def finish(self) -> bool:
        """Process the part. Returns whether its message may be deleted; False if there was no time.

        Raises:
            ProviderRefusedError: no part can succeed.
            UnreadablePartError: the rows cannot be read.
        """
        store, log = self._store, self._invocation.log
        manifest = store.manifest()
        if manifest is None or store.read("ended.json") is not None:
            log.warning("the job has ended, so its part is dropped", part=self._number)
            return True
        if store.has_result(self._number):
            log.info("the part is done already", part=self._number)
            if self._may_have_progress:
                store.delete_progress(self._number)
            return True
        self.settings = manifest.settings
        provider = provider_of(manifest.settings)
        reader = _open(manifest, self._number, provider.READS, self._invocation)
        progress = store.load_rows(self._number, self._output)
        self.known = dict(progress.get("known", {}))
        done: int = progress.get("rows", 0)
        if done:
            self._seconds_between_saves = 0.0  # what ended the earlier attempt may end this one soon
        if self._number == 0 and not done:
            self._write(csv_text([*manifest.header, *provider.columns(manifest.settings)]) + "\n")
        for rows in _slices(reader, provider.ROWS_AT_A_TIME):
            if self._rows < done:
                # By an earlier attempt, whose slices were the same.
                self._rows += len(rows.texts)
                continue
            if self._rows > done and self._must_return(manifest):
                return self._has_ended()
            results = provider.process(rows.values, self)
            invalid = {position: provider.invalid(reason, self.settings) for position, reason in rows.faults.items()}
            self._write(rows.join(results, invalid))
            self._rows += len(rows.texts)
        lines = manifest.parts[self._number].lines
        # A lone carriage return ends a row too, so in a part that has some there can be more rows.
        if self._rows + reader.empty_lines != lines and not reader.has_lone_returns:
            raise RuntimeError(f"the part has {self._rows} rows, but {lines} were cut")
        written = store.write_result(self._number, self._rows, self._output)
        if progress or self._may_have_progress:
            store.delete_progress(self._number)
        log.info("part done", part=self._number, rows=self._rows, written=written)
        return True

    def _must_return(self, manifest: Manifest) -> bool:
        """Save the progress now and then. Returns whether there is no time left, or the job has ended meanwhile."""
        has_time = self._invocation.remaining() > min(_SPARE_SECONDS, self._invocation.total / 3)
        if has_time and self.now() - self._saved_at < self._seconds_between_saves:
            return False
        self.save()
        if not has_time:
            rows = manifest.parts[self._number].lines
            self._invocation.log.info("no time left", part=self._number, done=self._rows, rows=rows)
        return not has_time or self._has_ended()

    def _has_ended(self) -> bool:
        """Returns whether the job has ended meanwhile. What cannot be read is no reason to stop working."""
        try:
            return self._store.read("ended.json") is not None
        except AwsError as error:
            self._invocation.log.warning("whether the job has ended could not be read", error=str(error))
            return False

    def _write(self, text: str) -> None:
        self._output.write(text.encode())


def _open(manifest: Manifest, number: int, reads: str, invocation: InvocationContext) -> PartReader:
    """Returns a reader of the part."""
    part, source = manifest.parts[number], manifest.input
    place = {"Bucket": source.bucket, "Key": source.key, "IfMatch": manifest.etag}
    try:
        response = invocation.client("s3").get_object(**place, Range=f"bytes={part.start}-{part.end - 1}")
    except AwsError as error:
        if error_code(error) in ("PreconditionFailed", "412"):
            raise UnreadablePartError("the input was changed after the job had begun") from None
        raise
    coordinates = None
    if reads == "points":
        longitude, latitude = (find_column(manifest.header, str(manifest.settings[key])) for key in _COORDINATES)
        coordinates = (longitude, latitude)
    return PartReader(response["Body"].read(), manifest.header, coordinates)


def _slices(reader: PartReader, count: int) -> Iterator[SomeRows]:
    """Yield the rows of a part. Raises UnreadablePartError."""
    try:
        yield from reader.slices(count)
    except UnicodeDecodeError as error:
        raise UnreadablePartError(f"the rows are not UTF-8 text ({error.reason})") from None
    except csv.Error as error:
        raise UnreadablePartError(f"the rows are not CSV: {error}") from None
