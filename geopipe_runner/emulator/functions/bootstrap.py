"""The first code of a worker process: builds the narrow world a handler sees, then hands over to AWS's runtime.

Run as a script by an isolated interpreter (no site-packages), so it may import the standard library only.
Arguments: the read end of the lifeline pipe, and the folder with AWS's runtime and boto3.
"""

from __future__ import annotations

import os
import signal
import site
import sys
import threading


def _end_with_parent(lifeline: int) -> None:
    """Nothing is ever written to the pipe: a read returns once the parent is gone, however it went."""
    os.read(lifeline, 1)
    os.killpg(0, signal.SIGKILL)


def _add_site_builtins() -> None:
    """`exit` and `quit` exist on AWS; skipping `site` (for isolation) took them away."""
    site.setquit()
    site.sethelper()


def main() -> None:
    lifeline, runtime_folder = int(sys.argv[1]), sys.argv[2]
    threading.Thread(target=_end_with_parent, args=(lifeline,), name="lifeline", daemon=True).start()
    _add_site_builtins()
    sys.path.insert(0, runtime_folder)
    # With this the runtime frames its log records, so one of many lines stays one event. The same pipe as stdout,
    # so records and prints keep their order.
    os.environ["_LAMBDA_TELEMETRY_LOG_FD"] = str(os.dup(1))
    from awslambdaric.__main__ import main as serve

    extra = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[:0] = [os.environ["LAMBDA_TASK_ROOT"], *extra]
    handler = os.environ["_HANDLER"]
    sys.argv = ["bootstrap.py", handler]
    serve(sys.argv)


if __name__ == "__main__":
    main()
