"""The program: arguments in, exit code out. It imports next to nothing before it can handle Ctrl-C."""

from __future__ import annotations

import gc
import os
import sys

from .interruption import INTERRUPTED, end_on_signals

TYPE_CHECKING = False  # what typing would say, without importing it
if TYPE_CHECKING:
    from collections.abc import Sequence


def entry() -> int:
    """Run `main` as a process: what is left in memory need not be searched before the exit."""
    end_on_signals()
    collect_garbage_rarely()
    code = main()
    if code == INTERRUPTED:
        os._exit(code)  # a call that hangs on another thread would keep the interpreter alive
    gc.freeze()
    return code


def collect_garbage_rarely() -> None:
    """Import modules and read AWS's models without searching them for garbage hundreds of times: they live to the end.

    Saves about a tenth of a command's CPU time.
    """
    gc.set_threshold(50_000, 20, 20)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Raises SystemExit after help, version or wrong usage."""
    from .dispatch import run_arguments

    return run_arguments(list(sys.argv[1:] if arguments is None else arguments))
