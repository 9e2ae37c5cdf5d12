"""The first code of an execution environment: a supervisor, and the process that becomes the runtime.

An isolated interpreter (no site-packages) runs this file as a script, so it imports the standard library only.
Arguments: the read end of the lifeline pipe, and the plan of sandbox.py as JSON. With the argument "probe" alone, the
exit code says whether this system allows the mounts.

The script forks before it does anything else. The parent stays as the supervisor, which ends everything that the
handler has started (see `supervisor`).
"""

from __future__ import annotations

import json
import os
import site
import sys
from typing import Any, NoReturn

_PARENT_OF_THE_PACKAGE = __file__.rsplit(os.sep, 4)[0]


def main() -> None:
    if sys.argv[1] == "probe":
        _mount({"read_only": ["/tmp"], "opt": None, "tmp_megabytes": 1})
        return
    lifeline, plan = int(sys.argv[1]), json.loads(sys.argv[2])
    _supervise(lifeline)
    if plan["mounts"]:
        _mount(plan["mounts"])
        # The same folder, but read-only now.
        os.chdir(os.environ["LAMBDA_TASK_ROOT"])
    _forget_the_package()
    if plan["program"]:
        _execute(plan["program"])
    _become_python(plan["runtime_folder"])


def _supervise(lifeline: int) -> None:
    """Return in the child process."""
    sys.path.insert(0, _PARENT_OF_THE_PACKAGE)
    from geopipe_emulator.supervisor import fork_supervised

    sys.path.remove(_PARENT_OF_THE_PACKAGE)
    fork_supervised(lifeline)


def _mount(mounts: dict[str, Any]) -> None:
    """Give this process, and all that it starts, a view of the file system of its own.

    - `read_only`: folders that cannot be written.
    - `opt`: the folder that appears as /opt, if any.
    - `tmp_megabytes`: the size of an empty /tmp of its own, if any.
    """
    sys.path.insert(0, _PARENT_OF_THE_PACKAGE)
    from geopipe_emulator.namespaces import MountNamespace

    sys.path.remove(_PARENT_OF_THE_PACKAGE)
    namespace = MountNamespace()
    for folder in mounts["read_only"]:
        namespace.show_read_only(folder, folder)
    if mounts["opt"]:
        namespace.show_read_only(mounts["opt"], "/opt")
    if mounts["tmp_megabytes"]:
        namespace.show_memory("/tmp", mounts["tmp_megabytes"])


def _forget_the_package() -> None:
    """The handler sees nothing of the emulator's package."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "geopipe_emulator"]:
        del sys.modules[name]


def _execute(program: list[str]) -> NoReturn:
    """Become the program. If that fails, the invocation fails with the reason, as on AWS."""
    try:
        os.execv(program[0], program)
    except FileNotFoundError:
        # Also where the interpreter that a script names is missing.
        message = f"Couldn't find valid bootstrap(s): [{program[0]}]"
    except OSError as error:
        message = f"fork/exec {program[0]}: {(error.strerror or str(error)).lower()}"
    from http.client import HTTPConnection

    body = json.dumps({"errorType": "Runtime.InvalidEntrypoint", "errorMessage": f"Error: {message}"})
    connection = HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request("POST", "/2018-06-01/runtime/init/error", body)
    connection.getresponse()
    os._exit(1)


def _become_python(runtime_folder: str) -> None:
    site.setquit()  # AWS has `exit` and `quit`; an interpreter without `site` lacks them.
    site.sethelper()
    sys.path.insert(0, runtime_folder)
    # With this the runtime frames its log records, so a record of many lines stays one event. It is the same pipe as
    # stdout, so records and prints keep their order.
    os.environ["_LAMBDA_TELEMETRY_LOG_FD"] = str(os.dup(1))
    from awslambdaric.__main__ import main as serve

    extra = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    sys.path[:0] = [os.environ["LAMBDA_TASK_ROOT"], *extra]
    sys.argv = ["bootstrap.py", os.environ["_HANDLER"]]
    serve(sys.argv)


if __name__ == "__main__":
    main()
