"""Takes and releases the lock of a deployment several times, next to other processes that do the same.

    python -m tests.support.lock_worker CONFIG FOLDER ROUNDS

While it holds the lock it has a file that only one process can create. It prints how often it held the lock.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from geopipe_runner.aws.clients import Aws, connect
from geopipe_runner.aws.clock import Clock
from geopipe_runner.aws.deployment_lock import DeploymentLock
from geopipe_runner.config import load
from geopipe_runner.errors import LockedError

BUCKET, KEY = "geopipe-local-123456789012", "geopipe/local/lock.json"
_SECONDS = 60


def connect_to(path: Path) -> Aws:
    config = load(path)
    return connect(config, config.endpoint, lambda _text: None, Clock())


def lock_of(aws: Aws, **settings: Any) -> DeploymentLock:
    return DeploymentLock(aws, BUCKET, KEY, **{"force": False, "emit": lambda _text: None, **settings})


def main(path: Path, folder: Path, rounds: int) -> int:
    aws, held = connect_to(path), 0
    deadline = time.monotonic() + _SECONDS
    while held < rounds and time.monotonic() < deadline:
        lock = lock_of(aws)
        lock.begin()
        try:
            lock.require()
        except LockedError:
            continue
        else:
            # Raises FileExistsError where two processes hold the lock.
            (folder / "held").touch(exist_ok=False)
            aws.client("s3").head_bucket(Bucket=BUCKET)
            (folder / "held").unlink()
            held += 1
        finally:
            lock.release()
    print(held)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
