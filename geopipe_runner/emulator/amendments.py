"""Where moto is laxer than AWS, or wrong, and by whom it is put right."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .accounts import Identities, Sessions
from .known_roles import KnownRoles
from .log_events import LogEvents
from .queues import Queues
from .settings import Settings
from .storage import Storage

if TYPE_CHECKING:
    from .gateway import Amendment


def default_amendments(settings: Settings, known: KnownRoles) -> list[Amendment]:
    return [Storage(settings), Queues(settings), Identities(known), Sessions(known), LogEvents()]
