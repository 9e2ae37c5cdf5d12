"""What this command has written so recently that AWS may not act on it everywhere yet.

AWS gives no sign of when a role, a policy or a tag has spread. Where its refusal does not say "too early" in words we
know, the refusal counts as early only if this very command has changed rights or tags a moment ago.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass
class RecentChanges:
    """The last writes of this command, on the clock of its Retrier. Threads may write at the same time."""

    rights: float | None = None
    tags: float | None = None

    def record(self, service: str, operation: str, parameters: Mapping[str, Any], now: float) -> None:
        """Note a write. What we write to IAM are rights; tags can be the condition of a right."""
        if service == "iam":
            self.rights = now
        if "tag" in operation.lower() or any("tag" in name.lower() for name, value in parameters.items() if value):
            self.tags = now

    def any_since(self, moment: float) -> bool:
        """Whether rights or tags were written at `moment` or later."""
        return any(written is not None and written >= moment for written in (self.rights, self.tags))
