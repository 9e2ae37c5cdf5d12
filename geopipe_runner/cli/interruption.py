"""Ctrl-C, SIGTERM and SIGHUP.

While a command starts, nothing exists that needs care. A signal ends the process then: one line, exit code 130, and no
exception that could get lost inside an import. An embedded emulator ends with the command.

After that, the first signal ends every wait and raises KeyboardInterrupt, so that the command can say what exists and
how to continue. The second one ends the process. A clean-up that SIGTERM or SIGHUP started is something to interrupt
itself, so there the third one does.
"""

from __future__ import annotations

import os
import signal
import time

TYPE_CHECKING = False  # what typing would say, without importing it
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from ..aws.clock import Clock

    Handler = Callable[[int, FrameType | None], None]

INTERRUPTED = 130
_NAMES = {signal.SIGINT: "Interrupted.", signal.SIGTERM: "Terminated.", signal.SIGHUP: "The terminal was closed."}
# Programs between the terminal and us, such as make, pass a signal on that we have already.
_SAME_SIGNAL_SECONDS = 0.3


def end_on_signals() -> None:
    """From now on a signal ends the process immediately."""
    _install(lambda number, _frame: _end(_NAMES[signal.Signals(number)]))


def raise_on_signals(clock: Clock) -> None:
    """From now on the first signal ends the waits of `clock` and raises KeyboardInterrupt or Terminated."""
    from ..errors import Terminated

    def interrupt(number: int) -> None:
        clock.interrupt()
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated(_NAMES[signal.Signals(number)])

    _install_careful(interrupt)


def call_on_signals(stop: Callable[[str, bool], None]) -> None:
    """From now on the first signal calls `stop` with what to say, and whether no one will come back to clean up."""
    _install_careful(lambda number: stop(_NAMES[signal.Signals(number)], number != signal.SIGINT))


def _install_careful(interrupt: Callable[[int], None]) -> None:
    received: list[tuple[int, float]] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if received and now - received[-1][1] < _SAME_SIGNAL_SECONDS:
            return
        received.append((number, now))
        ends_cleanup = len(received) == 2 and received[0][0] != signal.SIGINT
        if len(received) > 1 and not ends_cleanup:
            _end("Ended immediately.")
        interrupt(number)

    _install(handle)


def _install(handler: Handler) -> None:
    for number in _NAMES:
        is_nohup = number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN
        if not is_nohup:
            signal.signal(number, handler)


def _end(text: str) -> None:
    try:  # noqa: SIM105 - contextlib is one more import before Ctrl-C can be handled
        os.write(2, f"{text}\n".encode())
    except OSError:
        pass  # standard error does not work: the exit code is all there is
    os._exit(INTERRUPTED)
