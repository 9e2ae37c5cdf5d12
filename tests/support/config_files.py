"""The smallest configuration that is valid, as text."""

from __future__ import annotations

MINIMAL_CONFIG = """\
deployment: test
target: local
region: us-west-2
account_id: "123456789012"
bucket: {name: test-bucket}
"""
