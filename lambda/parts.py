"""A job in parts: a CSV file of any size is cut at row borders, workers process the parts, and the results are joined.

A Lambda step starts the job and another one joins the results; `check` and `stop` are for the callback contract. The
events have these keys:

    start       parts_input_uri, parts_output_uri, parts_config
    export      parts_export, parts_manifest
    callback    parts_manifest, parts_phase (work or export)

`part_store` says what is kept in S3, `part_worker` processes a part, and `providers` lists who can do that. Each part
has one message in the work queue. A message that comes twice changes nothing, since a part's result is written once.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from aws import SLOWEST_CALL_SECONDS, AwsError, ErrorKind, InvocationContext, error_code, error_kind
from callbacks import (
    Callback,
    MalformedInputError,
    Record,
    Verdict,
    as_mapping,
    failure,
    required_text,
    still_running,
    success,
)
from cutting import cut, header_end, line_end_of, refuse_other_content
from part_rows import find_column, read_header
from part_store import Location, Manifest, PartResult, PartStore
from providers import provider_of

_BLOCK_BYTES = 1024 * 1024
# A provider that takes its time gets parts by rows, so the blocks must be small next to a part.
_BLOCKS_PER_PART = 10
_LEAST_BLOCK_BYTES = 256
_BEGINNING_BYTES = 1024 * 1024
_RANGE_BYTES = 64 * 1024 * 1024
_DEFAULT_PART_BYTES = 8 * 1024 * 1024
# S3 joins at most 10,000 pieces.
_MOST_PARTS = 9_000
_BATCH = 10
_SEND_ATTEMPTS = 5
# Of a Lambda step: about twelve seconds.
_STEP_ATTEMPTS = 10
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 2.0
# S3's smallest piece of a multipart upload, except for the last one, and what small results are gathered into.
_SMALLEST_PIECE = 5 * 1024 * 1024
_GATHERED_PIECE = 8 * 1024 * 1024

_Result = TypeVar("_Result")


def start(fields: Mapping[str, Any], invocation: InvocationContext) -> dict[str, str]:
    """Cut the input into parts and send each to the workers. A repeated start only sends what was not sent.

    Raises:
        ValueError: the input cannot be used; the text says why.
    """
    return _repeat(lambda: _start(fields, invocation), "starting the parts", invocation)


def _start(fields: Mapping[str, Any], invocation: InvocationContext) -> dict[str, str]:
    settings = as_mapping(fields.get("parts_config"), "parts_config")
    store = PartStore.below(required_text(fields, "parts_output_uri"), invocation)
    manifest = store.manifest()
    if manifest is None:
        made = _cut_input(Location.parse(required_text(fields, "parts_input_uri")), settings, invocation)
        store.write_once("manifest.json", made.to_json().encode())
        # Another attempt may have been first.
        manifest = store.manifest() or made
    if store.read("sent") is None:
        _send(range(len(manifest.parts)), manifest, store, invocation)
        store.write("sent", b"")
    invocation.log.info("parts sent", manifest=store.uri, parts=len(manifest.parts))
    return {"statusCode": "200", "parts_manifest": store.uri}


def _cut_input(source: Location, settings: Mapping[str, Any], invocation: InvocationContext) -> Manifest:
    s3, provider = invocation.client("s3"), provider_of(settings)
    place = {"Bucket": source.bucket, "Key": source.key}
    try:
        head = s3.head_object(**place)
    except AwsError as error:
        if error_kind(error) is ErrorKind.NOT_FOUND:
            raise ValueError(f"there is no input {source.uri}") from None
        raise
    etag, size = str(head["ETag"]), int(head["ContentLength"])
    if not size:
        raise ValueError(f"the input {source.uri} is empty")
    beginning = s3.get_object(**place, IfMatch=etag, Range=f"bytes=0-{_BEGINNING_BYTES - 1}")["Body"].read()
    refuse_other_content(beginning)
    line_end = line_end_of(beginning)
    begin = header_end(beginning, line_end)
    header = read_header(_decode(beginning[:begin]))
    for key in ("LongitudeColumn", "LatitudeColumn"):
        if key in settings:
            find_column(header, str(settings[key]))
    part_bytes = max(int(settings.get("PartBytes", _DEFAULT_PART_BYTES)), math.ceil(size / _MOST_PARTS))
    rows, block_bytes = beginning.count(line_end, begin) or 1, _BLOCK_BYTES
    row_bytes = (len(beginning) - begin) / rows
    part_rows = provider.largest_part(settings, math.ceil((size - begin) / max(row_bytes, 1)))
    if part_rows:
        block_bytes = min(block_bytes, max(_LEAST_BLOCK_BYTES, int(part_rows * row_bytes / _BLOCKS_PER_PART)))
    parts = []
    if begin < size:
        blocks = _read(source, etag, begin, size, block_bytes, invocation)
        parts = list(cut(blocks, begin, line_end, part_bytes, part_rows or size))
    if not parts:
        raise ValueError(f"the input {source.uri} has a header line and no rows")
    if len(parts) > _MOST_PARTS:
        raise ValueError(f"the input has {len(parts):,} parts; use fewer, larger ones: at most {_MOST_PARTS:,}")
    return Manifest(source, etag, tuple(header), tuple(parts), settings)


def _read(
    source: Location, etag: str, begin: int, size: int, block_bytes: int, invocation: InvocationContext
) -> Iterator[bytes]:
    """Yield the input from `begin` on, in blocks. After a broken connection it continues where that ended.

    Raises:
        ValueError: the input was changed meanwhile.
    """
    position, failures, pause = begin, 0, _FIRST_PAUSE_SECONDS
    while position < size:
        wanted = {"Bucket": source.bucket, "Key": source.key, "IfMatch": etag}
        last = min(position + _RANGE_BYTES, size) - 1
        try:
            body = invocation.client("s3").get_object(**wanted, Range=f"bytes={position}-{last}")["Body"]
            for block in body.iter_chunks(block_bytes):
                yield block
                position += len(block)
                failures, pause = 0, _FIRST_PAUSE_SECONDS
        except AwsError as error:
            if error_code(error) in ("PreconditionFailed", "412"):
                raise ValueError(f"the input {source.uri} was changed while it was read") from None
            failures += 1
            if error_kind(error) is not ErrorKind.TRANSIENT or failures == _STEP_ATTEMPTS:
                raise
            invocation.log.warning("reading the input failed and is tried again", byte=position, error=str(error))
            invocation.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _decode(text: bytes) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"the header line of the input is not UTF-8 text ({error.reason})") from None


def _send(numbers: Sequence[int], manifest: Manifest, store: PartStore, invocation: InvocationContext) -> None:
    """Put the parts into the work queue. SQS may take some messages of a batch and refuse others."""
    sqs, url = invocation.client("sqs"), invocation.settings.work_queue_url
    if not url:
        raise ValueError("the environment variable WORK_QUEUE_URL is not set, so no part can be sent")
    for first in range(0, len(numbers), _BATCH):
        pending = {
            str(number): json.dumps({"manifest": store.uri, "part": number})
            for number in numbers[first : first + _BATCH]
        }
        for attempt in range(_SEND_ATTEMPTS):
            entries = [{"Id": key, "MessageBody": body} for key, body in pending.items()]
            response = sqs.send_message_batch(QueueUrl=url, Entries=entries)
            refused = {entry["Id"]: entry for entry in response.get("Failed", ())}
            pending = {key: body for key, body in pending.items() if key in refused}
            if not pending:
                break
            invocation.log.warning("parts were not taken by the queue", parts=sorted(pending))
            invocation.sleep(0.1 * 2**attempt)
        else:
            raise RuntimeError(f"the queue does not take part {min(pending)}: {next(iter(refused.values()))}")


def check(callback: Callback, invocation: InvocationContext) -> Verdict:
    """Returns whether all parts are there, or all results joined, or why that cannot be."""
    store, manifest = _open(callback.arguments, invocation)
    if required_text(callback.arguments, "parts_phase") == "export":
        if _join(manifest, store, invocation):
            _abort_uploads(store)
            return success("results joined", {"statusJob": "SUCCEEDED"}, "SUCCEEDED")
        return still_running("the results are being joined")
    ended = _ended(store)
    if ended is not None and ended["step"] != callback.step_id:
        _resume(manifest, store, invocation)
        return still_running("the missing parts were sent again")
    failed = store.failed_parts()
    if failed:
        note = store.read_note("failed", failed[0]) or {}
        _end(store, callback)
        others = f" ({len(failed)} parts failed)" if len(failed) > 1 else ""
        return failure(f"{manifest.rows_of(failed[0])}: {note.get('error', 'unknown error')}{others}", "FAILED")
    done = store.part_results()
    if len(done) < len(manifest.parts):
        return still_running(f"{len(done):,} of {len(manifest.parts):,} parts are done")
    rows = sum(result.rows for result in done.values())
    return success(f"all {rows:,} rows are done", {"parts_status": "COMPLETED", "rows": rows}, "COMPLETED")


def stop(callback: Callback, invocation: InvocationContext) -> None:
    """Let the workers drop the parts that are left, and remove an unfinished join."""
    store, _ = _open(callback.arguments, invocation)
    _end(store, callback)
    _abort_uploads(store)


def _open(fields: Mapping[str, Any], invocation: InvocationContext) -> tuple[PartStore, Manifest]:
    try:
        store = PartStore(required_text(fields, "parts_manifest"), invocation)
    except ValueError as error:
        raise MalformedInputError(str(error)) from None
    manifest = store.manifest()
    if manifest is None:
        raise MalformedInputError(f"there is no manifest at {store.uri}")
    return store, manifest


def _ended(store: PartStore) -> dict[str, Any] | None:
    text = store.read("ended.json")
    ended: dict[str, Any] | None = json.loads(text) if text is not None else None
    return ended


def _end(store: PartStore, callback: Callback) -> None:
    """Note that this callback has been answered: the job is over. Another callback for the same job means a retry."""
    store.write("ended.json", json.dumps({"step": callback.step_id}).encode())


def _resume(manifest: Manifest, store: PartStore, invocation: InvocationContext) -> None:
    """Send the missing parts again, and forget that they failed.

    In this order: a function that is killed in between leads to parts that are sent twice, which changes nothing.
    """
    done = store.part_results()
    _send([number for number in range(len(manifest.parts)) if number not in done], manifest, store, invocation)
    for number in store.failed_parts():
        store.delete_note("failed", number)
    store.delete("ended.json")


def mark_dead_letters(records: Sequence[Record], invocation: InvocationContext) -> dict[str, Any]:
    """Note each part that the workers gave up as failed. A part that has got further is sent once more instead.

    Returns what Lambda expects for a batch.
    """
    again = []
    for record in records:
        try:
            message = json.loads(record.body)
            number, store = int(message["part"]), PartStore(str(message["manifest"]), invocation)
        except (ValueError, KeyError, TypeError) as error:
            invocation.log.error("a message of the work queue is malformed", problem=str(error))
            continue
        try:
            _mark(record.message_id, number, store, invocation)
        except AwsError as error:
            invocation.log.warning("a failed part could not be noted", part=number, error=str(error))
            again.append(record.message_id)
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in again]}


def _mark(message_id: str, number: int, store: PartStore, invocation: InvocationContext) -> None:
    manifest = store.manifest()
    if manifest is None or store.has_result(number) or store.read_note("failed", number):
        return
    progress, given_up = store.read_note("progress", number) or {}, store.read_note("given_up", number) or {}
    handled = given_up.get("messages", [])
    if message_id in handled:
        return  # SQS may deliver a message twice, and this one has been answered by a new one
    rows = max(store.kept_rows(number), default=0)
    if rows > given_up.get("rows", 0):
        # In this order: a function that is ended in between sends the part twice, which changes nothing.
        _send([number], manifest, store, invocation)
        store.write_note("given_up", number, {"rows": rows, "messages": [*handled, message_id]})
        return
    error = progress.get("error") or "the worker was ended each time, for lack of memory or time"
    store.write_note("failed", number, {"error": error})


def export(fields: Mapping[str, Any], invocation: InvocationContext) -> dict[str, str]:
    """Join the results as far as the time allows. The callback that follows continues it."""
    store, manifest = _repeat(lambda: _open(fields, invocation), "reading the manifest", invocation)
    _repeat(lambda: _join(manifest, store, invocation), "joining the results", invocation)
    return {"statusCode": "200", "parts_manifest": store.uri, "results_uri": store.results.uri}


def _repeat(step: Callable[[], _Result], doing: str, invocation: InvocationContext) -> _Result:
    """Repeat a step while its error can pass and there is time: SageMaker does not repeat a Lambda step that fails.

    Each of them continues where an earlier attempt ended. A denial can pass too: a new role's rights take some seconds.
    """
    pause = _FIRST_PAUSE_SECONDS
    for attempt in range(1, _STEP_ATTEMPTS + 1):
        try:
            return step()
        except AwsError as error:
            can_pass = error_kind(error) in (ErrorKind.TRANSIENT, ErrorKind.DENIED)
            if not can_pass or attempt == _STEP_ATTEMPTS or not invocation.has_time(SLOWEST_CALL_SECONDS + pause):
                raise
            invocation.log.warning(f"{doing} failed and is tried again", error=str(error))
        invocation.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
    raise AssertionError("the last attempt returns or raises")


def _join(manifest: Manifest, store: PartStore, invocation: InvocationContext) -> bool:
    """Join the results of all parts into one object. Returns whether that is done; False if there is no time left.

    The pieces follow from the parts, so an attempt continues where another one ended. Two attempts at the same time do
    no harm: the later one finds its upload gone or its pieces replaced, and looks again the next time.
    """
    try:
        return _join_pieces(manifest, store, invocation)
    except AwsError as error:
        if error_code(error) not in ("NoSuchUpload", "InvalidPart"):
            raise
        invocation.log.warning("another attempt joined the results", error=str(error))
        return False


def _join_pieces(manifest: Manifest, store: PartStore, invocation: InvocationContext) -> bool:
    target = {"Bucket": store.bucket, "Key": store.results.key}
    if _exists(store):
        return True
    done = store.part_results()
    missing = [number for number in range(len(manifest.parts)) if number not in done]
    if missing:
        raise ValueError(f"{manifest.rows_of(missing[0])} have no results")
    pieces = list(_pieces([done[number] for number in sorted(done)]))
    if len(pieces) == 1 and len(pieces[0]) == 1:
        # Copying, and completing an upload, can take S3 longer than other calls.
        invocation.long_client("s3").copy_object(**target, CopySource={"Bucket": store.bucket, "Key": pieces[0][0].key})
        return True
    uploads = _uploads(store)
    upload = (
        uploads[0] if uploads else str(store.s3.create_multipart_upload(**target, ContentType="text/csv")["UploadId"])
    )
    tags = _uploaded(store, upload)
    for position, piece in enumerate(pieces, start=1):
        if position in tags:
            continue
        if not invocation.has_time():
            return False
        place = {**target, "UploadId": upload, "PartNumber": position}
        if len(piece) == 1 and piece[0].size >= _SMALLEST_PIECE:
            copied = invocation.long_client("s3").upload_part_copy(
                **place, CopySource={"Bucket": store.bucket, "Key": piece[0].key}
            )
            tags[position] = str(copied["CopyPartResult"]["ETag"])
        else:
            body = b"".join(store.s3.get_object(Bucket=store.bucket, Key=result.key)["Body"].read() for result in piece)
            tags[position] = str(store.s3.upload_part(**place, Body=body)["ETag"])
    parts = [{"PartNumber": position, "ETag": tag} for position, tag in sorted(tags.items())]
    invocation.long_client("s3").complete_multipart_upload(**target, UploadId=upload, MultipartUpload={"Parts": parts})
    invocation.log.info("results joined", results=store.results.uri, pieces=len(pieces))
    return True


def _pieces(results: Sequence[PartResult]) -> Iterator[list[PartResult]]:
    """Yield the results in order, small ones gathered until they make a piece that S3 takes."""
    gathered: list[PartResult] = []
    for result in results:
        if not gathered and result.size >= _SMALLEST_PIECE:
            yield [result]
            continue
        gathered.append(result)
        if sum(entry.size for entry in gathered) >= _GATHERED_PIECE:
            yield gathered
            gathered = []
    if gathered:
        yield gathered


def _exists(store: PartStore) -> bool:
    try:
        store.s3.head_object(Bucket=store.bucket, Key=store.results.key)
    except AwsError as error:
        if error_kind(error) is ErrorKind.NOT_FOUND:
            return False
        raise
    return True


def _uploads(store: PartStore) -> list[str]:
    """Returns the unfinished joins of this run."""
    page = store.s3.list_multipart_uploads(Bucket=store.bucket, Prefix=store.results.key)
    return [str(upload["UploadId"]) for upload in page.get("Uploads", ()) if upload["Key"] == store.results.key]


def _abort_uploads(store: PartStore) -> None:
    for upload in _uploads(store):
        store.s3.abort_multipart_upload(Bucket=store.bucket, Key=store.results.key, UploadId=upload)


def _uploaded(store: PartStore, upload: str) -> dict[int, str]:
    """Returns the tags of the pieces that an unfinished join has already."""
    pages = store.s3.get_paginator("list_parts").paginate(Bucket=store.bucket, Key=store.results.key, UploadId=upload)
    return {part["PartNumber"]: part["ETag"] for page in pages for part in page.get("Parts", ())}
