"""What can be wrong with a state folder."""

from __future__ import annotations


class StateError(Exception):
    """The state folder cannot be used. The text says why, and what to do. The folder is as it was."""
