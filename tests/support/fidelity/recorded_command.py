"""Runs geopipe and records its AWS calls.

    python -m tests.support.fidelity.recorded_command FILE SCENARIO BEGAN ARGUMENTS...

FILE gets a line for each call; BEGAN is when the scenario began, in seconds since 1970.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.fidelity.recorder import CallRecorder


def main(path: str, scenario: str, began: str, arguments: list[str]) -> int:
    import botocore

    botocore.register_initializer(CallRecorder(Path(path), scenario, float(began)).register)
    from geopipe_runner.cli.main import main as geopipe

    return geopipe(arguments)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4], sys.argv[4:]))
