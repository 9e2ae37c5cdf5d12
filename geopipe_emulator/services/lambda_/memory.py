"""How much memory the processes of an execution environment use, from Linux's /proc. Elsewhere nothing is known."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path


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
    try:
        listings = list(Path(f"/proc/{process}/task").glob("*/children"))
    except OSError:
        return []
    for listing in listings:
        try:
            children += map(int, listing.read_text().split())
        except OSError:
            continue  # The thread has ended.
    return children + [descendant for child in children for descendant in descendants(child)]


def _sum(processes: Iterable[int], file: str, names: tuple[str, ...]) -> int:
    """Return the sum in kilobytes of these lines of a file in /proc."""
    total = 0
    for process in processes:
        try:
            lines = Path(f"/proc/{process}/{file}").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith(names))
    return total
