"""The lock of a deployment: one object in its bucket, which one command at a time can create.

S3 decides: PutObject with `If-None-Match: *` succeeds for one of several callers, and with `If-Match` only for who has
seen the present object
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html). The holder renews its lock while it
lives. A lock without a sign of life expires: its age is the difference of two times of S3, so that no clock of ours
matters. A lock of a process that no longer runs on this machine needs no wait.

A command that loses its lock can write nothing more: every call that is not a read asks `require` first.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import AwsError, GeopipeError, LockedError
from .clock import Interrupted
from .error_codes import ClientError, error_code, is_denied
from .errors import AWS_ERRORS, reason
from .lock_owner import LockOwner, read_owner, this_process
from .not_found import none_if_not_found
from .parallel import in_background
from .retry import NOT_YET_KNOWN

if TYPE_CHECKING:
    from .clients import Aws

# Seconds without a sign of life after which a lock has expired, and between two signs.
LEASE = 300.0
_RENEWALS_PER_LEASE = 5
# Seconds by which S3's two times may be too short: they have no fractions.
_ROUNDING = 1.0
# Seconds that the end of a command waits for S3. After that the lock is left to expire.
_RELEASED_WITHIN = 10.0
_ATTEMPTS = 20
_PAUSE = 0.1
_MAX_BYTES = 64 * 1024
# The condition did not hold; or there was no object to compare with.
_NOT_MET = frozenset({"PreconditionFailed", "NoSuchKey"})
_CONFLICT = "ConditionalRequestConflict"


@dataclass(frozen=True)
class SeenLock:
    """A lock as S3 has it. `age` is the time since the holder's last sign of life, in seconds."""

    owner: LockOwner
    token: str
    etag: str
    age: float
    lease: float

    @property
    def has_expired(self) -> bool:
        """Whether the holder has given no sign of life for too long."""
        return self.age > self.lease + _ROUNDING


class DeploymentLock:
    """The lock of one deployment, for one command. `begin` takes it, and `release` gives it back."""

    def __init__(
        self, aws: Aws, bucket: str, key: str, *, force: bool, emit: Callable[[str], None], lease: float = LEASE
    ) -> None:
        self._aws = aws
        self._bucket = bucket
        self._key = key
        self._force = force
        self._emit = emit
        self._lease = lease
        self._token = secrets.token_hex(16)
        self._owner = LockOwner()
        self._acquisition: Future[None] | None = None
        self._etag = ""
        self._signs = 0
        self._valid_until = 0.0
        self._lost: LockedError | None = None
        self._ended = threading.Event()
        self._turn = threading.Lock()

    @property
    def has_begun(self) -> bool:
        return self._acquisition is not None

    def begin(self, *, in_new_bucket: bool = False) -> None:
        """Start to take the lock. Reads continue; the first call that writes waits until the lock is held."""
        if self._acquisition is None:
            since = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
            self._owner = this_process(self._aws.account.caller_arn, since)
            self._aws.require_lock(self._key, self.require)
            self._acquisition = in_background(partial(self._acquire, in_new_bucket))

    def require(self) -> None:
        """Return once the lock is held. Nothing is required before `begin`.

        Raises:
            LockedError: someone else has it, or it was lost.
            AwsError: S3 could not be asked.
        """
        if self._acquisition is None:
            return
        self._acquisition.result()
        if self._etag and _now() > self._valid_until and not self._ended.is_set():
            self._renew()  # this machine was asleep
        if self._lost is not None:
            raise self._lost

    def stop_renewing(self) -> None:
        """Give no more signs of life: the last calls of a command fit into the lease, and delete the bucket."""
        self._ended.set()

    def forget(self) -> None:
        """The bucket is gone, and the lock with it."""
        self._ended.set()
        self._etag = ""

    def release(self) -> None:
        """Delete the lock, if it is ours. A lock that cannot be deleted expires; that is a warning only."""
        self._ended.set()
        if self._acquisition is None:
            return
        try:
            in_background(self._delete).result(_RELEASED_WITHIN)
        except (*AWS_ERRORS, GeopipeError, NotInTime, RuntimeError) as error:
            why = "S3 did not respond in time" if isinstance(error, NotInTime) else reason(error)
            with suppress(GeopipeError):  # what the command failed with counts, and not that no one reads this
                self._emit(f"Warning: the lock of this deployment could not be released, and expires by itself: {why}")

    def _acquire(self, in_new_bucket: bool) -> None:
        condition = {"IfNoneMatch": "*"}
        seen: SeenLock | None = None
        note = ""
        for attempt in range(_ATTEMPTS):
            try:
                put = partial(self._put, condition)
                is_ours = self._aws.retrier.call(NOT_YET_KNOWN, put) if in_new_bucket else put()
            except ClientError as error:
                if error_code(error) == "NoSuchBucket":
                    what = f"The bucket {self._bucket} was deleted while this command was planning."
                    raise AwsError(what, "Run the same command again.") from None
                if not is_denied(error):
                    raise
                self._emit(
                    "Warning: nothing keeps a second command away from this deployment, because the lock "
                    f"s3://{self._bucket}/{self._key} cannot be written: {reason(error)}"
                )
                return
            if is_ours:
                if note or self._force:
                    self._emit(note or "--force-unlock: no other command held the lock.")
                threading.Thread(target=self._renew_until_end, name="geopipe-lock", daemon=True).start()
                return
            seen = self._read()
            if seen is None:
                condition, note = {"IfNoneMatch": "*"}, ""
            elif why := self._may_take(seen):
                condition, note = {"IfMatch": seen.etag}, f"Took the lock of {seen.owner}: {why}."
            else:
                raise self._locked(seen)
            self._aws.retrier.time.sleep(min(1.0, _PAUSE * attempt))
        raise self._locked(seen)

    def _may_take(self, seen: SeenLock) -> str:
        """Returns why the lock of another command may be taken; "" if it may not."""
        if self._force:
            return "--force-unlock"
        if seen.owner.has_ended():
            return "that process has ended"
        return f"no sign of life for {seen.age:.0f} s" if seen.has_expired else ""

    def _put(self, condition: Mapping[str, str]) -> bool:
        """Write a sign of life. Returns whether the lock is ours then; False if `condition` did not hold."""
        began = _now()
        body = {**self._owner.document(), "token": self._token, "lease_seconds": self._lease, "signs": self._signs}
        self._signs += 1
        try:
            response = self._s3.put_object(
                Bucket=self._bucket,
                Key=self._key,
                Body=json.dumps(body, indent=1).encode(),
                ContentType="application/json",
                **condition,
            )
        except ClientError as error:
            if error_code(error) == _CONFLICT:
                return False
            if error_code(error) not in _NOT_MET:
                raise
            # The response to our own write may have been lost, and the write repeated.
            seen = self._read()
            if seen is None or seen.token != self._token:
                return False
            self._etag = seen.etag
        else:
            self._etag = response["ETag"]
        self._valid_until = began + self._lease
        return True

    def _read(self) -> SeenLock | None:
        response = none_if_not_found(lambda: self._s3.get_object(Bucket=self._bucket, Key=self._key))
        if response is None:
            return None
        try:
            document = json.loads(response["Body"].read(_MAX_BYTES))
        except (ValueError, RecursionError):
            document = None
        document = document if isinstance(document, dict) else {}
        sent = response["ResponseMetadata"]["HTTPHeaders"].get("date")
        now = parsedate_to_datetime(sent) if sent else datetime.now(UTC)
        lease = document.get("lease_seconds")
        return SeenLock(
            read_owner(document),
            str(document.get("token", "")),
            response["ETag"],
            max(0.0, (now - response["LastModified"]).total_seconds()),
            lease if isinstance(lease, int | float) and 0 <= lease <= LEASE else LEASE,
        )

    def _renew_until_end(self) -> None:
        pause = self._lease / _RENEWALS_PER_LEASE
        while not self._ended.wait(pause) and self._lost is None:
            try:
                self._renew()
            except (*AWS_ERRORS, GeopipeError):
                pass  # there are more chances; without one, the next write tries again and says why

    def _renew(self) -> None:
        with self._turn:
            if self._ended.is_set() or self._lost is not None or self._put({"IfMatch": self._etag}):
                return
            seen = self._read()
            if seen is not None and seen.token == self._token:
                return  # a conflict: S3 was busy with the same object
            self._lost = LockedError(
                f"This command no longer holds the lock of the deployment: {seen.owner if seen else 'no one'} has it.",
                "Look at what the other command does before you run this one again.",
            )
        self._emit(f"Warning: {self._lost.message} This command changes nothing more.")

    def _delete(self) -> None:
        assert self._acquisition is not None
        try:
            self._acquisition.result(_RELEASED_WITHIN)
        except (*AWS_ERRORS, GeopipeError, Interrupted):
            return  # it was never ours
        with self._turn:
            etag, self._etag = self._etag, ""
            if not etag or self._lost is not None:
                return
            try:
                none_if_not_found(lambda: self._s3.delete_object(Bucket=self._bucket, Key=self._key, IfMatch=etag))
            except ClientError as error:
                if error_code(error) not in _NOT_MET:
                    raise

    def _locked(self, seen: SeenLock | None) -> LockedError:
        if seen is None:
            return LockedError("Other commands are working on this deployment.", "Run this command again later.")
        return LockedError(
            f"Another command is working on this deployment: {seen.owner}; its last sign of life was "
            f"{seen.age:.0f} s ago.",
            "Wait until it has ended, then run this command again. If it does not run any more, its lock expires "
            f"{seen.lease:.0f} s after that sign; --force-unlock takes the lock before.",
        )

    @property
    def _s3(self) -> Any:
        return self._aws.client("s3")


def _now() -> float:
    """Returns seconds that pass also while the machine sleeps, where the system counts them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
