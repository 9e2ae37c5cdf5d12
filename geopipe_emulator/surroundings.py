"""What an emulator's process takes over from the environment of the program that starts it."""

from __future__ import annotations

import re

# A key that the parent has chosen, for systems that do not show which user a connection belongs to.
ACCESS_KEY_VARIABLE = "GEOPIPE_EMULATOR_ACCESS_KEY_ID"
_SECRET_NAME = re.compile(r"secret|token|passw|credential|private_?key|api_?key|access_?key", re.IGNORECASE)


def is_credential(name: str) -> bool:
    """Whether an environment variable may hold a credential. Functions run as the same user, and could read it."""
    return name.startswith("AWS_") or (name != ACCESS_KEY_VARIABLE and _SECRET_NAME.search(name) is not None)
