"""A folder for `PYTHONPATH`: each Python process that sees it refuses addresses other than loopback."""
