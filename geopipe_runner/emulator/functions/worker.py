"""One execution environment: a process running AWS's runtime, which serves one invocation after the other.

A worker runs what it is given and says how it went; whether there should be a worker is the pool's question.
Its own threads: the Runtime API listener, one that follows its output, one that waits for its end.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .invocation import Invocation, Outcome, Result, exited, reported, success, timed_out, timeout_message
from .logs import WorkerLog
from .names import LATEST
from .output import OutputPipe
from .runtime_api import NextInvocation, RuntimeApi

INIT_SECONDS = 10.0
"""AWS's limit for everything before the first invocation; what takes longer eats into the function's timeout."""


@dataclass(frozen=True)
class Launch:
    """How to start a worker's process."""

    command: Callable[[int], Sequence[str]]
    """Given the read end of the lifeline pipe."""
    environment: Callable[[str], Mapping[str, str]]
    """Given the address of the Runtime API."""
    folder: Path
    banner: str
    """The INIT_START line."""
    memory_size: int
    on_end: Callable[[], None]
    """Called when the process has ended."""


class Worker:
    def __init__(self, launch: Launch, log: WorkerLog, clock: Callable[[], float] = time.monotonic) -> None:
        self._launch = launch
        self._log = log
        self._clock = clock
        self._changed = threading.Condition()
        self._invocation: Invocation | None = None
        self._result: Result | None = None
        self._delivered_at: float | None = None
        self._init_error: tuple[bytes, str] | None = None
        self._return_code: int | None = None
        self._initialised_at: float | None = None
        self._init_reported = False
        self._used = False
        self._closing = False
        self._started_at = clock()
        log.write(launch.banner, time.time())
        self._api = RuntimeApi(self)
        self._output = OutputPipe(log.write)
        self._lifeline, self._process = self._spawn()
        self._waiting = threading.Thread(target=self._wait_for_end, name="worker-end", daemon=True)
        self._api.start()
        threading.Thread(target=self._output.follow, name="worker-output", daemon=True).start()
        self._waiting.start()

    # What the pool sees

    @property
    def process_id(self) -> int:
        return self._process.pid

    @property
    def ready(self) -> bool:
        """Whether it waits for work, so that an invocation would start at once."""
        return self._initialised_at is not None

    @property
    def usable(self) -> bool:
        """Whether it can take an invocation. One that ended before its first can, once: it answers with that end."""
        with self._changed:
            return not self._closing and (self._return_code is None or not (self.ready or self._used))

    def run(self, invocation: Invocation) -> Outcome | None:
        """Carry out one invocation; None when the worker was gone before it could begin."""
        with self._changed:
            if not self.usable:
                return None
            self._used = True
            self._invocation, self._result, self._delivered_at = invocation, None, None
            if self._return_code is not None:
                self._result = self._end_of(invocation, self._return_code)
            self._changed.notify_all()
            result = self._await_result(invocation)
            self._invocation = None
        return self._conclude(invocation, result)

    def close(self) -> None:
        """Kill it, with everything it has started."""
        with self._changed:
            self._closing = True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def join(self, timeout: float) -> None:
        self._waiting.join(timeout)

    # What its runtime asks (see runtime_api.Runtime)

    def next_invocation(self) -> NextInvocation | None:
        with self._changed:
            if self._initialised_at is None:
                self._initialised_at = self._clock()
            self._changed.wait_for(lambda: self._deliverable or self._return_code is not None)
            if self._invocation is None or self._return_code is not None:
                return None
            self._delivered_at = self._clock()
            self._log_start(self._invocation)
            self._changed.notify_all()
            return _as_request(self._invocation)

    def accept_response(self, request_id: str, payload: bytes) -> bool:
        return self._accept(request_id, success(payload))

    def accept_error(self, request_id: str, payload: bytes, error_type: str) -> bool:
        return self._accept(request_id, reported(payload, error_type, request_id))

    def accept_init_error(self, payload: bytes, error_type: str) -> bool:
        """Only remembered: the process is about to end, and its end is when the invocation hears of it."""
        with self._changed:
            self._init_error = payload, error_type
        return True

    # Inside

    @property
    def _deliverable(self) -> bool:
        return self._invocation is not None and self._delivered_at is None and self._result is None

    def _spawn(self) -> tuple[int, subprocess.Popen[bytes]]:
        lifeline_read, lifeline_write = os.pipe()
        try:
            process = subprocess.Popen(
                self._launch.command(lifeline_read),
                env=self._launch.environment(self._api.address),
                cwd=self._launch.folder,
                stdin=subprocess.DEVNULL,
                stdout=self._output.write_end,
                stderr=self._output.write_end,
                pass_fds=(lifeline_read,),
                start_new_session=True,
            )
        finally:
            os.close(lifeline_read)
            self._output.close_write_end()
        return lifeline_write, process

    def _accept(self, request_id: str, result: Result) -> bool:
        with self._changed:
            if self._invocation is None or self._invocation.request_id != request_id or self._result is not None:
                return False
            self._result = result
            self._changed.notify_all()
            return True

    def _await_result(self, invocation: Invocation) -> Result:
        assigned_at = self._clock()
        while self._result is None:
            begun = self._delivered_at or max(assigned_at, self._started_at + INIT_SECONDS)
            left = begun + invocation.timeout - self._clock()
            if left <= 0:
                # Settled before the kill, so that the end of the process is not taken for the reason.
                self._result = timed_out(invocation.timeout, invocation.request_id)
                self._log.write(timeout_message(invocation.timeout, invocation.request_id) + "\n\n", time.time())
                self.close()
                break
            self._changed.wait(left)
        return self._result

    def _wait_for_end(self) -> None:
        return_code = self._process.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            # What the handler has started and not ended would hold the output open.
            os.killpg(self._process.pid, signal.SIGKILL)
        self._output.drain(flush=True)
        with self._changed:
            self._return_code = return_code
            if self._invocation is not None and self._result is None:
                self._result = self._end_of(self._invocation, return_code)
            self._changed.notify_all()
        self._api.close()
        os.close(self._lifeline)
        self._launch.on_end()

    def _end_of(self, invocation: Invocation, return_code: int) -> Result:
        if self._init_error is not None:
            return reported(*self._init_error, invocation.request_id)
        return exited(return_code, invocation.request_id)

    def _conclude(self, invocation: Invocation, result: Result) -> Outcome:
        now = self._clock()
        if self._delivered_at is None:
            self._log_start(invocation)
        # The worker wrote its lines before it answered, so they are in the pipe by now.
        self._output.drain(flush=True)
        duration = now - (self._delivered_at or now)
        self._log.write(f"END RequestId: {invocation.request_id}\n", time.time())
        self._log.write(self._report(invocation, result, duration * 1000), time.time())
        return Outcome(result, self._log.tail())

    def _log_start(self, invocation: Invocation) -> None:
        self._log.begin(f"START RequestId: {invocation.request_id} Version: {LATEST}\n", time.time())

    def _report(self, invocation: Invocation, result: Result, milliseconds: float) -> str:
        parts = [
            f"REPORT RequestId: {invocation.request_id}",
            f"Duration: {milliseconds:.2f} ms",
            f"Billed Duration: {math.ceil(milliseconds)} ms",
            f"Memory Size: {self._launch.memory_size} MB",
            f"Max Memory Used: {_peak_megabytes(self._process.pid) or self._launch.memory_size} MB",
        ]
        if self._initialised_at is not None and not self._init_reported:
            self._init_reported = True
            parts.append(f"Init Duration: {(self._initialised_at - self._started_at) * 1000:.2f} ms")
        if result.status != "success":
            parts.append(f"Status: {result.status}")
        if result.status == "error":
            parts.append(f"Error Type: {result.error_type}")
        return "\t".join(parts) + "\t\n"


def _as_request(invocation: Invocation) -> NextInvocation:
    headers = {
        "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
        "Lambda-Runtime-Deadline-Ms": str(int((time.time() + invocation.timeout) * 1000)),
        "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
        "Lambda-Runtime-Trace-Id": f"Root=1-{int(time.time()):08x}-{invocation.request_id.replace('-', '')[:24]}",
    }
    if invocation.client_context:
        headers["Lambda-Runtime-Client-Context"] = invocation.client_context
    return NextInvocation(invocation.payload, headers)


def _peak_megabytes(process_id: int) -> int | None:
    """The high-water mark of its memory; None where there is no /proc, or no process any more."""
    try:
        status = Path(f"/proc/{process_id}/status").read_text()
    except OSError:
        return None
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return math.ceil(int(line.split()[1]) / 1024)
    return None
