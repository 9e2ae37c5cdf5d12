"""Runs jobs and exports in the background: reads the input from S3, enriches it, and uploads it when asked to.

A job shows each state at least as long as the settings say, beside the real work. What went wrong ends in the job's
record, never in the thread.
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

from ..service import Environment
from .addresses import AddressBook
from .gazetteer import default_gazetteer
from .reverse_geocoding import Attributes, InputError, enrich
from .store import ExportStatus, Failure, Job, JobStore, Status, WrongState
from .transfer import S3Refusal, S3Uri, open_object, upload

KEPT_IN_MEMORY = 1024 * 1024
"""A larger result goes to a file without a name: whatever becomes of this process, nothing is left behind."""

SESSION = "SageMakerGeospatial"
"""What the service calls its sessions of a job's role."""

log = logging.getLogger(__name__)


class _Interrupted(Exception):  # noqa: N818 - a request to stop is no error
    """Somebody wants the job to stop."""


@dataclass
class _Work:
    """A thread at work on a job, and the bell that stops it."""

    thread: threading.Thread
    stop: threading.Event = field(default_factory=threading.Event)

    def pause(self, seconds: float) -> None:
        """Lets time pass unless the bell rings."""
        if self.stop.wait(seconds) if seconds > 0 else self.stop.is_set():
            raise _Interrupted


class JobEngine:
    """One thread for each running job or export."""

    def __init__(self, environment: Environment, store: JobStore, now: Callable[[], datetime]) -> None:
        self._environment = environment
        self._store = store
        self._now = now
        self._work: dict[str, _Work] = {}
        self._lock = threading.Lock()
        self._closed = False

    def start_job(self, job: Job) -> None:
        self._start(job, self._run_job)

    def start_export(self, job: Job) -> None:
        self._start(job, self._run_export)

    def stop_job(self, arn: str) -> None:
        """Rings the bell of a job that is STOPPING; it is STOPPED once its thread has seen it."""
        with self._lock:
            work = self._work.get(arn)
        if work is not None:
            work.stop.set()

    def close(self) -> None:
        """Ends all threads and forgets all results."""
        with self._lock:
            self._closed = True
            works = list(self._work.values())
        for work in works:
            work.stop.set()
        for work in works:
            work.thread.join()
        for job in self._store.all():
            if job.result is not None:
                job.result.close()

    def _start(self, job: Job, run: Callable[[Job, _Work], None]) -> None:
        def work_through() -> None:
            try:
                run(job, work)
            finally:
                self._forget(job.arn, work)

        work = _Work(threading.Thread(target=work_through, name=f"geospatial-{job.arn[-12:]}", daemon=True))
        with self._lock:
            if self._closed:
                return
            self._work[job.arn] = work
            work.thread.start()

    def _forget(self, arn: str, work: _Work) -> None:
        """A job's thread may still be ending when its export has begun: that one stays."""
        with self._lock:
            if self._work.get(arn) is work:
                del self._work[arn]

    def _run_job(self, job: Job, work: _Work) -> None:
        try:
            failure = _failure_of(lambda: self._do_job(job, work))
        except (_Interrupted, WrongState):
            self._end_stopped(job)
        else:
            if failure is not None:
                self._end_failed(job, failure)

    def _do_job(self, job: Job, work: _Work) -> None:
        work.pause(self._environment.settings.job_initializing_seconds)
        self._store.move(job.arn, Status.IN_PROGRESS)
        started = time.monotonic()
        with ExitStack() as on_failure:
            result = on_failure.enter_context(SpooledTemporaryFile(KEPT_IN_MEMORY))
            self._enrich(job, result, work)
            work.pause(self._environment.settings.job_seconds - (time.monotonic() - started))
            self._store.move(job.arn, Status.COMPLETED, ended=self._now(), result=result)
            on_failure.pop_all()

    def _enrich(self, job: Job, result: SpooledTemporaryFile[bytes], work: _Work) -> None:
        config = job.job_config["ReverseGeocodingConfig"]
        attributes = Attributes(longitude=config["XAttributeName"], latitude=config["YAttributeName"])
        uri = S3Uri.parse(job.input_config["DataSourceConfig"]["S3Data"]["S3Uri"])
        text = io.TextIOWrapper(result, encoding="utf-8", newline="")
        try:
            with open_object(self._client_as(job.role_arn, "s3"), uri) as source:
                enrich(source, text, attributes, AddressBook(default_gazetteer()), lambda: work.pause(0))
        finally:
            text.detach()

    def _client_as(self, role_arn: str, service: str) -> Any:
        return self._environment.client_as(role_arn, SESSION, service)

    def _end_stopped(self, job: Job) -> None:
        self._store.move(job.arn, Status.STOPPING)
        self._store.move(job.arn, Status.STOPPED, ended=self._now())

    def _end_failed(self, job: Job, failure: Failure) -> None:
        try:
            self._store.move(job.arn, Status.FAILED, ended=self._now(), failure=failure)
        except WrongState:
            self._end_stopped(job)

    def _run_export(self, job: Job, work: _Work) -> None:
        try:
            failure = _failure_of(lambda: self._do_export(job, work))
        except _Interrupted:
            return  # The emulator ends: nobody is left to ask.
        status = ExportStatus.SUCCEEDED if failure is None else ExportStatus.FAILED
        self._store.finish_export(job.arn, status, failure)

    def _do_export(self, job: Job, work: _Work) -> None:
        if job.export is None or job.result is None:
            raise AssertionError(f"{job.arn} is not ready for export")
        work.pause(self._environment.settings.export_seconds)
        # The export looks its job up as the caller would, and AWS wants its role to be allowed that.
        self._client_as(job.export.role_arn, "sagemaker-geospatial").get_vector_enrichment_job(Arn=job.arn)
        prefix = S3Uri.parse(job.export.output_config["S3Data"]["S3Uri"])
        upload(self._client_as(job.export.role_arn, "s3"), job.result, prefix.below(random_id(), "results_0.csv"))


def random_id() -> str:
    """Twelve characters, as in a job's ARN and in the key of an export."""
    return "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(12))


def _failure_of(act: Callable[[], None]) -> Failure | None:
    """The edge of a thread: whatever goes wrong must end in the record, or the job would never end.

    S3's refusals are the caller's fault, as are unusable inputs. Being told to stop is no failure.
    """
    try:
        act()
    except (_Interrupted, WrongState):
        raise
    except (InputError, S3Refusal, ClientError) as error:
        return Failure("CLIENT_ERROR", str(error))
    except Exception:
        log.exception("A geospatial job failed.")
        return Failure("SERVER_ERROR", "The emulator failed; its log says why.")
    return None
