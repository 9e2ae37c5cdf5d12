"""How much memory the processes of an execution environment use, from Linux's /proc. Elsewhere nothing is known."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from contextlib import suppress


def exceeds(supervisor: int, megabytes: int) -> bool:
    """Return whether the processes below `supervisor` have more memory than Lambda would give them.

    Pages of files do not count: the system can take them back. Processes that were forked share pages, so the quick
    sum is too high; only a sum over the limit is worth the exact figure, which takes milliseconds.
    """
    limit = megabytes * 1024
    processes = descendants(supervisor)
    return (
        _sum(processes, "status", ("RssAnon:", "RssShmem:")) > limit
        and _sum(processes, "smaps_rollup", ("Pss_Anon:", "Pss_Shmem:")) > limit
    )


def peak_megabytes(process: int | None) -> int | None:
    """Return the highest use of memory of a process; None without /proc or when the process has ended."""
    peak = _sum([process], "status", ("VmHWM:",)) if process else 0
    return math.ceil(peak / 1024) or None


def descendants(process: int) -> list[int]:
    """Return all processes below `process`; none if it has ended."""
    children: list[int] = []
    with suppress(OSError), os.scandir(f"/proc/{process}/task") as threads:
        for thread in threads:
            children += map(int, _read(f"{thread.path}/children").split())
    return children + [descendant for child in children for descendant in descendants(child)]


def _sum(processes: Iterable[int], file: str, names: tuple[str, ...]) -> int:
    """Return the sum in kilobytes of these lines of a file in /proc."""
    total = 0
    for process in processes:
        lines = _read(f"/proc/{process}/{file}").splitlines()
        total += sum(int(line.split()[1]) for line in lines if line.startswith(names))
    return total


def _read(path: str) -> str:
    """Return a file's text; nothing if its process or thread has ended.

    Every environment that works is checked 40 times a second, for which pathlib takes too long.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return ""
