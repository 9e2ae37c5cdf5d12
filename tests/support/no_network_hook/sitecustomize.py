"""Python loads this at start when the folder is on PYTHONPATH."""

import loopback_only

loopback_only.install()
