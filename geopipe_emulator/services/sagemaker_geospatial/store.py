"""Stores the jobs, and knows which state can follow which. It starts nothing and reads no clock."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from tempfile import SpooledTemporaryFile
from typing import Any

from ...cold_storage import ColdBytes
from ...state.records import KeptForm, RecordTables

# A larger result goes to a file without a name, which ends with this process in any case.
KEPT_IN_MEMORY = 1024 * 1024


class Status(StrEnum):
    INITIALIZING = "INITIALIZING"
    IN_PROGRESS = "IN_PROGRESS"
    STOPPING = "STOPPING"
    STOPPED = "STOPPED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class ExportStatus(StrEnum):
    IN_PROGRESS = "IN_PROGRESS"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"


# A second stop is not an error. A deleted job has no state here.
NEXT: Mapping[Status, frozenset[Status]] = {
    Status.INITIALIZING: frozenset({Status.IN_PROGRESS, Status.FAILED, Status.STOPPING}),
    Status.IN_PROGRESS: frozenset({Status.COMPLETED, Status.FAILED, Status.STOPPING}),
    Status.STOPPING: frozenset({Status.STOPPING, Status.STOPPED}),
    Status.STOPPED: frozenset(),
    Status.COMPLETED: frozenset(),
    Status.FAILED: frozenset(),
}


class UnknownJob(Exception):  # noqa: N818
    """There is no job with this ARN."""


class WrongState(Exception):  # noqa: N818
    """The job's state does not allow the change."""

    def __init__(self, job: EnrichmentJob) -> None:
        state = "being exported" if job.is_exporting else job.status
        super().__init__(f"The job {job.arn} is {state}.")


@dataclass(frozen=True)
class EnrichmentFailure:
    """Why a job or an export failed; `kind` is CLIENT_ERROR or SERVER_ERROR."""

    kind: str
    message: str


@dataclass(frozen=True)
class Export:
    """The last export of a job."""

    role_arn: str
    output_config: Mapping[str, Any]
    created: datetime
    client_token: str | None = None
    status: ExportStatus = ExportStatus.IN_PROGRESS
    failure: EnrichmentFailure | None = None


JobResult = ColdBytes | SpooledTemporaryFile[bytes]
"""The output of a job. A long one is in a file of its own."""


@dataclass(frozen=True)
class EnrichmentJob:
    """A vector enrichment job: its request and its state. `result` is the finished output."""

    arn: str
    name: str
    role_arn: str
    input_config: Mapping[str, Any]
    job_config: Mapping[str, Any]
    created: datetime
    kms_key_id: str | None = None
    client_token: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    status: Status = Status.INITIALIZING
    ended: datetime | None = None
    failure: EnrichmentFailure | None = None
    result: JobResult | None = None
    export: Export | None = None

    @property
    def is_terminal(self) -> bool:
        return not NEXT[self.status]

    @property
    def is_exporting(self) -> bool:
        return self.export is not None and self.export.status is ExportStatus.IN_PROGRESS

    @property
    def is_cold(self) -> bool:
        """Whether few will look at the job again. A file cannot leave memory."""
        return self.is_terminal and not self.is_exporting and not isinstance(self.result, SpooledTemporaryFile)

    def close(self) -> None:
        """Delete the result's file."""
        if isinstance(self.result, SpooledTemporaryFile):
            self.result.close()


class JobStore:
    """All jobs by ARN. Every change is one step under the lock, from the job as it is at that moment."""

    def __init__(self, tables: RecordTables | None = None) -> None:
        self._jobs: dict[str, EnrichmentJob] = (tables or RecordTables()).open(
            "geospatial job",
            *(EnrichmentJob, EnrichmentFailure, Export, ExportStatus, Status),
            forms=(
                KeptForm("result", SpooledTemporaryFile, _content, _result_of),
                KeptForm("result", ColdBytes, ColdBytes.read, _result_of),
            ),
            is_cold=lambda job: job.is_cold,
        )
        self._by_token = {job.client_token: job.arn for job in self._jobs.values() if job.client_token is not None}
        self._lock = threading.Lock()

    def all(self) -> list[EnrichmentJob]:
        """Return the jobs in the order of their start."""
        with self._lock:
            return list(self._jobs.values())

    def restart(self, arn: str) -> EnrichmentJob:
        """Return a job whose work ended with an earlier process to its first state."""
        with self._lock:
            return self._put(replace(self._get(arn), status=Status.INITIALIZING))

    def get(self, arn: str) -> EnrichmentJob:
        with self._lock:
            return self._get(arn)

    def add(self, job: EnrichmentJob) -> EnrichmentJob:
        """Store the job and return it, or return the one that its client token has started before."""
        with self._lock:
            if job.client_token is not None:
                known = self._by_token.setdefault(job.client_token, job.arn)
                if known != job.arn:
                    return self._get(known)
            return self._put(job)

    def move(self, arn: str, status: Status, **changes: Any) -> EnrichmentJob:
        """Move the job to the next state, with the `changes` that belong to it."""
        with self._lock:
            job = self._get(arn)
            if status not in NEXT[job.status]:
                raise WrongState(job)
            return self._put(replace(job, status=status, **changes))

    def start_export(self, arn: str, export: Export) -> tuple[EnrichmentJob, bool]:
        """Start an export; return the job, and whether the export is new. A known client token starts none.

        Raises:
            WrongState: the job is not complete, or another export runs.
        """
        with self._lock:
            job = self._get(arn)
            if job.export and export.client_token and job.export.client_token == export.client_token:
                return job, False
            if job.status is not Status.COMPLETED or job.is_exporting:
                raise WrongState(job)
            return self._put(replace(job, export=export)), True

    def finish_export(self, arn: str, status: ExportStatus, failure: EnrichmentFailure | None = None) -> EnrichmentJob:
        with self._lock:
            job = self._get(arn)
            if job.export is None:
                raise WrongState(job)
            return self._put(replace(job, export=replace(job.export, status=status, failure=failure)))

    def tag(self, arn: str, tags: Mapping[str, str]) -> EnrichmentJob:
        with self._lock:
            job = self._get(arn)
            return self._put(replace(job, tags={**job.tags, **tags}))

    def untag(self, arn: str, keys: Collection[str]) -> EnrichmentJob:
        with self._lock:
            job = self._get(arn)
            return self._put(replace(job, tags={key: value for key, value in job.tags.items() if key not in keys}))

    def delete(self, arn: str) -> EnrichmentJob:
        """Delete a job that has ended, and return it for its result."""
        with self._lock:
            job = self._get(arn)
            if not job.is_terminal or job.is_exporting:
                raise WrongState(job)
            if job.client_token is not None:
                del self._by_token[job.client_token]
            return self._jobs.pop(arn)

    def _get(self, arn: str) -> EnrichmentJob:
        if arn not in self._jobs:
            raise UnknownJob(arn)
        return self._jobs[arn]

    def _put(self, job: EnrichmentJob) -> EnrichmentJob:
        self._jobs[job.arn] = job
        return job


def finished_result(file: SpooledTemporaryFile[bytes]) -> JobResult:
    """Return what a job has written in the form in which the job keeps it: a short one in cold storage."""
    if file.seek(0, io.SEEK_END) > KEPT_IN_MEMORY:
        return file
    with file:
        return ColdBytes(_content(file))


def _content(result: SpooledTemporaryFile[bytes]) -> bytes:
    """Return a whole result. An export may read the same file, so its position must not move."""
    result.flush()
    file = result._file
    if isinstance(file, io.BytesIO):
        return file.getvalue()
    return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0)


def _result_of(content: bytes) -> JobResult:
    if len(content) <= KEPT_IN_MEMORY:
        return ColdBytes(content)
    result = SpooledTemporaryFile(KEPT_IN_MEMORY)  # noqa: SIM115 - it lives as long as its job
    result.write(content)
    return result
