"""One execution environment: a process with AWS's runtime, which serves one invocation after the other.

It runs an invocation and returns the result; the pool decides whether the environment should exist. It has three
threads: the Runtime API listener, one that reads the output, one that waits for the end of the process.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from . import memory
from .invocation import (
    Invocation,
    InvocationResult,
    RuntimeResult,
    exited,
    reported,
    success,
    timed_out,
    timeout_message,
)
from .logs import RuntimeLog
from .output import OutputPipe
from .runtime_api import NextInvocation, RuntimeApi

# AWS's limit for everything before the first invocation. Time beyond it counts as the function's own.
INIT_SECONDS = 10.0
_MEMORY_CHECK_SECONDS = 0.025


@dataclass(frozen=True)
class Launch:
    """How to start the process.

    - `command` takes the read end of the lifeline pipe.
    - `environment` takes the address of the Runtime API.
    - `banner` is the INIT_START line of the log.
    - `version` is the one in the START line of the log.
    - `memory_size` is in megabytes.
    - `on_end` is called when the process has ended.
    """

    command: Callable[[int], Sequence[str]]
    environment: Callable[[str], Mapping[str, str]]
    folder: Path
    banner: str
    version: str
    memory_size: int
    on_end: Callable[[], None]


class RuntimeEnvironment:
    def __init__(self, launch: Launch, log: RuntimeLog, clock: Callable[[], float] = time.monotonic) -> None:
        self._launch = launch
        self._log = log
        self._clock = clock
        self._changed = threading.Condition()
        self._invocation: Invocation | None = None
        self._result: RuntimeResult | None = None
        self._delivered_at: float | None = None
        self._init_error: tuple[bytes, str] | None = None
        self._return_code: int | None = None
        self._initialized_at: float | None = None
        self._runtime_process: int | None = None
        self._init_reported = False
        self._used = False
        self._closing = False
        self._started_at = clock()
        log.write(launch.banner, time.time())
        self._api = RuntimeApi(self)
        self._output = OutputPipe(log.write)
        self._lifeline, self._process = self._spawn()
        self._waiting = threading.Thread(target=self._wait_for_end, name="environment-end", daemon=True)
        self._api.start()
        threading.Thread(target=self._output.follow, name="environment-output", daemon=True).start()
        self._waiting.start()

    # For the pool

    @property
    def is_ready(self) -> bool:
        """Whether it waits for work, so that an invocation would start immediately."""
        return self._initialized_at is not None

    @property
    def is_usable(self) -> bool:
        """Whether it can take an invocation.

        An environment that ended before its first invocation can take one: that one fails with the reason of the end.
        """
        with self._changed:
            return not self._closing and (self._return_code is None or not (self.is_ready or self._used))

    def run(self, invocation: Invocation) -> InvocationResult | None:
        """Run one invocation; return None if the process had ended before it could begin."""
        with self._changed:
            if not self.is_usable:
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
        """Kill the process and everything that it has started: its supervisor does so when the lifeline ends."""
        with self._changed:
            if not self._closing:
                self._closing = True
                os.close(self._lifeline)

    def join(self, timeout: float) -> None:
        self._waiting.join(timeout)

    # For its runtime (see runtime_api.Runtime)

    def next_invocation(self) -> NextInvocation | None:
        with self._changed:
            if self._initialized_at is None:
                self._initialized_at = self._clock()
                self._runtime_process = next(iter(memory.descendants(self._process.pid)), None)
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
        """Keep the error for the invocation, which fails when the process ends, a moment later."""
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

    def _accept(self, request_id: str, result: RuntimeResult) -> bool:
        with self._changed:
            if self._invocation is None or self._invocation.request_id != request_id or self._result is not None:
                return False
            self._result = result
            self._changed.notify_all()
            return True

    def _await_result(self, invocation: Invocation) -> RuntimeResult:
        assigned_at = self._clock()
        while self._result is None:
            started_at = self._delivered_at or max(assigned_at, self._started_at + INIT_SECONDS)
            seconds_left = started_at + invocation.timeout - self._clock()
            if seconds_left <= 0:
                # The result is set before the kill, so that the end of the process does not count as the reason.
                self._result = timed_out(invocation.timeout, invocation.request_id)
                self._log.write(timeout_message(invocation.timeout, invocation.request_id) + "\n\n", time.time())
                self.close()
                break
            self._changed.wait(min(seconds_left, _MEMORY_CHECK_SECONDS))
            if self._result is None and memory.exceeds(self._process.pid, self._launch.memory_size):
                self._result = exited(-signal.SIGKILL, invocation.request_id)
                self.close()
        return self._result

    def _wait_for_end(self) -> None:
        return_code = self._process.wait()
        self._output.drain(flush=True)
        with self._changed:
            self._return_code = return_code
            if self._invocation is not None and self._result is None:
                self._result = self._end_of(self._invocation, return_code)
            self._changed.notify_all()
        self._api.close()
        self.close()
        self._launch.on_end()

    def _end_of(self, invocation: Invocation, return_code: int) -> RuntimeResult:
        if self._init_error is not None:
            return reported(*self._init_error, invocation.request_id)
        return exited(return_code, invocation.request_id)

    def _conclude(self, invocation: Invocation, result: RuntimeResult) -> InvocationResult:
        now = self._clock()
        if self._delivered_at is None:
            self._log_start(invocation)
        # The runtime writes its lines before its response, so they are in the pipe by now.
        self._output.drain(flush=True)
        duration = now - (self._delivered_at or now)
        self._log.write(f"END RequestId: {invocation.request_id}\n", time.time())
        self._log.write(self._report(invocation, result, duration * 1000), time.time())
        return InvocationResult(result, self._log.tail())

    def _log_start(self, invocation: Invocation) -> None:
        self._log.begin(f"START RequestId: {invocation.request_id} Version: {self._launch.version}\n", time.time())

    def _report(self, invocation: Invocation, result: RuntimeResult, milliseconds: float) -> str:
        parts = [
            f"REPORT RequestId: {invocation.request_id}",
            f"Duration: {milliseconds:.2f} ms",
            f"Billed Duration: {math.ceil(milliseconds)} ms",
            f"Memory Size: {self._launch.memory_size} MB",
            f"Max Memory Used: {memory.peak_megabytes(self._runtime_process) or self._launch.memory_size} MB",
        ]
        if self._initialized_at is not None and not self._init_reported:
            self._init_reported = True
            parts.append(f"Init Duration: {(self._initialized_at - self._started_at) * 1000:.2f} ms")
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
