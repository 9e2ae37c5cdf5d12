"""Ends a process, and everything that it has started, when it ends or when the emulator ends in any way.

Scripts of child processes import it, so it needs the standard library only. The supervisor is a process, not a thread,
because the code that it watches can hold the interpreter's lock for as long as it likes.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys

# Linux's <sys/prctl.h>.
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


def fork_supervised(lifeline: int) -> None:
    """Return in a child process. The parent supervises it until it ends, or until the pipe `lifeline` does."""
    # Orphans of the child become children of the supervisor, so that it finds them.
    _control_process(_PR_SET_CHILD_SUBREAPER, 1)
    child_ended, wakeup = os.pipe()
    os.set_blocking(wakeup, False)
    signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    supervisor = os.getpid()
    child = os.fork()
    if child:
        _supervise(child, lifeline, child_ended)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for descriptor in (lifeline, child_ended, wakeup):
        os.close(descriptor)
    os.setsid()
    # In case the child ends the supervisor.
    _control_process(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor:
        os._exit(1)


def _control_process(option: int, value: int) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _supervise(child: int, lifeline: int, child_ended: int) -> None:
    """Wait for the end of the child or of the lifeline, end what is left, and exit as the child did."""
    # Only the child and its own children write to the output, so that it ends with them.
    output = os.open(os.devnull, os.O_RDWR)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    status: int | None = None
    while status is None:
        readable, _, _ = select.select([lifeline, child_ended], [], [])
        if lifeline in readable:
            break
        os.read(child_ended, 4096)
        status = _reap(child)
    killed_status = _end_descendants(child)
    _exit_with(killed_status if status is None else status)


def _reap(child: int) -> int | None:
    """Collect the children that have ended; return the child's status if it is among them."""
    status = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == child:
                status = ended[1]
    return status


def _end_descendants(child: int) -> int | None:
    """Kill until no descendant is left; return the child's status if it was still running."""
    status = None
    with contextlib.suppress(ChildProcessError, ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)
    while True:
        for process in _descendants(os.getpid()):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        try:
            ended, ended_status = os.waitpid(-1, 0)
        except ChildProcessError:
            return status
        if ended == child:
            status = ended_status


def _descendants(process: int) -> list[int]:
    """Return the processes below `process`, as far as the system has /proc."""
    children: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{process}/task"):  # noqa: PTH208 - pathlib takes long to import
            with contextlib.suppress(OSError), open(f"/proc/{process}/task/{thread}/children") as listing:  # noqa: PTH123
                children += map(int, listing.read().split())
    return children + [descendant for child in children for descendant in _descendants(child)]


def _exit_with(status: int | None) -> None:
    """End as the child ended, so that the emulator sees its exit code or signal."""
    code = os.waitstatus_to_exitcode(status) if status is not None else 1
    if code >= 0:
        os._exit(code)
    with contextlib.suppress(OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if -code not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
