"""`python -m geopipe_runner config/local.yaml` is the same as `geopipe config/local.yaml`."""

import sys

from .cli.main import entry

if __name__ == "__main__":
    sys.exit(entry())
