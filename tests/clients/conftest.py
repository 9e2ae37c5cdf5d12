"""Clients that others have written. They take long and need an installation, so they run only where asked for by name.

`make client-test` installs them first, while there is a network.
"""

from __future__ import annotations

import pytest


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    return None if any("clients" in argument for argument in config.args) else True
