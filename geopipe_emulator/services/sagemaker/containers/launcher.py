"""The first code of a job's process. An isolated interpreter runs this file as a script.

It imports the standard library, and two modules of ours that need no more than that.

Arguments: the read end of the lifeline pipe, and a JSON file with `command`, `folder` (where it starts), `environment`
and `mount` (the folder to show as /opt/ml; null for none). With `--probe FOLDER` it only tries to mount, and exits with
0 where that works.

The mount needs no rights: the process gets user and mount namespaces of its own, where the system allows them. In them
/opt becomes a folder with everything that /opt has, and with ml. The user and the group stay the same.
"""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False  # typing would take long to import
if TYPE_CHECKING:
    from geopipe_emulator.namespaces import MountNamespace

_PARENT_OF_THE_PACKAGE = __file__.rsplit(os.sep, 5)[0]
_OPT, _ML = "/opt", "ml"


def main() -> None:
    sys.path.insert(0, _PARENT_OF_THE_PACKAGE)
    if sys.argv[1] == "--probe":
        os._exit(0 if _try_to_mount(sys.argv[2]) else 1)
    with open(sys.argv[2], encoding="utf-8") as file:  # noqa: PTH123 - pathlib takes long to import
        launch = json.load(file)
    _supervise(int(sys.argv[1]))
    if launch["mount"]:
        mount(launch["mount"])
    os.chdir(launch["folder"])
    command = launch["command"]
    try:
        os.execvpe(command[0], command, launch["environment"])
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot be started: {error.strerror}\n")
        sys.stderr.flush()
        os._exit(127)


def _supervise(lifeline: int) -> None:
    from geopipe_emulator.supervisor import fork_supervised

    fork_supervised(lifeline)


def _try_to_mount(folder: str) -> bool:
    try:
        mount(folder)
    except (OSError, AttributeError):
        return False
    return os.path.isdir(f"{_OPT}/{_ML}")  # noqa: PTH112


def mount(folder: str) -> None:
    """Show `folder/ml` as /opt/ml to this process and its children. It uses `folder/opt` for that.

    Raises:
        OSError: the system does not allow it, or has no /opt.
    """
    from geopipe_emulator.namespaces import MountNamespace

    namespace, stage = MountNamespace(), f"{folder}/opt"
    os.makedirs(f"{stage}/{_ML}", exist_ok=True)  # noqa: PTH103
    for entry in os.scandir(_OPT):
        if entry.name != _ML:
            _show(namespace, entry, f"{stage}/{entry.name}")
    namespace.show(f"{folder}/{_ML}", f"{stage}/{_ML}")
    namespace.show(stage, _OPT)


def _show(namespace: MountNamespace, entry: os.DirEntry[str], target: str) -> None:
    if entry.is_symlink():
        os.symlink(os.readlink(entry.path), target)  # noqa: PTH115, PTH211
    elif entry.is_dir():
        os.makedirs(target, exist_ok=True)  # noqa: PTH103
        namespace.show(entry.path, target)
    elif entry.is_file():
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY, 0o600))
        namespace.show(entry.path, target)


if __name__ == "__main__":
    main()
