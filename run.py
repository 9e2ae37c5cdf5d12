"""`python run.py config/local.yaml`: everything is in geopipe_runner."""

import sys

from geopipe_runner.cli.main import entry

if __name__ == "__main__":
    sys.exit(entry())
