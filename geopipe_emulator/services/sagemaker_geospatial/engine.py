"""Runs jobs and exports in the background: reads the input from S3, enriches it, and uploads it when asked to.

A job shows each state at least as long as the settings say, in addition to the real work. Every failure ends in the
job's record.
"""

from __future__ import annotations

import io
import logging
import secrets
import string
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import Any

from botocore.exceptions import ClientError

from geopipe_gazetteer.gazetteer import default_places

from ...cold_storage import ColdBytes
from ...service import Environment
from .addresses import AddressBook
from .reverse_geocoding import Attributes, InputError, enrich
from .store import (
    KEPT_IN_MEMORY,
    EnrichmentFailure,
    EnrichmentJob,
    ExportStatus,
    JobStore,
    Status,
    WrongState,
    finished_result,
)
from .transfer import S3AccessError, S3Uri, open_object, upload

# How long the call that starts a job or an export waits for its end where it has no duration of its own. A small job
# is then final when the caller first checks it; the next check would come seconds later.
START_WAIT_SECONDS = 2.0

# The service gives its sessions of a job's role this name.
SESSION = "SageMakerGeospatial"

log = logging.getLogger(__name__)


class _JobStopped(Exception):  # noqa: N818 - a request to stop is not an error
    """The job must stop."""


@dataclass
class _JobThread:
    """A thread that works on a job, and the event that stops it."""

    thread: threading.Thread
    stop: threading.Event = field(default_factory=threading.Event)

    def pause(self, seconds: float) -> None:
        """Wait, unless the job must stop."""
        if self.stop.wait(seconds) if seconds > 0 else self.stop.is_set():
            raise _JobStopped


class JobEngine:
    """One thread for each running job or export."""

    def __init__(self, environment: Environment, store: JobStore, now: Callable[[], datetime]) -> None:
        self._environment = environment
        self._store = store
        self._now = now
        self._work: dict[str, _JobThread] = {}
        self._lock = threading.Lock()
        self._closed = False

    def start_job(self, job: EnrichmentJob) -> None:
        settings = self._environment.settings
        self._start(job, self._run_job, settings.job_initializing_seconds + settings.job_seconds)

    def resume(self) -> None:
        """Continue with the jobs of a state folder: run again from the input, export again, or end a stop."""
        for job in self._store.all():
            if job.status is Status.STOPPING:
                self._end_stopped(job)
            elif not job.is_terminal:
                self._start(self._store.restart(job.arn), self._run_job, START_WAIT_SECONDS)
            elif job.is_exporting:
                self._start(job, self._run_export, START_WAIT_SECONDS)

    def start_export(self, job: EnrichmentJob) -> None:
        self._start(job, self._run_export, self._environment.settings.export_seconds)

    def stop_job(self, arn: str) -> None:
        """Stop a job that is STOPPING. Its thread sets it to STOPPED."""
        with self._lock:
            work = self._work.get(arn)
        if work is not None:
            work.stop.set()

    def close(self) -> None:
        """End all threads and delete all results."""
        with self._lock:
            self._closed = True
            works = list(self._work.values())
        for work in works:
            work.stop.set()
        for work in works:
            work.thread.join()
        for job in self._store.all():
            job.close()

    def _start(self, job: EnrichmentJob, run: Callable[[EnrichmentJob, _JobThread], None], duration: float) -> None:
        def work_through() -> None:
            try:
                run(job, work)
            finally:
                self._forget(job.arn, work)

        work = _JobThread(threading.Thread(target=work_through, name=f"geospatial-{job.arn[-12:]}", daemon=True))
        with self._lock:
            if self._closed:
                return
            self._work[job.arn] = work
            work.thread.start()
        if not duration:
            work.thread.join(START_WAIT_SECONDS)

    def _forget(self, arn: str, work: _JobThread) -> None:
        """Forget a thread, but not that of an export, which can start before the job's own thread has ended."""
        with self._lock:
            if self._work.get(arn) is work:
                del self._work[arn]

    def _run_job(self, job: EnrichmentJob, work: _JobThread) -> None:
        try:
            failure = _failure_of(lambda: self._do_job(job, work))
        except (_JobStopped, WrongState):
            self._end_stopped(job)
        else:
            if failure is not None:
                self._end_failed(job, failure)

    def _do_job(self, job: EnrichmentJob, work: _JobThread) -> None:
        work.pause(self._environment.settings.job_initializing_seconds)
        self._store.move(job.arn, Status.IN_PROGRESS)
        started = time.monotonic()
        with ExitStack() as on_failure:
            result = on_failure.enter_context(SpooledTemporaryFile(KEPT_IN_MEMORY))
            self._enrich(job, result, work)
            work.pause(self._environment.settings.job_seconds - (time.monotonic() - started))
            self._store.move(job.arn, Status.COMPLETED, ended=self._now(), result=finished_result(result))
            on_failure.pop_all()

    def _enrich(self, job: EnrichmentJob, result: SpooledTemporaryFile[bytes], work: _JobThread) -> None:
        config = job.job_config["ReverseGeocodingConfig"]
        attributes = Attributes(longitude=config["XAttributeName"], latitude=config["YAttributeName"])
        uri = S3Uri.parse(job.input_config["DataSourceConfig"]["S3Data"]["S3Uri"])
        text = io.TextIOWrapper(result, encoding="utf-8", newline="")
        try:
            with open_object(self._client_as(job.role_arn, "s3"), uri) as source:
                enrich(source, text, attributes, AddressBook(default_places()), lambda: work.pause(0))
        finally:
            text.detach()

    def _client_as(self, role_arn: str, service: str) -> Any:
        return self._environment.client_as(role_arn, SESSION, service)

    def _end_stopped(self, job: EnrichmentJob) -> None:
        self._store.move(job.arn, Status.STOPPING)
        self._store.move(job.arn, Status.STOPPED, ended=self._now())

    def _end_failed(self, job: EnrichmentJob, failure: EnrichmentFailure) -> None:
        try:
            self._store.move(job.arn, Status.FAILED, ended=self._now(), failure=failure)
        except WrongState:
            self._end_stopped(job)

    def _run_export(self, job: EnrichmentJob, work: _JobThread) -> None:
        try:
            failure = _failure_of(lambda: self._do_export(job, work))
        except _JobStopped:
            return  # The emulator ends, so no call can read the state.
        status = ExportStatus.SUCCEEDED if failure is None else ExportStatus.FAILED
        self._store.finish_export(job.arn, status, failure)

    def _do_export(self, job: EnrichmentJob, work: _JobThread) -> None:
        if job.export is None or job.result is None:
            raise AssertionError(f"{job.arn} is not ready for export")
        work.pause(self._environment.settings.export_seconds)
        # The export reads its job through the API, and AWS requires that its role allows that.
        self._client_as(job.export.role_arn, "sagemaker-geospatial").get_vector_enrichment_job(Arn=job.arn)
        prefix = S3Uri.parse(job.export.output_config["S3Data"]["S3Uri"])
        file = io.BytesIO(job.result.read()) if isinstance(job.result, ColdBytes) else job.result
        upload(self._client_as(job.export.role_arn, "s3"), file, prefix.below(random_id(), "results_0.csv"))


def random_id() -> str:
    """Return twelve characters, as in a job's ARN and in the key of an export."""
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(12))


def _failure_of(act: Callable[[], None]) -> EnrichmentFailure | None:
    """Run `act` and return its failure, which must end in the job's record: otherwise the job would never end.

    A refusal of S3 is the caller's fault, as is an unusable input. A request to stop is not a failure.
    """
    try:
        act()
    except (_JobStopped, WrongState):
        raise
    except (InputError, S3AccessError, ClientError) as error:
        return EnrichmentFailure("CLIENT_ERROR", str(error))
    except Exception:
        log.exception("A geospatial job failed.")
        return EnrichmentFailure("SERVER_ERROR", "The emulator failed; its log says why.")
    return None
